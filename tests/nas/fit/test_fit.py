"""Fits: they recover known sums, fall back to smooth terms, and refuse what cannot be fitted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

import nas
import search_spaces
from nas.fit.fitting import Aim, Values, _intervals, _links, _quality, choose, fit, solved
from nas.fit.request import FitRequest
from nas.fit.table import Trained
from nas.fitted.score import FittedScore
from nas.fitted.sum import FittedSum
from nas.tables import StageTables
from nas.tabular.benchmark import Published
from search_spaces import RequestError, Space
from tests.conftest import Command
from tests.nas.fitted.scores import made
from tests.nas.tabular.files import macros, nasbench_macro

AIM = Aim("own", "top1", "%", more_is_better=True)


def networks(space: Space, count: int, seed: int = 0) -> list[str]:
    generator = np.random.default_rng(seed)
    counts = [len(options) for options in space.choices.values()]
    return [
        str(space.of_options([int(generator.integers(0, count)) for count in counts])) for _ in range(count)
    ]


def table(tmp_path: Path, name: str = "mbconv", count: int = 60, noise: float = 0.1) -> Path:
    """A table of networks whose accuracy grows with their parameters."""
    archs = networks(search_spaces.get(name), count)
    params = nas.score(archs)["params"]
    top1 = 80 - 1e3 / params**0.3 + noise * np.random.default_rng(1).normal(size=count)
    file = tmp_path / "table.csv"
    pd.DataFrame({"arch": archs, "top1": top1}).to_csv(file, index=False)
    return file


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of networks of mbconv."""
    return table(tmp_path_factory.mktemp("fit"))


@pytest.fixture(scope="module")
def once(file: Path) -> FittedScore:
    """A fit to it."""
    score: FittedScore = nas.fit(file)
    return score


def of_sum(truth: FittedSum, count: int) -> Trained:
    """Networks whose values are exactly those of a sum."""
    archs = list(map(search_spaces.parse, networks(search_spaces.get("mbconv"), count)))
    values = pd.DataFrame({"top1": [truth.of(arch) for arch in archs]})
    return Trained.of(Published(archs, values), "top1", None, "a test")  # type: ignore[arg-type]  # all are chains


@pytest.mark.parametrize("level", [1, 4])
def test_a_fit_recovers_a_sum(level: int) -> None:
    space = search_spaces.get("mbconv")
    truth = FittedSum(replace(made(space, level, 1), more_is_better=True))
    trained = of_sum(truth, 500)
    score = solved(trained, AIM, choose(trained, AIM))
    others = list(map(search_spaces.parse, networks(space, 50, seed=9)))
    predicted = [FittedSum(score).of(arch) for arch in others]
    true = [truth.of(arch) for arch in others]
    assert np.corrcoef(predicted, true)[0, 1] > 0.99


def test_the_quality_of_a_fit_to_a_sum_is_high() -> None:
    truth = FittedSum(replace(made(search_spaces.get("mbconv"), 1, 1), more_is_better=True))
    score = fit(of_sum(truth, 200), AIM)
    assert score.quality is not None and score.quality.r2 > 0.99


@pytest.mark.parametrize("name", search_spaces.names())
def test_every_space_can_be_fitted_and_searched(name: str, tmp_path: Path) -> None:
    score = nas.fit(table(tmp_path, name, 40), out=tmp_path / "own.json", space=name)
    assert score.networks <= 40 and score.family == search_spaces.get(name).architecture.family
    best = nas.exact.best(name, 1, score=str(tmp_path / "own.json"))
    assert best.attrs["gap"] == 0
    assert best["own"].item() == FittedSum(score).of(search_spaces.parse(best["arch"].item()))


def test_few_networks_give_smooth_terms(tmp_path: Path) -> None:
    score = nas.fit(table(tmp_path, count=24))
    assert score.terms == "one smooth term per choice"
    assert all(len(basis.polynomials) == 1 for basis in score.bases)
    assert all(one.excess >= 0 for one in score.optimism) and any(one.excess for one in score.optimism)


@pytest.mark.parametrize("rare", ["depth", "target"])
def test_halves_of_few_networks_may_lack_what_varies(rare: str, tmp_path: Path) -> None:
    archs = [f"mlp:w{8 * (1 + n // 4)}_d4_t{n}" for n in range(16)]
    top1 = [50.0 + n for n in range(16)]
    if rare == "depth":
        archs[3] = archs[3].replace("d4", "d5")
    else:
        top1 = [0.0] * 15 + [50.0]
    pd.DataFrame({"arch": archs, "top1": top1}).to_csv(tmp_path / "few.csv", index=False)
    assert nas.fit(tmp_path / "few.csv").networks == 16


def test_repeated_networks_are_averaged(file: Path, once: FittedScore, tmp_path: Path) -> None:
    rows = pd.read_csv(file)
    pd.concat([rows.assign(top1=rows["top1"] - 1), rows.assign(top1=rows["top1"] + 1)]).to_csv(
        tmp_path / "twice.csv", index=False
    )
    assert replace(once, source="") == replace(nas.fit(tmp_path / "twice.csv"), source="")


