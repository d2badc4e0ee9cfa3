"""What orders are judged against beside the account: limits, state, feeds, activity. No I/O."""
