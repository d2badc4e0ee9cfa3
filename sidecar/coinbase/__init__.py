"""The edge to Coinbase: its messages become facts for the core, the core's actions become calls."""
