"""From a position to none. No I/O."""
