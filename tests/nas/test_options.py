"""Options made from fields of dataclasses: what is written is read back, ranges are those of the class."""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
import shlex
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

import nas
from nas.bounds import COSTS
from nas.cli import Parser
from nas.commands import COMMANDS, command
from nas.latency import LatencyConfig
from nas.optimize.cli import _parser as search_parser
from nas.optimize.cli import _request
from nas.optimize.request import Request, defaults
from nas.options import Option, _options_of, add_options, check, given, option, options_of, read, words
from nas.query import DEFAULT_SCORE, Query
from nas.study.request import StudyRequest
from nas.train.cli import _parser as train_parser
from nas.train.config import RECIPES, Recipe, TrainConfig
from nas.train.session import Hardware
from nas.values import Range
from search_spaces import RequestError
from tests.conftest import REPOSITORY

MADE: Mapping[type, Any] = {
    Query: Query("mlp"),
    Request: Request("mlp"),
    Recipe: RECIPES["cifar-long"],
    TrainConfig: TrainConfig(("mlp:mlp_8",), "seg20", "data", "mlp", RECIPES["mlp"]),
    Hardware: Hardware(),
    LatencyConfig: LatencyConfig("cpu", 2, 20.0),
    StudyRequest: StudyRequest(
        *("mlp", "pairs", 5, {"flops": "1M"}, {"width": 8}, ("nn_mass", "zen"), 32),
        order=TrainConfig(("mlp:mlp_8",) * 3, "seg20", "data", "mlp", RECIPES["mlp"]),
        initialisations=2,
    ),
}
"""All dataclasses with options, and an instance of each."""


def parsed(kind: type, arguments: list[str]) -> dict[str, Any]:
    parser = Parser("test")
    add_options(parser, kind)
    return given(parser.parse_args(arguments), kind)


@pytest.mark.parametrize("kind", MADE)
def test_an_instance_written_as_arguments_is_read_back(kind: type) -> None:
    every = {name: each for name, each in options_of(kind).items() if each.alone}
    assert every
    found = parsed(kind, words(MADE[kind], always=every))
    for name, value in found.items():
        assert value == getattr(MADE[kind], name), name
    assert {name for name in every if getattr(MADE[kind], name)} <= found.keys()
    assert parsed(kind, []) == {}


@pytest.mark.parametrize("kind", MADE)
def test_the_docstring_describes_every_field(kind: type) -> None:
    assert kind.__doc__ and kind.__doc__.count("Attributes:") == 1
    later = {name for name, each in options_of(kind).items() if callable(each.meaning)}  # lists of names
    for field in dataclasses.fields(kind):
        assert field.name in later or f"    {field.name}: " in kind.__doc__, field.name


@pytest.mark.parametrize(
    ("kind", "each"),
    [(kind, each) for kind in MADE for each in options_of(kind).values() if each.kind in (int, float)],
    ids=lambda one: getattr(one, "name", ""),
)
def test_the_class_refuses_the_numbers_that_the_command_line_refuses(kind: type, each: Option) -> None:
    beyond = {each.range.least - 1, each.range.most + 1, *([each.range.most] if each.range.below else [])}
    for number in beyond - {each.const, each.default}:
        value = int(number) if each.kind is int else float(number)
        with pytest.raises(argparse.ArgumentTypeError):
            each.read(str(value))
        with pytest.raises(RequestError, match=f"{each.name} is "):
            dataclasses.replace(MADE[kind], **{each.name: value})


@pytest.mark.parametrize("kind", MADE)
def test_every_option_says_what_it_means_and_what_is_usual(kind: type) -> None:
    parser = Parser("test")
    add_options(parser, kind)
    text = " ".join(parser.format_help().split())
    for each in options_of(kind).values():
        assert each.described() and each.described() == each.described().strip()
        if each.alone and not each.keys:
            assert each.flags[0] in text
    assert len({flag for each in options_of(kind).values() for flag in each.flags}) >= len(options_of(kind))