def test_a_fit_repeats_itself(file: Path, once: FittedScore) -> None:
    assert nas.fit(file, seed=0).written() == once.written()
    assert nas.fit(file, seed=4) != once


def test_a_calibration_moves_the_scale(file: Path, once: FittedScore) -> None:
    moved = nas.fit(file, calibration=(0.5, 10.0, 1.0))
    network = search_spaces.parse("mbconv:d1-2-2-3-3-4-1")
    assert FittedSum(moved).of(network) == pytest.approx(0.5 * FittedSum(once).of(network) + 10, abs=0.2)
    assert moved.intervals[0].half > 1.6 > once.intervals[0].half


def test_other_columns_have_a_unit_and_a_direction(tmp_path: Path) -> None:
    rows = pd.read_csv(table(tmp_path, count=24)).rename(columns={"top1": "latency_phone"})
    rows.to_csv(tmp_path / "speed.csv", index=False)
    score = nas.fit(tmp_path / "speed.csv", target="latency_phone", out=tmp_path / "phone.json")
    assert (score.unit, score.more_is_better, score.name) == ("ms", False, "phone")
    assert isinstance(score, FittedScore) and StageTables.of(search_spaces.get("mbconv"), [FittedSum(score)])


@pytest.mark.parametrize(
    "column", ["latency", "Latency", "val_error", "top1_err", "loss", "cpu_ms", "params"]
)
def test_columns_of_which_less_is_better(column: str) -> None:
    assert not FitRequest("t.csv", target=column).aim("x").more_is_better


@pytest.mark.parametrize("column", ["top1", "throughput_a100", "score", "bleu"])
def test_columns_of_which_more_is_better(column: str) -> None:
    assert FitRequest("t.csv", target=column).aim("x").more_is_better


def test_a_target_of_which_less_is_better_has_no_link_with_a_pole() -> None:
    y = np.array([1.0, 2.0, 4.0])
    assert {link.kind for link in _links(y - 1 + 1e-310, more_is_better=True)} == {"identity", "saturating"}
    assert {link.kind for link in _links(y, more_is_better=False)} == {"identity", "logarithm"}
    assert "reciprocal" in {link.kind for link in _links(y, more_is_better=True)}


@pytest.mark.parametrize("count", [16, 24, 60])
def test_intervals_of_few_networks_contain_nine_of_ten(count: int) -> None:
    errors = np.random.default_rng(0).standard_normal((2000, count))
    halves = [_intervals(np.zeros(count), row)[0].half for row in errors]
    assert 0.895 < np.mean(2 * norm.cdf(halves) - 1) < 0.915


@pytest.mark.filterwarnings("error")
def test_equal_values_in_a_band_have_no_rank_correlation() -> None:
    flops, steps = np.arange(160.0), np.repeat([1.0, 2.0], 80)
    found = _quality(flops, steps, flops, seed=0)
    assert found.equal_flops is None and found.rho > 0.8
    assert _quality(np.ones(160), steps, flops, seed=0).rho == 0


def measured(name: str, fitted: int, least: float) -> tuple[Trained, Callable[[Trained, bool], Values]]:
    """Networks of a latency that follows FLOPs, and the relative errors of a fit on as many others.

    Args:
        name: The space.
        fitted: How many networks are of the fit.
        least: What the latency is beside FLOPs, as a fraction of the median that follows them.
    """
    archs = list(map(search_spaces.parse, networks(search_spaces.get(name), 2 * fitted)))
    flops = np.array([float(arch.figures().flops) for arch in archs])
    ms = least + flops / np.median(flops)
    published = Published(archs[:fitted], pd.DataFrame({"cpu_ms": ms[:fitted]}))  # type: ignore[arg-type]

    def errors(trained: Trained, relative: bool) -> Values:
        aim = Aim("x", "cpu_ms", "ms", more_is_better=False, relative=relative)
        total = FittedSum(solved(trained, aim, choose(trained, aim)))
        return np.abs(np.array([total.of(arch) for arch in archs[fitted:]]) / ms[fitted:] - 1)

    return Trained.of(published, "cpu_ms", name, "a test"), errors


def test_costs_of_stages_help_the_fit_of_a_latency() -> None:
    trained, errors = measured("mbconv", 40, 1.0)
    assert np.median(errors(trained.with_costs(), False)) < np.median(errors(trained, False))


def test_a_latency_is_fitted_by_its_relative_error() -> None:
    """Where latencies spread widely, the largest would decide alone, and small ones would be far off."""
    trained, errors = measured("densenet", 80, 0.1)
    relative, absolute = (np.quantile(errors(trained.with_costs(), one), 0.9) for one in (True, False))
    assert relative < 0.8 * absolute


def changed(tmp_path: Path, name: str, **columns: object) -> Path:
    file = tmp_path / name
    pd.read_csv(table(tmp_path)).assign(**columns).to_csv(file, index=False)
    return file


