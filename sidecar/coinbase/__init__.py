"""The edge to Coinbase: what it says becomes facts for the core, what the core wants becomes calls."""
