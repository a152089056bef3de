"""Files of fitted scores: damaged ones, and those of another space, are refused in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nas
import search_spaces
from nas import exact, proxies
from nas.exact.cli import main
from nas.fitted.score import FittedScore, Interval, Quality
from search_spaces import RequestError
from tests.conftest import REPOSITORY, refused
from tests.nas.fitted.scores import made

STEP = {"value": 2.0, "half": 1.0}
EFFECT = {"base": 224, "least": 1, "most": 448, "slope": 1e300, "curvature": 0, "error": 0, "source": "x"}


def damaged(change: Callable[[dict[str, Any]], object]) -> bytes:
    values = json.loads(made(search_spaces.get("mlp"), 1, 1).written())
    change(values)
    return json.dumps(values).encode()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b"[" * 99_999, "is not JSON"),
        (b"[]", "it is [], expected fields"),
        (damaged(lambda values: values.pop("bases")), "bases"),
        (damaged(lambda values: values.update(spice=1)), "spice"),
        (damaged(lambda values: values.update(format=99)), "its format is 99, expected 1; fit it again"),
        (damaged(lambda values: values.update(name="../evil")), "the name of a score is '../evil'"),
        (damaged(lambda values: values.update(intercept="1")), "intercept is '1', expected float"),
        (damaged(lambda values: values["interactions"][0].update(coefficients=[])), "number of coefficients"),
        (damaged(lambda values: values["interactions"][0].update(choices=["spice"])), "have no basis"),
        (damaged(lambda values: values["bases"][0].update(seen=[])), "is empty"),
        (damaged(lambda values: values["bases"][0].update(seen=[3, "a"])), "do not ascend"),
        (damaged(lambda values: values["bases"][0].update(seen=[0, 1], logarithm=True)), "no logarithm"),
        (damaged(lambda values: values.update(unit="\x1b[31m")), "cannot be printed"),
        (damaged(lambda values: values.update(constants={"width": [1]})), "constants.width is [1]"),
        (
            damaged(lambda values: values.update(intervals=[STEP, STEP | {"value": 1}])),
            "order of their values",
        ),
        (damaged(lambda values: values.update(intervals=[STEP | {"half": -1.0}])), "are negative"),
        (damaged(lambda values: values.update(optimism=[{"value": 2.0, "excess": -1.0}])), "are negative"),
        (
            damaged(lambda values: values.update(resolution=EFFECT)),
            "effect of the resolution is out of range",
        ),
        (damaged(lambda values: values["link"].update(kind="eval")), "kind is 'eval'"),
        (damaged(lambda values: values.update(bits=99_999)), "its precision is out of range"),
    ],
)
def test_damaged_files_are_refused(content: bytes, message: str, tmp_path: Path) -> None:
    file = tmp_path / "score.json"
    file.write_bytes(content)
    with pytest.raises(RequestError, match=r"score[.]json is not a score") as error:
        FittedScore.load(file)
    assert message in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"score": "missing.json"}, "missing.json: there is no such file; make one with nas fit"),
        ({"score": "imagenot"}, "unknown score 'imagenot' .did you mean imagenet"),
        ({"at_most": {"zen": 4}}, "at_most zen is not a fitted score"),
        ({"at_most": {"latency-zcu102": "4s"}}, "at_most latency-zcu102=4s: expected a number in ms"),
        (
            {"at_most": {"latency-zcu102": 2}, "at_least": {"latency-zcu102": 3}},
            r"at_least .*3 is above at_most .*2; exchange them",
        ),
        ({"at_least": {"imagenet": 0.66}}, "0.66.*: expected percent; write 66%"),
        ({"at_most": {"latency-zcu102": "0.1ms"}}, "the smallest network of mbconv has"),
    ],
)
def test_wrong_requests_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        exact.best("mbconv", 1, **options)


def test_names_of_limits_are_text() -> None:
    with pytest.raises(TypeError, match="a name in at_most is 5, expected text"):
        exact.best("mlp", 1, at_most={5: 3})  # type: ignore[dict-item]  # wrong on purpose


@pytest.mark.parametrize("option", [["--score", "imagenet"], ["--max", "latency-zcu102=4ms"]], ids=" ".join)
def test_scores_of_another_family_are_refused(option: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    name = option[1].partition("=")[0]
    message = f"error: score {name} is fitted to networks of mbconv; it has no value for mobilenet"
    assert message in refused(main, ["--space", "mobilenet", "--flops", "400M", *option], capsys)


def test_scores_of_unknown_choices_are_refused(tmp_path: Path) -> None:
    text = made(search_spaces.get("mlp"), 1, 1).written()
    (tmp_path / "made.json").write_text(text.replace('"width"', '"widths"'))
    with pytest.raises(RequestError, match=r"'widths', which no network of mlp has .did you mean width"):
        exact.best("mlp", 1, score=str(tmp_path / "made.json"))


def test_sums_that_are_too_large_are_refused(tmp_path: Path) -> None:
    for change in ({"intercept": 1e300}, {"bits": 900}):
        (tmp_path / "made.json").write_bytes(damaged(lambda values, change=change: values.update(change)))
        with pytest.raises(RequestError, match="the sums of score made are too large"):
            exact.best("mlp", 1, score=str(tmp_path / "made.json"))


@pytest.mark.parametrize("name", ["depth", "imagenet"])
def test_a_file_of_the_name_of_another_score_is_refused(name: str, tmp_path: Path) -> None:
    file = tmp_path / f"{name}.json"
    file.write_text(made(search_spaces.get("mlp"), 1, 1, name=name).written())
    with pytest.raises(RequestError, match=f"there is another score of the name {name}"):
        exact.best("mlp", 1, score=str(file))


def test_a_copy_of_a_shipped_score_is_that_score(tmp_path: Path) -> None:
    fitted = proxies.get("latency-zcu102").fitted
    assert fitted
    (tmp_path / "copy.json").write_text(fitted.written())
    assert proxies.get(str(tmp_path / "copy.json")).fitted == fitted


def test_different_scores_of_one_name_are_refused(tmp_path: Path) -> None:
    files = []
    for seed in (1, 3):
        (tmp_path / str(seed)).mkdir()
        files.append(tmp_path / str(seed) / "made.json")
        files[-1].write_text(made(search_spaces.get("mlp"), 1, seed).written())
    one, other = map(str, files)
    message = "are different scores of one name, made; change the field name"
    with pytest.raises(RequestError, match=message):
        exact.best("mlp", 1, score=one, at_most={other: 3})
    with pytest.raises(RequestError, match=message):
        nas.score("mlp:mlp_8", scores=[one, other])
    assert len(exact.best("mlp", 1, score=one, at_most={one: 1e9})) == 1
    assert len(exact.best("mlp", 1, score=other)) == 1  # as a file that was fitted again


def test_a_network_without_a_value_has_no_interval() -> None:
    step = Interval(value=2.0, half=1.0)
    score = replace(made(search_spaces.get("mlp"), 1, 1), intervals=(step,))
    assert np.isnan(score.half(np.nan)) and score.half(np.array([1.0, np.nan]))[0] == 1


def test_the_documentation_lists_the_shipped_scores() -> None:
    text = (REPOSITORY / "docs/fit.md").read_text()
    for name in proxies.shipped():
        score = proxies.get(name).fitted
        assert score is not None and score.quality is not None
        found = score.quality
        first = f"| `{name}` | `{score.target}` | {score.unit} | {score.networks:,} | {found.r2:.4f} |"
        last = (
            f" {found.rho:.3f} | {found.equal_flops:.3f} | {found.rmse:.3g} | {100 * found.coverage:.1f}% |"
        )
        assert first + last in text


@pytest.mark.parametrize(
    ("r2", "rho", "networks", "useful"),
    [(-0.1, 0.9, 100, False), (0.1, 0.4, 24, False), (0.1, 0.4, 60, True), (0.5, 0.7, 24, True)],
)
def test_a_score_is_useful_if_it_ranks_better_than_chance(
    r2: float, rho: float, networks: int, useful: bool
) -> None:
    score = made(search_spaces.get("mlp"), 1, 0)
    quality = Quality(folds=5, r2=r2, rmse=1.0, rho=rho, equal_flops=None, coverage=0.9)
    assert replace(score, networks=networks, quality=quality).useful is useful
    assert not replace(score, quality=None).useful