def test_what_cannot_be_fitted_is_refused(tmp_path: Path) -> None:
    file = table(tmp_path)
    few, other = tmp_path / "few.csv", tmp_path / "other.csv"
    pd.read_csv(file).head(9).to_csv(few, index=False)
    pd.concat([pd.read_csv(file), pd.DataFrame({"arch": ["mlp:w8"], "top1": [9.0]})]).to_csv(
        other, index=False
    )
    pd.read_csv(file).assign(arch="mbconv:se0000000").to_csv(tmp_path / "one.csv", index=False)
    for arguments, message in (
        ({"table": few}, "few.csv: a fit needs at least 16 networks, and there are 9"),
        ({"table": other}, "other.csv has networks of mbconv and mlp|mbconv, mlp; a fit needs one family"),
        (
            {"table": changed(tmp_path, "flat.csv", top1=7.0)},
            "top1 is 7 for every network; a fit needs different values",
        ),
        (
            {"table": changed(tmp_path, "part.csv", top1=0.7)},
            "top1 is from 0.7 to 0.7, expected percent; multiply fractions by 100",
        ),
        ({"table": changed(tmp_path, "many.csv", top1=700.0)}, "expected percent; choose the column"),
        (
            {"table": file, "unit": "points", "resolution_effect": "tfslim"},
            "effect 'tfslim' is of accuracies in percent, .*; top1 is in points, of networks of mbconv",
        ),
        (
            {"table": changed(tmp_path, "tiny.csv", top1=np.arange(60) * 1e-320), "unit": "x"},
            "top1 is at most .*e-319, expected a unit of larger values",
        ),
        (
            {"table": changed(tmp_path, "zero.csv", cpu_ms=np.arange(60.0)), "target": "cpu_ms"},
            "cpu_ms is from 0 to 59, expected milliseconds above 0; correct the table",
        ),
        ({"table": file, "unit": "a\nb"}, r"unit 'a\\nb': expected characters that can be printed"),
        ({"table": changed(tmp_path, "word.csv", top1="x")}, "top1 is 'x', expected a number"),
        ({"table": changed(tmp_path, "wrong.csv", arch="mbconv:z9")}, "row 1: spec 'mbconv:z9'"),
        ({"table": tmp_path / "one.csv"}, "a fit needs at least 16 networks, and there are 1"),
        ({"table": file, "target": "speed"}, "has no column speed; .*; its columns of numbers are top1"),
        ({"table": file, "space": "mlp"}, "space mlp has networks of mlp, and table.csv has mbconv"),
        ({"table": file, "data": file}, "data is for tabular benchmarks"),
        ({"table": "accel-nasbench"}, "give its published file"),
        ({"table": file, "out": tmp_path / "score.csv"}, "expected a file that ends with .json"),
        ({"table": file, "out": tmp_path / "none" / "score.json"}, "there is no such file or folder"),
        ({"table": file, "name": "a b"}, "the name of a score is 'a b'"),
        ({"table": file, "calibration": (-1.0, 0.0, 0.0)}, "expected a positive SLOPE"),
    ):
        with pytest.raises(RequestError, match=message):
            nas.fit(**arguments)  # type: ignore[arg-type]  # wrong on purpose


def test_networks_of_no_space_are_refused(tmp_path: Path) -> None:
    data = nasbench_macro(tmp_path / "macro.json", macros(20))
    with pytest.raises(
        RequestError, match="networks of nasbench-macro, which no space searches; a fit needs"
    ):
        nas.fit("nasbench-macro", data=data)


def test_the_command_advises_no_search_by_noise(tmp_path: Path, command: Command) -> None:
    archs = networks(search_spaces.get("mlp"), 20)
    pd.DataFrame({"arch": archs, "top1": [60.0] + [50.0] * 19}).to_csv(tmp_path / "noise.csv", index=False)
    found = command("nas.fit", "noise.csv", "--out", "noise.json")
    assert found.returncode == 0 and (tmp_path / "noise.json").exists()
    assert "do not search by it" in found.stdout.replace("\n", " ") and "Search by it" not in found.stdout


def test_the_command_fits_and_a_search_uses_it(tmp_path: Path, command: Command) -> None:
    table(tmp_path, "mlp", 40)
    done = command("nas.fit", "table.csv", "--out", "own.json")
    assert done.returncode == 0, done.stderr
    assert "Fitted own: top1 of 40 networks (more is better)" in " ".join(done.stdout.split())
    done = command("nas.search", "--space", "mlp", "--score", "own.json", "--trials", "5", "--top", "2")
    assert done.returncode == 0, done.stderr
    text = " ".join(done.stdout.split())
    assert "Proven: rows 1 to 2 are the first 2 by own" in text and "± is the half-width" in text
    (tmp_path / "own.json").write_text("{}")
    done = command("nas.search", "--space", "mlp", "--score", "own.json")
    assert done.returncode == 2 and "own.json is not a score of nas fit" in done.stderr
