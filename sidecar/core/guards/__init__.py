"""The consequences of facts: causes, alerts, cancels and flattenings. No I/O."""
