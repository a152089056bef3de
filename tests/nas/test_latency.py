"""Latency of networks: columns in every command, and `--max-latency`."""

from __future__ import annotations

import io
import itertools
import json
import math
import re
import timeit
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from nas import latency, timing
from nas.columns import is_median
from nas.latency import LatencyConfig, measure
from nas.optimize.cli import main as search
from nas.page.cli import main as report
from nas.score import main as score
from nas.show import show
from nas.study.cli import main as study
from nas.study.results_cli import predict
from nas.timing import Engine, Latency
from search_spaces import RequestError
from tests.conftest import refused
from tests.nas.conftest import MEDIANS
from tests.nas.train.conftest import images

__all__ = ["images"]

pytestmark = pytest.mark.usefixtures("brief_timing")

QUICK = ["--space", "mlp", "--flops", "9K", "--sampler", "random", "--trials", "60"]


@pytest.fixture
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Latencies are those of four runs in torch: for tests of what is made of them."""

    def timed(run: Callable[[Tensor], object], inputs: Tensor, engine: Engine, threads: int) -> Latency:
        times = [1e3 * seconds for seconds in timeit.repeat(lambda: run(inputs), number=1, repeat=4)]
        low, ms, high = np.quantile(times, [0.25, 0.5, 0.75]).tolist()
        return Latency(engine, "cpu", threads, len(inputs), ms, low, high, len(times))

    monkeypatch.setattr(timing, "_timed", timed)
    monkeypatch.setattr(timing, "_in_onnxruntime", lambda module, example, threads: module)


@pytest.mark.usefixtures("no_onnxruntime", "quickly")
def test_onnxruntime_is_left_out_if_it_is_not_installed() -> None:
    found = measure(["mlp:mlp_8"], LatencyConfig("cpu", 1))
    table = found.columns(pd.DataFrame({"arch": ["mlp:mlp_16", "mlp:mlp_8"]}))
    assert list(filter(is_median, table.columns)) == MEDIANS[:2]
    assert table["cpu_ms"].notna().tolist() == [False, True]
    assert "onnxruntime is left out: onnxruntime not installed; pip install" in found.sentence()


@pytest.mark.usefixtures("no_onnxruntime", "quickly")
class TestLimit:
    """A limit on a ranking of slow and fast networks."""

    slow = ("mobilenet:w0.5_d1-2-3-4-3-3-1_r8", "mobilenet:w0.6_d1-2-3-4-3-3-1_r8")
    fast = ("mlp:w8_d4_t2", "mlp:w8_d6_t0")
    ranking = (slow[0], fast[0], slow[1], fast[1])

    @pytest.fixture
    def between(self) -> LatencyConfig:
        """A limit far below the slow and far above the fast networks."""
        found = measure([self.slow[0], self.fast[0]], LatencyConfig("cpu", 1)).kept
        most, least = (of_one[0].ms for of_one in found.values())
        assert most > 9 * least
        return LatencyConfig("cpu", 1, math.sqrt(most * least))

    def test_the_order_is_kept(self, between: LatencyConfig) -> None:
        found = measure(self.ranking, between)
        assert tuple(found.kept) == self.fast and tuple(found.slow) == self.slow
        assert "Of the first 4, 2 took more than" in found.sentence()
        assert found.facts()["too_slow"] == 2 and found.facts()["measured"] == 4

    def test_it_ends_when_enough_networks_are_found(self, between: LatencyConfig) -> None:
        found = measure(self.ranking, between, top=1)
        assert tuple(found.kept) == self.fast[:1] and tuple(found.slow) == self.slow[:1]

    def test_baselines_may_be_slow(self, between: LatencyConfig) -> None:
        found = measure(self.fast, between, compared=self.slow[:1])
        assert tuple(found.kept) == self.fast and tuple(found.compared) == self.slow[:1]
        table = found.columns(pd.DataFrame({"arch": self.ranking}))
        assert table["cpu_ms"].notna().tolist() == [True, True, False, True]

    def test_no_network_is_fast_enough(self, between: LatencyConfig) -> None:
        with pytest.raises(RequestError, match=r"first 2 meets it .* the fastest is mobilenet:w0"):
            measure(self.slow, between)

    def test_it_stops_on_request(self) -> None:
        answers = iter([False, True, True])
        assert (
            tuple(measure(self.fast, LatencyConfig("cpu", 1), stop=lambda: next(answers)).kept)
            == self.fast[:1]
        )


@pytest.mark.usefixtures("quickly")
def test_a_search_shows_latencies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert search([*QUICK, "--top", "2", "--out", "plain"]) == 0
    capsys.readouterr()
    assert search([*QUICK, "--top", "2", "--out", "run", "--max-latency", "1e6"]) == 0
    output = capsys.readouterr().out
    assert max(map(len, output.splitlines())) <= 80
    assert re.search(r"FLOPs +params +ms +ms_64 +ms +ms_64 *\n", output)
    flat = " ".join(output.split())
    assert " on 1 thread of " in flat and "Of the first 2, none took more than 1e+06 ms" in flat

    plain, table = (pd.read_csv(tmp_path / run / "candidates.csv") for run in ("plain", "run"))
    assert [name for name in table.columns if name in MEDIANS] == MEDIANS
    pd.testing.assert_frame_equal(table[plain.columns], plain)
    assert table["cpu_ms"].notna().tolist() == table["recounted"].tolist()
    assert table["recounted"].sum() == 2 < len(table)
    assert pd.read_csv(tmp_path / "run" / "references.csv")["cpu_ms_64"].gt(0).all()
    state = json.loads((tmp_path / "run" / "run.json").read_text())
    assert state["latency"]["threads"] == 1 and state["latency"]["max_ms"] == 1e6
    assert set(state["latency"]["engines"]) == {"torch", "onnxruntime"} and state["seconds"]["latency"] > 0
    assert "latency" not in json.loads((tmp_path / "plain" / "run.json").read_text())


def test_a_terminal_has_room_for_latencies(capsys: pytest.CaptureFixture[str]) -> None:
    show(pd.DataFrame({"arch": ["mlp:w8"], "macs": [1], "found": ["trial 7"], "cpu_ms": [1.0]}))
    heading = capsys.readouterr().out.splitlines()[1]
    assert heading.split() == ["arch", "ms"]


@pytest.mark.usefixtures("no_onnxruntime", "quickly")
def test_a_search_leaves_out_slow_candidates(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every second candidate is too slow, independently of the load of the machine."""
    times = latency.latencies
    turn = itertools.count()

    def every_second_slow(*arguments: Any) -> Iterator[Latency]:
        slow = next(turn) % 2 == 0
        return (replace(one, ms=one.ms + 1e6) if slow else one for one in times(*arguments))

    monkeypatch.setattr(latency, "latencies", every_second_slow)
    given = [*QUICK, "--top", "2", "--max-latency", "1e5"]
    assert search([*given, "--out", "run", "--format", "csv"]) == 0
    captured = capsys.readouterr()
    shown = pd.read_csv(io.StringIO(captured.out))
    assert shown["rank"].tolist() == [2, 4]
    assert "Proven: ranks, in the" in captured.err and "rows 1 to 2" not in captured.err
    assert "Proven: ranks" in json.loads((tmp_path / "run" / "run.json").read_text())["proof"]["sentence"]
    kept = pd.read_csv(tmp_path / "run" / "candidates.csv")
    assert kept["rank"].tolist()[:3] == [2, 4, 5] and kept["recounted"].tolist()[:3] == [True, True, False]


