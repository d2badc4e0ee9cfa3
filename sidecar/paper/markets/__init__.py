"""Where the paper exchange's prices come from: a random market, a replayed file, and the past."""
