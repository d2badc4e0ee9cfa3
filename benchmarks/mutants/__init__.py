"""Whether the unit tests of the core notice when it is changed: `python -m benchmarks.mutants`."""
