"""What all commands share: numbers as people type them, errors in one line, signals and streams."""

from __future__ import annotations

import argparse

import pytest

from nas.command_line import at_least, literal


@pytest.mark.parametrize(
    "text", ["0", "-1", "1.5", "1e3", "", " 5", "1_000", "\uff11", "\u0663", "abc", "2147483648", "9" * 5000]
)
def test_whole_numbers_have_bounds_and_ascii_digits(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError) as refused:
        at_least(1)(text)
    assert len(str(refused.value)) < 140


def test_whole_numbers_inside_their_bounds_pass() -> None:
    assert [at_least(0, 7)(text) for text in ("0", "7", "+3", "007")] == [0, 7, 3, 7]
    with pytest.raises(argparse.ArgumentTypeError, match="'8' is too large; the most is 7"):
        at_least(0, 7)("8")


@pytest.mark.parametrize("text", ["\uff11", "\u0663", "1_0", " 1"])
def test_what_no_one_types_as_a_number_is_text(text: str) -> None:
    assert literal(text) == text
