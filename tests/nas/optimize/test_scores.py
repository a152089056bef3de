"""Searches by every score of the registry: measured once, inside the budgets alone, ranked the better way."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pandas as pd
import pytest
import torch

import search_spaces
from nas import proxies, search
from nas.exact.problem import Problem
from nas.optimize.folder import RunFolder
from nas.optimize.request import MEASURED_TRIALS, Request, Sampler
from nas.optimize.run import Run
from nas.optimize.scores import Scores
from nas.optimize.study import BLOCK, Journal, Study
from nas.proxies import Subject, registry
from nas.proxies.registry import register
from search_spaces import Architecture
from tests.conftest import Command

CAP = 12_000
TINY = ("--space", "mlp", "--params", "12K", "--trials", "12", "--top", "2", "--out", "run")


def trials_of(found: pd.DataFrame) -> pd.Series[int]:
    return found["found"].str.removeprefix("trial ").astype(int)


def subject(architecture: Architecture, batch: int) -> Subject:
    return Subject.of_noise(architecture, batch, seed=0)


@pytest.fixture
def seen() -> Iterator[Counter[str]]:
    """How often each network was measured by `unlike`, of which less is better and some is no number."""
    counts: Counter[str] = Counter()

    @register("unlike", "network", more_is_better=False)
    def unlike(subject: Subject) -> float:
        counts[str(subject.architecture)] += 1
        depth = int(subject.architecture.choices()["depth"])
        return math.nan if depth % 5 == 0 else float(abs(depth - 12) + subject.seed)

    yield counts
    del registry._proxies["unlike"]


def is_proven(name: str) -> bool:
    return name in ("nn_mass", "params", "flops") or proxies.get(name).stage_sum is not None


def check_ranked(table: pd.DataFrame, name: str) -> None:
    """The values are those of the networks, which meet the budget, the best first."""
    proxy = proxies.get(name)
    assert len(table) >= 6 and (table["params"] <= CAP).all() and table["arch"].is_unique
    assert (table[name] if proxy.more_is_better else -table[name]).is_monotonic_decreasing
    for row in table.to_dict("records"):
        architecture = search_spaces.parse(row["arch"])
        expected = proxies.measure(name, subject(architecture, 4)).value
        assert row[name] == (expected if proxy.stage_sum else pytest.approx(expected, nan_ok=True))


@pytest.mark.parametrize("name", proxies.names())
def test_every_score_ranks(name: str) -> None:
    proxy = proxies.get(name)
    batch = {} if proxy.closed_form else {"score_batch": 4}
    table = search("mlp", params=CAP, score=name, trials=12, top=0, **batch)
    check_ranked(table, name)
    assert ("normal noise" in (table.attrs["scores"] or "")) == ("images" in proxy.needs)
    assert table.attrs["proof"].startswith("Proven:" if is_proven(name) else "Nothing is proven:")


@pytest.mark.parametrize("name", ["nn_mass", "root_params", "zen", "zico"])
def test_the_command_ranks_by_a_score_of_each_kind(command: Command, tmp_path: Path, name: str) -> None:
    """The default, a sum over stages, of a network alone, and of images."""
    proxy = proxies.get(name)
    done = command(
        "nas.search", *TINY, "--score", name, *([] if proxy.closed_form else ["--score-batch", "4"])
    )
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80

    table = pd.read_csv(tmp_path / "run" / "candidates.csv")
    check_ranked(table, name)
    assert table["recounted"].sum() == 2
    text = " ".join(done.stdout.split())
    assert ("normal noise" in text) == ("images" in proxy.needs)
    assert ("Proven: rows 1 to 2 are the first 2 by" in text) == is_proven(name)
    assert (f"other networks may have a better {name}" in text) == ("Proven:" not in text)
    figure = "mass.png" if name == "nn_mass" else "score.png"
    assert (tmp_path / "run" / figure).stat().st_size > 0


def test_the_default_is_nn_mass() -> None:
    table = search("mlp", params=CAP, trials=30, top=0)
    pd.testing.assert_frame_equal(table, search("mlp", params=CAP, trials=30, top=0, score="nn_mass"))


def test_each_network_inside_is_measured_once_and_less_comes_first(seen: Counter[str]) -> None:
    found = search("mlp", params=CAP, score="unlike", trials=150, top=0)
    assert set(seen.values()) == {1}
    inside = {str(one) for one in search_spaces.get("mlp").references.values() if one.figures().params <= CAP}
    assert set(seen) == {*found["arch"], *inside}
    assert found["unlike"].is_monotonic_increasing and found["unlike"].iloc[0] == 0
    depths = [int(search_spaces.parse(arch).choices()["depth"]) for arch in found["arch"]]
    assert [depth % 5 == 0 for depth in depths] == (found["unlike"] == math.inf).tolist()
    assert "unlike was measured at initialisation (seed 0), without data" in found.attrs["scores"]
    assert "Nothing is proven" in found.attrs["proof"]


def test_measured_scores_get_fewer_trials(seen: Counter[str]) -> None:
    found = search("mlp", params=CAP, score="unlike", top=0)
    assert len(found) > 100 and trials_of(found).max() < MEASURED_TRIALS


def test_scores_follow_from_the_seed(seen: Counter[str]) -> None:
    one, other = (search("mlp", score="unlike", trials=6, seed=seed, top=0) for seed in (1, 2))
    assert one["arch"].tolist() != other["arch"].tolist()
    assert one["unlike"].min() >= 1 and other["unlike"].min() >= 2


def request(**changes: object) -> Request:
    options = {"trials": BLOCK + 60, "score": "unlike", "score_batch": 4, **changes}
    return Request("mlp", {"params": str(CAP)}, **options)  # type: ignore[arg-type]


def begun(wanted: Request, folder: Path | None) -> Run:
    return Run(wanted, Problem.of(wanted), folder and RunFolder.open(folder))


@pytest.mark.parametrize(
    ("sampler", "stop"),
    [
        ("nsga2", 50),
        ("nsga2", BLOCK + 20),
        ("tpe", BLOCK + 20),
        pytest.param("tpe", 50, marks=pytest.mark.slow),
    ],
)
def test_a_stopped_search_goes_on_to_the_same_and_measures_nothing_again(
    tmp_path: Path, seen: Counter[str], stop: int, sampler: str
) -> None:
    wanted, folder = request(sampler=sampler), tmp_path / "run"
    stopped = Run(wanted, Problem.of(wanted), RunFolder.create(wanted, folder))
    stopped.explore(stop=lambda: stopped.trials >= stop)
    stopped.stop()
    kept = set(pd.read_csv(folder / "candidates.csv")["arch"])
    seen.clear()
    resumed = begun(RunFolder.open(folder).request, folder)
    resumed.explore()
    assert not kept & set(seen)
    uninterrupted = begun(wanted, None)
    uninterrupted.explore()
    pd.testing.assert_frame_equal(resumed.found, uninterrupted.found)
    pd.testing.assert_frame_equal(resumed.compared, uninterrupted.compared)


def test_a_search_by_a_score_goes_on_in_another_process(command: Command, tmp_path: Path) -> None:
    short = ("--space", "mlp", "--params", "12K", "--score", "synflow", "--top", "1")
    assert command("nas.search", *short, "--trials", "20", "--out", "run").returncode == 0
    stored = json.loads((tmp_path / "run" / "run.json").read_text())
    assert stored["request"]["score"] == "synflow" and "--score synflow" in stored["command"]
    assert "without data" in stored["scores"] and stored["proof"] is None
    done = command("nas.search", "--resume", "run", "--trials", "40", "--top", "1")
    assert done.returncode == 0, done.stderr
    whole = command("nas.search", *short, "--trials", "40", "--out", "whole")
    assert whole.returncode == 0, whole.stderr
    resumed, uninterrupted = (pd.read_csv(tmp_path / name / "candidates.csv") for name in ("run", "whole"))
    pd.testing.assert_frame_equal(resumed, uninterrupted)
    for arguments in (["--score", "zen"], ["--score-batch", "8"]):
        refused = command("nas.search", "--resume", "run", *arguments)
        assert refused.returncode == 2 and "the request of that run is" in refused.stderr


def test_what_is_measured_is_in_the_journal_at_once(seen: Counter[str]) -> None:
    wanted, journal = request(), Journal()
    problem = Problem.of(wanted)

    def study() -> Study:
        scores = Scores.of(wanted)
        return Study(problem.space, problem.tables, problem.goal, "random", 0, journal, scores)

    killed = study()

    def on_trial() -> None:
        if len(killed.rows) == 30:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        killed.run(BLOCK, on_trial=on_trial)
    again = study()
    assert again.rows == killed.rows and len(again.rows) == 30
    measured = set(seen)
    seen.clear()
    again.run(60)
    assert len(again.rows) == 60 and not measured & set(seen)


def test_a_log_of_another_batch_is_refused(tmp_path: Path, seen: Counter[str]) -> None:
    wanted, folder = request(trials=10), tmp_path / "run"
    run = Run(wanted, Problem.of(wanted), RunFolder.create(wanted, folder))
    run.explore()
    run.finish(run.found)
    with pytest.raises(search_spaces.RequestError, match="study is of another search"):
        begun(request(trials=10, score_batch=8), folder)


@pytest.mark.parametrize("sampler", get_args(Sampler))
def test_every_sampler_bears_networks_that_are_not_measured(sampler: str) -> None:
    wanted = Request("mlp", {"params": "60K"}, trials=25, score="depth", sampler=sampler, warm_start=False)
    run = Run(wanted, Problem.of(wanted))
    run.explore()
    assert run.trials == 25 and 0 < len(run.found) < 25
    assert run.scores and set(run.found["arch"]) <= set(run.scores.known)


def test_a_front_of_a_score_has_no_network_that_another_beats() -> None:
    everything = search("mlp", params=CAP, pareto="flops", score="depth", trials=150, top=0)
    found = everything[everything["front"]]
    assert 1 < len(found) < len(everything) and "Nothing is proven" in everything.attrs["proof"]
    assert found["depth"].is_monotonic_decreasing and found["flops"].is_monotonic_decreasing
    for depth, flops in zip(everything["depth"], everything["flops"], strict=True):
        assert ((found["depth"] >= depth) & (found["flops"] <= flops)).any()


@pytest.mark.parametrize("name", ["params", "flops"])
def test_a_sum_over_stages_is_proven(name: str) -> None:
    found = search("resnet", params="20M", score=name, trials=40, top=0)
    assert found["found"].iloc[0] == "proof" and "Proven: rows 1 to 100 are" in found.attrs["proof"]


def test_a_search_by_another_score_begins_with_draws_from_inside() -> None:
    found = search("mobilenet", flops="399M:400M", score="depth", trials=40, top=0)
    assert (trials_of(found) < 20).sum() > 15  # by chance hardly one of the 20 would lie in so narrow a band


def test_the_error_of_a_score_names_the_network() -> None:
    @register("failing", "network")
    def failing(subject: Subject) -> float:
        raise ValueError("no layers")

    try:
        with pytest.raises(RuntimeError, match=r"score failing of mlp:w\S+: ValueError\('no layers'\)"):
            search("mlp", score="failing", trials=2, top=0)
    finally:
        del registry._proxies["failing"]


@pytest.mark.parametrize("name", ["rank", "found"])
def test_a_score_is_not_called_as_a_column(name: str) -> None:
    register(name)(lambda subject: 1.0)
    try:
        with pytest.raises(search_spaces.RequestError, match="has a column of that name; register another"):
            search("mlp", score=name)
    finally:
        del registry._proxies[name]


def test_noise_is_the_same_for_every_network() -> None:
    one, other = (subject(search_spaces.parse(f"mlp:{spec}"), 4) for spec in ("w8_d4_t3", "w16_d9_t0"))
    assert torch.equal(one.images, other.images) and torch.equal(one.labels, other.labels)
