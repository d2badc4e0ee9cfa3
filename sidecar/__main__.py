"""`python -m sidecar` is `risk-sidecar`."""

from sidecar.console.app import main

main()
