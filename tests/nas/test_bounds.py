"""Budgets as users write them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.bounds import Bound, in_unit, parse_budget
from nas.values import quantity
from search_spaces import RequestError
from search_spaces.errors import shortened


@pytest.mark.parametrize(
    ("written", "least", "most"),
    [
        ("400M", 0, 400_000_000),
        ("3.7M", 0, 3_700_000),
        ("1.2G", 0, 1_200_000_000),
        ("400e6", 0, 400_000_000),
        ("4E8", 0, 400_000_000),
        ("400m", 0, 400_000_000),
        ("400_000_000", 0, 400_000_000),
        (400_000_000, 0, 400_000_000),
        (400e6, 0, 400_000_000),
        ("380M:400M", 380_000_000, 400_000_000),
        ("380M:", 380_000_000, float("inf")),
        (":400M", 0, 400_000_000),
        ((380e6, 400e6), 380_000_000, 400_000_000),
        ((None, 400e6), 0, 400_000_000),
        ("1.5", 0, 1),
        ("1.5:2.5", 2, 2),
    ],
)
def test_budgets_are_parsed(written: object, least: float, most: float) -> None:
    assert parse_budget("flops", written) == Bound("flops", least, most)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "written",
    [
        "abc",
        "-1",
        "0",
        "",
        ":",
        "1:2:3",
        "400MM",
        "nan",
        "inf",
        "1e999",
        "9" * 400,
        "1e19",
        "400 M x",
        "0.5",
        "1e-3",
        "M",
        "٣",
    ],
)
def test_the_error_names_a_wrong_budget(written: str) -> None:
    with pytest.raises(RequestError) as error:
        parse_budget("flops", written)
    assert f"--flops {shortened(written, 80)}:" in str(error.value) and "400M" in str(error.value)


def test_the_error_of_a_reversed_band_corrects_it() -> None:
    with pytest.raises(RequestError, match="reversed; write 380M:400M"):
        parse_budget("flops", "400M:380M")


@given(st.integers(1, 10**15), st.integers(1, 10**15), st.integers(0, 10**15))
def test_violation_is_positive_only_outside(one: int, other: int, value: int) -> None:
    bound = Bound("flops", min(one, other), max(one, other))
    assert (bound.violation(value) <= 0) == bound.meets(value)


@given(*[st.integers(-(10**6), 10**6)] * 3)
def test_scores_below_zero_have_violations_as_costs_do(one: int, other: int, value: int) -> None:
    for bound in (
        Bound("score", min(one, other), max(one, other)),
        Bound("score", -math.inf, one),
        Bound("score", one),
    ):
        assert (bound.violation(value) <= 0) == bound.meets(value)


def test_a_floor_of_zero_or_below_is_shown() -> None:
    assert str(Bound("score", -3.0, -1.0)) == "score from -3 to -1"
    assert str(Bound("score", -math.inf, -1.0)) == "score at most -1"
    assert str(Bound("score", 0.0, 2.0)) == "score from 0 to 2"


@pytest.mark.parametrize(
    ("value", "unit", "number"),
    [
        ("4ms", "ms", 4.0),
        ("4 ms", "ms", 4.0),
        ("9K", "images/s", 9000.0),
        ("9k", "", 9000.0),
        ("60%", "%", 60.0),
    ],
)
def test_values_of_scores_are_parsed(value: str, unit: str, number: float) -> None:
    assert in_unit("--max x", value, unit) == number


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [("5m", "ms", "such as 4ms"), ("4s", "ms", "such as 4ms")],
)
def test_values_of_scores_in_another_unit_are_refused(value: str, unit: str, expected: str) -> None:
    with pytest.raises(RequestError, match=expected):
        in_unit("--max x", value, unit)


@given(st.integers(1_000, 10**14))
def test_quantities_have_four_significant_digits(value: int) -> None:
    text = quantity(value)
    assert len(text) <= 6
    assert float(text[:-1]) * {"K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}[text[-1]] == pytest.approx(
        value, rel=5.1e-4
    )
