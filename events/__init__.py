"""Marathon's event stream: what is told (catalogue), when (derivation), and to whom (hub, stream)."""
