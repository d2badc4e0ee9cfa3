"""A sidecar's answers, as people read them."""
