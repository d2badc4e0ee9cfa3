"""The disk: state files written whole or not at all."""
