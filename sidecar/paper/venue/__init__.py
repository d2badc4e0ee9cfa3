"""The paper exchange itself: books, orders, balances, fees, futures. Pure: time and quotes are data."""
