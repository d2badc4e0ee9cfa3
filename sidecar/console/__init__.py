"""The command line: what a person types and reads. It knows the edges; nothing knows it."""
