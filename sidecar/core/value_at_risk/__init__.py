"""Value at risk, expected shortfall and stress: the only place where money is a float. No I/O."""
