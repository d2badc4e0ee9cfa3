"""Why a question has no answer. Each message says what to mend."""


class AskFailed(Exception):
    """A question that is no order could not be answered; the message says what to mend."""


class Refused(AskFailed):
    """The sidecar's own word on this very question; the connection is as good as before."""


class NotServed(AskFailed):
    """The sidecar's word on the connection: it has no room for it, or may not be asked by this user."""
