"""The error of a request that cannot be met: one line that names the value and the way out."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class RequestError(ValueError):
    """What the user asked for is wrong; the message is one line that says what and how to mend it."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The known name most similar to a wrong one, as a question to put behind it; empty if none is similar.

    >>> did_you_mean("MobileNetV2", ["mobilenet_v2", "nn_mass_b"]), did_you_mean("x", ["mobilenet_v2"])
    (' (did you mean mobilenet_v2?)', '')
    """
    close = closest(name, known)
    return f" (did you mean {close}?)" if close else ""


def closest(name: str, known: Iterable[str]) -> str:
    """The known name most similar to a wrong one; empty if none is similar."""
    return next(iter(difflib.get_close_matches(name.lower()[:80], list(known), n=1)), "")


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
