"""The context that orders are judged in beside the account: limits, state, feeds, activity. No I/O."""
