"""The error of a request that cannot be met: one line that names the value and the way out."""


class RequestError(ValueError):
    """What the user asked for is wrong; the message is one line that says what and how to mend it."""
