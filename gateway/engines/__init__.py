"""What runs apps, behind one protocol."""
