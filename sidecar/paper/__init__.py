"""The paper exchange: Coinbase Advanced Trade on loopback, for every client that speaks to Coinbase."""
