"""Marathon definitions to Kubernetes objects, and Kubernetes state back to Marathon tasks."""
