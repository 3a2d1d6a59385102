"""The running server: Marathon's API in front of Kubernetes."""
