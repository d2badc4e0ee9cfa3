"""What facts set in motion: causes, alerts, cancels and flattenings. No I/O."""
