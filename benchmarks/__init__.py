"""Measurements, printed as ratios; never a timed test. `make bench` runs them."""
