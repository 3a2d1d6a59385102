"""Everything that knows about the wire to the API server: transport, reflector, cache, lease."""
