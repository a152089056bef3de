"""The error of a request that cannot be met: one line that names the value and the way out."""

from __future__ import annotations


class RequestError(ValueError):
    """What the user asked for is wrong; the message is one line that says what and how to mend it."""


def shown(value: object, most: int = 80) -> str:
    """A value as an error names it: its `repr`, which escapes control characters, cut in the middle.

    >>> shown("a\\x1b[31m"), len(shown("9" * 5000))
    ("'a\\\\x1b[31m'", 80)
    """
    return shortened(repr(value), most)


def shortened(text: str, most: int) -> str:
    """A text of at most so many characters, cut in the middle where it is longer.

    >>> shortened("abcdefghij", 6)
    'abc…ij'
    """
    if len(text) <= most:
        return text
    return f"{text[: most // 2]}…{text[len(text) - (most - 1) // 2 :]}"