def test_a_search_without_a_fast_candidate_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few = ["--fix", "links=0", "depth=3"]
    output = refused(search, [*QUICK, *few, "--max-latency", "1e-6", "--out", "run"], capsys)
    assert re.search(r"--max-latency 1e-06: none of the first \d .* the fastest is mlp:w\S+ with", output)
    assert json.loads((tmp_path / "run" / "run.json").read_text())["status"] == "nothing found"


@pytest.mark.usefixtures("quickly")
def test_scores_with_latencies(capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--space", "mlp", "--arch", "mlp_16", "mlp_8", "mlp_16", "--latency", "cpu"]
    assert score([*given, "--format", "csv"]) == 0
    table = pd.read_csv(io.StringIO(capsys.readouterr().out))
    assert table.columns.tolist()[:9] == [
        "name", "arch", "nn_mass", "flops", "macs", "params", "cpu_ms", "cpu_ms_low", "cpu_ms_high"
    ]  # fmt: skip
    assert len(table) == 3 and table[MEDIANS].gt(0).all(axis=None)
    assert table.loc[0, MEDIANS].tolist() == table.loc[2, MEDIANS].tolist()
    assert score(given) == 0
    output = capsys.readouterr().out
    assert max(map(len, output.splitlines())) <= 80
    assert "on 1 thread of" in (flat := " ".join(output.split())) and "for a batch of 1 and of 64" in flat


@pytest.mark.usefixtures("no_onnxruntime", "quickly")
def test_a_study_shows_latencies(
    tmp_path: Path, images: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nas.study.stats.RESAMPLES", 50)
    archs = ["--arch", "mlp:w8_d4_t4", "mlp:w8_d6_t4", "mlp:w8_d9_t4", "--scores", "nn_mass"]
    given = [*archs, "--dataset", "folder", "--data", str(images), "--set", "epochs=1", "batch=12"]
    assert study([*given, "--latency", "cpu", "--plan"]) == 0
    output = capsys.readouterr().out
    assert "ms_64" in output and "correlation of log" in output and max(map(len, output.splitlines())) <= 80
    assert study([*given, "--latency", "cpu", "--out", "study"]) == 0
    output = capsys.readouterr().out
    assert "ms_64" in output and "1 thread of" in output and max(map(len, output.splitlines())) <= 80
    table = pd.read_csv(tmp_path / "study" / "networks.csv")
    assert table["cpu_ms"].gt(0).all() and (table["latency_threads"] == 1).all()
    assert json.loads((tmp_path / "study" / "run.json").read_text())["latency"]["threads"] == 1
    capsys.readouterr()
    assert predict(["study", "study/networks.csv", "--latency", "cpu"]) == 0
    output = capsys.readouterr().out
    assert "ms_64" in output and "from" in output and max(map(len, output.splitlines())) <= 80
    assert report(["study"]) == 0
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "study" / "networks.csv"), table)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--latency", "gpu"], "invalid choice: 'gpu'"),
        (["--max-latency", "0"], "'0' is not a number of milliseconds"),
        (["--max-latency", "fast"], "'fast' is not a number of milliseconds"),
        (["--max-latency", "inf"], "'inf' is not a number of milliseconds"),
        (["--latency-threads", "2"], "give --latency cpu as well"),
        (["--latency", "cpu", "--latency-threads", "0"], "'0' is not a whole number of at least 1"),
        pytest.param(
            ["--latency", "cuda"],
            "torch sees no GPU here; try --latency cpu",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU"),
        ),
    ],
)
def test_invalid_options_are_refused_before_the_search(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert message in refused(search, [*QUICK, *arguments], capsys)
    assert not (tmp_path / "results").exists()
