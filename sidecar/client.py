"""The client under its first name, for bots that import it from here.

Bots import `risk_sidecar_client`, a distribution of its own, which changes no other package of their
environment; these are its very objects.
"""

from risk_sidecar_client import NO_ANSWER, AskFailed, AsyncClient, Client, Decision, Violation

__all__ = ["NO_ANSWER", "AskFailed", "AsyncClient", "Client", "Decision", "Violation"]
