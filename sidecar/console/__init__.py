"""The command line: commands and pages for people. It knows the edges; no module knows it."""
