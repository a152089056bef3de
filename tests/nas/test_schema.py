"""Plain values become a dataclass, or an error names the one that does not fit."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas.optimize.request import Request
from nas.schema import Stored, built
from nas.train.config import RECIPES, TrainConfig
from search_spaces import RequestError


class Pair(NamedTuple):
    """Two numbers."""

    low: float
    high: float


@dataclass(frozen=True)
class Inner:
    """One of each kind."""

    whole: int = 0
    real: float = 0.0
    flag: bool = False
    word: Literal["a", "b"] = "a"


@dataclass(frozen=True)
class Outer:
    """All ways to hold them."""

    parts: tuple[Inner, ...]
    pair: Pair | None = None
    named: Mapping[str, int | float | str] = field(default_factory=dict)
    text: str | None = None


def test_values_become_what_they_were() -> None:
    values = {
        "parts": [{"whole": 1, "real": 2, "flag": True, "word": "b"}, {}],
        "pair": [1, 2.5],
        "named": {"x": 1, "y": 0.5, "z": "w"},
        "text": None,
    }
    expected = Outer((Inner(1, 2, True, "b"), Inner()), Pair(1, 2.5), {"x": 1, "y": 0.5, "z": "w"})
    assert built(Outer, json.loads(json.dumps(values))) == expected


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], r"Outer is \[\], expected Outer"),
        ({}, "parts"),
        ({"parts": 5}, r"parts is 5, expected tuple"),
        ({"parts": [{"whole": True}]}, "whole is True, expected int"),
        ({"parts": [{"whole": 1.0}]}, "whole is 1.0, expected int"),
        ({"parts": [{"whole": 10**30}]}, "whole is 10+, expected int"),
        ({"parts": [{"real": math.nan}]}, "real is nan, expected float"),
        ({"parts": [{"real": 10**400}]}, "real is 10+…0+, expected float"),
        ({"parts": [{"flag": 1}]}, "flag is 1, expected bool"),
        ({"parts": [{"word": "c"}]}, "word is 'c', expected"),
        ({"parts": [{"word": ["a"]}]}, "word is "),
        ({"parts": [{"other": 1}]}, "has no 'other'"),
        ({"parts": [], "pair": [1]}, r"pair is"),
        ({"parts": [], "named": {"x": []}}, r"named.x is \[\]"),
        ({"parts": [], "text": {}}, r"text is \{\}, expected str"),
    ],
)
def test_the_error_names_the_wrong_value(values: object, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        built(Outer, values)


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=3,
)


@dataclass(frozen=True)
class Renamed(Stored):
    size: int
    _OLD_NAMES: ClassVar = {"length": "size"}


@dataclass(frozen=True)
class Holder(Stored):
    parts: tuple[Renamed, ...]


def test_a_renamed_field_is_read_under_its_old_name_at_any_depth() -> None:
    holder = Holder((Renamed(3), Renamed(4)))
    assert Holder.of_json({"parts": [{"length": 3}, {"size": 4}]}) == holder
    assert Holder.of_json(json.loads(json.dumps(holder.as_json()))) == holder
    with pytest.raises(TypeError, match="length"):
        Renamed.of_json({"length": 3, "size": 3})
    with pytest.raises(TypeError, match="_OLD_NAMES"):
        Renamed.of_json({"size": 3, "_OLD_NAMES": {}})


@settings(max_examples=50)
@given(st.data(), ODD)
def test_no_value_of_a_stored_request_is_taken_unseen(draw: st.DataObject, odd: object) -> None:
    """Any value in the place of any other gives a request that can be stored, or an error of one kind."""
    stored: list[tuple[Any, Any]] = [
        (
            TrainConfig,
            TrainConfig(("mlp:mlp_8",), "folder", "data", "quick", RECIPES["quick"], (0, 1)).as_json(),
        ),
        (Request, Request("mlp", {"flops": "1M"}, fix={"width": 8}).as_json()),
    ]
    kind, values = draw.draw(st.sampled_from(stored))
    place = draw.draw(
        st.sampled_from([values, *(part for part in values.values() if isinstance(part, dict) and part)])
    )
    place[draw.draw(st.sampled_from(sorted(place)))] = odd
    try:
        request = kind.of_json(json.loads(json.dumps(values)))
    except (TypeError, RequestError):
        return
    assert kind.of_json(json.loads(json.dumps(request.as_json()))) == request
