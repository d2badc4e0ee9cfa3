"""What a sidecar says, as people read it."""
