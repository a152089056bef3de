"""Values as people type and read them: numbers in a range, lists of them, NAME=VALUE, short quantities."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from numbers import Real
from typing import Any

from search_spaces import RequestError
from search_spaces.architecture import Value
from search_spaces.errors import checked_kind, checked_whole, number_text, printable, shortened, shown
from search_spaces.spec import read_number

MOST = 2**31 - 1
"""Largest whole number where no other limit is given."""
MOST_IMAGES = 4096
"""Largest batch size of a measured score."""
MOST_ROWS = 100_000
"""Largest number of rows of a table."""
MOST_DRAWN = 1_000_000
"""Largest random sample."""
MOST_SEED = 2**32 - 1
"""Largest seed that all random generators accept."""
UNITS = (("K", 3), ("M", 6), ("G", 9), ("T", 12))
"""Letters that stand for powers of ten."""
_BYTES = re.compile(r"(?P<number>[0-9.eE+_]+?)\s*(?:(?P<unit>[KMGT])(?P<binary>I?))?B?", re.IGNORECASE)
_GROUPED = re.compile("[0-9]{1,3}(,[0-9]{3})+")


@dataclass(frozen=True)
class Range:
    """Numbers from `least` to `most`.

    Attributes:
        least: Lower end.
        most: Upper end.
        below: Whether `most` itself lies outside.
        or_zero: Whether 0 lies inside, too.
        unit: What is counted, such as "of minutes".
    """

    least: float = 0
    most: float = MOST
    below: bool = False
    or_zero: bool = False
    unit: str = ""

    def __contains__(self, number: float) -> bool:
        inside = self.least <= number < self.most if self.below else self.least <= number <= self.most
        return inside or (self.or_zero and number == 0)

    def text(self, kind: type) -> str:
        """The numbers in words.

        >>> Range(1, 4096).text(int), Range(0, 1, below=True).text(float)
        ('a whole number from 1 to 4,096', 'a number from 0 to below 1')
        """
        what = "a whole number" if kind is int else "a number"
        zero = "0, or " if self.or_zero else ""
        ends, most = number_text(self.least), number_text(self.most)
        unit = f" {self.unit}" if self.unit else ""
        if kind is int and self.most >= MOST:
            return f"{what}{unit} of at least {ends}"
        return f"{zero}{what}{unit} from {ends} to {'below ' * self.below}{most}"

    def read(self, kind: type, text: str) -> Any:
        """A number from text, in ASCII digits.

        Raises:
            argparse.ArgumentTypeError: It is none, or lies outside.
        """
        try:
            number: Any = read_number(kind, text)
        except ValueError:
            number = math.nan
        if number in self:
            return number
        if kind is int and number > self.most:
            raise argparse.ArgumentTypeError(
                f"{shown(text)} is too large; the most is {number_text(self.most)}"
            )
        wanted = f"a whole number of at least {number_text(self.least)}" if kind is int else self.text(kind)
        way = f"; write {text.replace(',', '')}" if _GROUPED.fullmatch(text) else ""
        raise argparse.ArgumentTypeError(f"{shown(text)} is not {wanted}{way}")

    def read_several(self, text: str) -> tuple[int, ...]:
        """Whole numbers joined by commas.

        Raises:
            argparse.ArgumentTypeError: One is none, lies outside, or is given twice.
        """
        try:
            found = tuple(self.read(int, part) for part in text.split(","))
        except argparse.ArgumentTypeError as error:
            raise argparse.ArgumentTypeError(f"{error}; join whole numbers by commas, as 1,4") from None
        if len(set(found)) < len(found):
            raise argparse.ArgumentTypeError(f"{shown(text)} repeats a number; give each once")
        return found

    def checked(self, name: str, value: object, kind: type) -> Any:
        """A number that lies inside; a whole one as one of Python.

        Raises:
            TypeError: It is of another kind.
            RequestError: It lies outside.
        """
        if kind is int:
            return checked_whole(name, value, int(self.least), int(self.most))
        checked_kind(name, value, Real, self.text(kind))
        number: Any = value
        if number not in self:
            raise RequestError(f"{name} is {shown(value)}, expected {self.text(kind)}")
        return number


ANY = Range()
"""Whole numbers from 0: the default."""


def at_least(least: int, most: int = MOST) -> Callable[[str], int]:
    """A converter of whole numbers from `least` to `most`, in ASCII digits."""
    return lambda text: int(Range(least, most).read(int, text))


def numbers(least: int, most: int = MOST) -> Callable[[str], tuple[int, ...]]:
    """A converter of whole numbers joined by commas."""
    return Range(least, most).read_several


def literal(text: str) -> Value:
    """A whole number, a number, True or False, or else the text itself.

    >>> literal("2"), literal("0.35"), literal("true"), literal("depthwise")
    (2, 0.35, True, 'depthwise')
    """
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        with suppress(ValueError):
            return read_number(kind, text)
    return text


def assignment(text: str) -> tuple[str, Value]:
    """A name and a value from "name=value".

    Raises:
        argparse.ArgumentTypeError: There is no "=".
    """
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        example = f"{printable(shortened(name, 40)) or 'NAME'}=4"
        raise argparse.ArgumentTypeError(f"{shown(text)} is not NAME=VALUE, such as {example}")
    return name, literal(value)


def number_of_bytes(text: str) -> float:
    """A number of bytes from text; nan if it is none.

    >>> number_of_bytes("512KB"), number_of_bytes("512 KiB"), number_of_bytes("4096"), number_of_bytes("2X")
    (512000.0, 524288.0, 4096.0, nan)
    """
    match = _BYTES.fullmatch(text.strip())
    if not match:
        return math.nan
    thousands = dict(UNITS).get((match["unit"] or "").upper(), 0) // 3
    try:
        number: float = read_number(float, match["number"])
    except ValueError:
        return math.nan
    return number * float((1024 if match["binary"] else 1000) ** thousands)


def quantity(value: float) -> str:
    """A value in at most six characters, with four significant digits.

    >>> quantity(399_123_456), quantity(3_700_000), quantity(999_950), quantity(12)
    ('399.1M', '3.700M', '1.000M', '12')
    """
    rounded = float(f"{value:.3e}")
    for unit, power in reversed(UNITS):
        if rounded >= 10**power:
            digits = 3 - int(math.log10(rounded / 10**power))
            return f"{rounded / 10**power:.{digits}f}{unit}"
    return f"{rounded:g}"
