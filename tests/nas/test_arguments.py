"""What a function of the package says of an argument of the wrong kind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import nas
import search_spaces
from nas import exact

NO_TEXTS = (5, -1, 1.5, float("nan"), True, [], {}, (1, 2), object(), b"x", 10**30, Path("/x"))
NO_NUMBERS = ("", "x", 1.5, float("nan"), True, [], {}, (), object(), b"x")


def mlp(name: str) -> Callable[[Any], object]:
    return lambda value: nas.search("mlp", **{name: value})


@pytest.mark.parametrize(
    ("name", "call", "wrong"),
    [
        ("name", search_spaces.get, NO_TEXTS),
        ("text", search_spaces.parse, NO_TEXTS),
        ("text", search_spaces.get("mlp").parse, NO_TEXTS),
        ("architecture", nas.score, NO_TEXTS),
        ("architecture", nas.score, ([search_spaces.MLP()],)),
        ("folder", nas.load, (5, None, [], b"x", "", "a\0b")),
        ("row", lambda value: nas.load("x", value), NO_NUMBERS),
        ("best", lambda value: nas.load("x", best=value), (1, "x")),
        ("space", lambda value: nas.search(value), NO_TEXTS),
        *((name, mlp(name), NO_TEXTS) for name in ("sampler", "score", "pareto", "minimize")),
        *((name, mlp(name), NO_NUMBERS) for name in ("trials", "seed", "per_width", "score_batch", "top")),
        ("fix", mlp("fix"), ("", [], (), "width=8", 5)),
        ("out", mlp("out"), (5, 1.5, True, [], b"x", "", "a\0b")),
        ("warm_start", mlp("warm_start"), ("no", 1, None)),
        ("space", exact.count, NO_TEXTS),
        ("fix", lambda value: exact.count("mlp", fix=value), ("", [], (), 5)),
        ("k", lambda value: exact.best("mlp", value), (*NO_NUMBERS, 10**30)),
        ("seed", lambda value: exact.sample("mlp", 1, value), NO_NUMBERS),
    ],
)
def test_what_is_wrong_is_named(name: str, call: Callable[[Any], object], wrong: tuple[Any, ...]) -> None:
    for value in wrong:
        with pytest.raises((TypeError, ValueError)) as error:
            call(value)
        assert str(error.value).startswith(f"{name} is ") and "expected" in str(error.value)
        assert "\n" not in str(error.value) and len(str(error.value)) < 300
