"""The daemon: introduces the core and the edges to each other, starts them and stops them."""