COUNTS = st.integers(1, 10**9).map(str)


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """A request that the command line can write."""
    values: dict[str, Any] = {
        "budgets": draw(st.dictionaries(st.sampled_from(COSTS), COUNTS)),
        "fix": draw(
            st.dictionaries(
                st.sampled_from(("width", "depth", "a_word")),
                st.one_of(st.integers(0, 99), st.floats(0.1, 9), st.just("word")),
            )
        ),
        "sampler": draw(st.sampled_from(("nsga2", "tpe", "random", "qmc"))),
        "trials": draw(st.integers(1, 10**6)),
        "seed": draw(st.integers(0, 2**32 - 1)),
        "warm_start": draw(st.booleans()),
    }
    aim = draw(st.sampled_from(("mass", "like", "front")))
    if aim == "like":
        values["like"] = "mlp_8"
        values["minimize"] = draw(st.sampled_from((None, *COSTS)))
        values["across_widths"] = draw(st.booleans())
    else:
        values["score"] = draw(st.sampled_from((DEFAULT_SCORE, "zen", "synflow", "depth")))
        values["score_batch"] = draw(st.integers(2, 4096))
    if aim == "front":
        values["pareto"] = draw(st.sampled_from(COSTS))
    else:
        values["per_width"] = draw(st.none() | st.integers(1, 1000))
    return Request("mlp", **values)


@drawn(requests())
def test_a_request_written_as_arguments_is_the_same_request(request: Request) -> None:
    assert _request(search_parser().parse_args(shlex.split(request.arguments()))) == request


def test_defaults_that_depend_on_the_score_are_written() -> None:
    sampler, trials = defaults("zen")
    request = Request("mlp", score="zen", sampler=sampler, trials=trials)
    assert _request(search_parser().parse_args(["--space", "mlp", "--score", "zen"])) == request


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_fits_80_columns_and_has_one_format_of_numbers(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        command(name)(["--help"])
    text = capsys.readouterr().out
    assert text.startswith(f"usage: nas {name}") and max(map(len, text.splitlines())) <= 80
    assert not re.findall(r"\de[+]\d|\d{4,}", text)


def test_the_help_lists_what_set_takes() -> None:
    text = train_parser().format_help()
    for name, each in options_of(Recipe).items():
        assert f"\n  {name} " in text
        assert all(word in text for word in each.text().split())


def test_requests_of_earlier_versions_are_read() -> None:
    before = {"holdout": 0.25, "side": 8, "limit": 10, "keep": "disk"}
    today = {"val_fraction": 0.25, "image_size": 8, "images": 10, "cache": "disk"}
    plain = dataclasses.replace(MADE[TrainConfig], dataset="folder").as_json()
    stored = {name: value for name, value in plain.items() if name not in today}
    found = TrainConfig.of_json({**stored, **before})
    assert {name: getattr(found, name) for name in today} == today
    kept = sorted((REPOSITORY / "results").glob("**/training/run.json"))
    assert kept
    for path in kept:
        state = json.loads(path.read_text())
        assert TrainConfig.of_json(state.get("request") or state["order"]).val_fraction == 0


@dataclasses.dataclass(frozen=True)
class Cup:
    """An example."""

    size: int = option("of the cup, in ml", default=200, range=Range(10, 500))
    tea: str = option("kind of tea", default="green", choices=("green", "black"))
    milk: bool = option("add milk", default=False)

    def __post_init__(self) -> None:
        check(self)


def test_one_field_is_all_that_an_option_takes(capsys: pytest.CaptureFixture[str]) -> None:
    assert parsed(Cup, ["--size", "30", "--milk"]) == {"size": 30, "milk": True}
    assert words(Cup(30, "black", True)) == ["--size", "30", "--tea", "black", "--milk"]
    assert read(Cup, "milk", "True") is True
    for name, text, message in (("siz", "3", "did you mean size"), ("tea", "blak", "did you mean black")):
        with pytest.raises(RequestError, match=message):
            read(Cup, name, text)
    with pytest.raises(
        RequestError, match=r"tea is 'gren', expected one of green, black \(did you mean green\?\)"
    ):
        Cup(tea="gren")
    with pytest.raises(TypeError, match="milk is 1"):
        Cup(milk=1)  # type: ignore[arg-type]
    with pytest.raises(SystemExit):
        parsed(Cup, ["--tea", "gren"])
    assert "did you mean green?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("kind", "function"),
    [
        (Request, lambda **values: nas.search("mlp", trials=9, top=0, **values)),
        (Query, lambda **values: nas.exact.count("mlp", **values)),
        (StudyRequest, lambda **values: nas.study("mlp", dataset="seg20", count=3, **values)),
        (TrainConfig, lambda **values: nas.train("mlp:mlp_8", dataset="seg20", **values)),
    ],
)
def test_a_new_field_is_an_argument_of_the_function(
    kind: type, function: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(TypeError, match="has no argument spice"):
        function(spice=3)
    fields = {**options_of(kind), "spice": dataclasses.replace(options_of(Cup)["size"], name="spice")}
    monkeypatch.setattr("nas.options._options_of", lambda one: fields if one is kind else _options_of(one))
    with pytest.raises((TypeError, RequestError), match=r"spice is 3, expected|unexpected .*spice"):
        function(spice=3)
