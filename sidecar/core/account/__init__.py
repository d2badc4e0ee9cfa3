"""What the account is: positions, wallets, orders, PnL and losses. No I/O."""
