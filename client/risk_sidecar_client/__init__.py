"""What a bot imports: ask the sidecar before every order.

    from risk_sidecar_client import Client

    sidecar = Client("state/run/order.sock")
    decision = sidecar.validate_order(body)      # the very JSON you will POST to Coinbase
    if decision:
        coinbase.create_order(**body)

Whatever goes wrong on the way is a refusal: no socket, no answer in time, an answer that is none.
`decision.codes` then holds NO_ANSWER, and `decision.violations[0].message` says what to mend. Needs
msgspec and nothing of the engine, so that a bot stays light and its environment as it was.

A bot that has said `hello` is known until it says `bye`: the client says hello again on every
connection that it makes, and comes back by itself to a sidecar that was restarted, however long the
bot itself has nothing to ask.
"""

from risk_sidecar_client.asynchronous import AsyncClient
from risk_sidecar_client.blocking import Client
from risk_sidecar_client.decision import NO_ANSWER, Decision, Violation
from risk_sidecar_client.failures import AskFailed

__all__ = ["NO_ANSWER", "AskFailed", "AsyncClient", "Client", "Decision", "Violation"]
