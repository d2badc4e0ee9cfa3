"""Coinbase's bodies for requests that failed. No I/O.

Compact JSON matters: the official SDK knows missing scopes by the very bytes
`"error_details":"Missing required scopes"`. Source: observed answers, see docs/paper-exchange.md.
"""

from typing import Final

from msgspec import Struct

from sidecar.paper.wire.text import Row

UNAUTHORIZED_TEXT: Final = "Unauthorized"  # plain text, not JSON
HTML_ERROR: Final = (
    "<!DOCTYPE html><html><head><title>503 Service Temporarily Unavailable</title></head>"
    "<body><center><h1>503 Service Temporarily Unavailable</h1></center></body></html>"
)
HTML_FORBIDDEN: Final = (  # of a proxy in front of Coinbase
    "<!DOCTYPE html><html><head><title>403 Forbidden</title></head>"
    "<body><center><h1>403 Forbidden</h1></center></body></html>"
)
TOO_MANY_REQUESTS: Final[Row] = {
    "errors": [{"id": "rate_limit_exceeded", "message": "Too many requests"}]
}


class Failure(Struct, frozen=True):
    """A failed request: its HTTP status and body."""

    status: int
    body: Row


class Failed(Exception):
    """A request fails as `failure` says."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(f"{failure.status} {failure.body}")
        self.failure = failure


def _failure(status: int, error: str, message: str) -> Failed:
    body: Row = {"error": error, "error_details": message, "message": message}
    return Failed(Failure(status, body))


def invalid(message: str) -> Failed:
    """400: the request's shape is wrong."""
    return _failure(400, "INVALID_ARGUMENT", message)


def too_many_ids(limit: int) -> Failed:
    """400: Coinbase's batch cancel has a wording and a code of its own."""
    message = f"Too many orderIDs entered, limit is {limit}"
    return Failed(Failure(400, {"error": "InvalidArgument", "message": message}))


def missing_scopes() -> Failed:
    """403: the key may not do that."""
    return _failure(403, "PERMISSION_DENIED", "Missing required scopes")


def not_found(message: str) -> Failed:
    """404: no such thing."""
    return _failure(404, "NOT_FOUND", message)


def no_order() -> Failed:
    """404 of an order that is none, or too new."""
    return not_found("order with this orderID was not found")


def no_route() -> Failed:
    """404 of a path that is none."""
    return _failure(404, "unknown", "Not Found")


def wrong_method() -> Failed:
    """A path that is there, asked by another method: Coinbase's gateway says so in gRPC's words."""
    return _failure(501, "UNIMPLEMENTED", "Method Not Allowed")
