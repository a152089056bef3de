"""`nas latency measure`: from networks to a score that limits a search, also after an interruption."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import nas
import search_spaces
from nas.device.cli import main
from nas.device.measurement import Sample, measured
from nas.device.request import LatencyRequest
from nas.device.session import Errors
from nas.fitted.score import FittedScore
from nas.timing import Timing, latency_of
from search_spaces import RequestError
from search_spaces.chain import ChainArchitecture
from tests.conftest import Begin, Command, refused

QUICK = ["measure", "--space", "mlp", "--networks", "16", "--held-out", "4", "--seconds", "0.001"]


def test_a_measurement_gives_a_limit_of_searches(tmp_path: Path, command: Command) -> None:
    (tmp_path / "scores").mkdir()
    done = command("nas", "latency", *QUICK, "--rounds", "2", "--out", "scores/my-cpu.json")
    assert done.returncode == 0, done.stderr
    text = " ".join(done.stdout.split())
    assert "On 4 random networks that the fit has not seen: median error" in text

    tables = nas.read(tmp_path / "scores" / "my-cpu")
    assert len(tables["times"]) == 40 and tables["times"].groupby("arch").size().eq(2).all()
    assert tables["networks"]["part"].value_counts().to_dict() == {"fit": 16, "held out": 4}
    least = tables["times"].groupby("arch")["ms"].min()
    assert tables["networks"].set_index("arch")["cpu_ms"].to_dict() == least.to_dict()

    score = FittedScore.load(tmp_path / "scores" / "my-cpu.json")
    assert (score.name, score.unit, score.more_is_better, score.networks) == ("my-cpu", "ms", False, 16)
    assert ("nas search --space mlp --max scores/my-cpu.json=" in text) == score.useful
    again = nas.fit(tmp_path / "scores" / "my-cpu", target="cpu_ms")
    assert again.networks == 20

    limit = float(tables["networks"]["cpu_ms"].median())
    within = ["--space", "mlp", "--max", f"scores/my-cpu.json={limit:.6f}ms"]
    found = command("nas.exact", *within, "--top", "3", "--format", "csv")
    assert found.returncode == 0, found.stderr
    (tmp_path / "found.csv").write_text(found.stdout)
    assert pd.read_csv(tmp_path / "found.csv")["my-cpu"].le(limit + 1e-6).all()
    searched = command("nas.search", *within, "--trials", "20", "--out", "run")
    assert searched.returncode == 0, searched.stderr
    assert "my-cpu" in pd.read_csv(tmp_path / "run" / "candidates.csv")


def test_an_interrupted_measurement_goes_on(tmp_path: Path, begin: Begin, command: Command) -> None:
    begun = begin(tmp_path, "nas.latency", *QUICK, "--rounds", "99", "--out", "own.json")
    begun.until((tmp_path / "own" / "times.csv").exists)
    begun.send_signal(signal.SIGINT)
    done = begun.ended()
    assert done.returncode == 130
    assert "interrupted; go on with: nas latency measure --resume own" in done.stderr
    before = pd.read_csv(tmp_path / "own" / "times.csv")
    state = json.loads((tmp_path / "own" / "run.json").read_text())
    assert state["status"] == "interrupted"
    state["request"]["rounds"] = 1 + int(before["round"].max())
    (tmp_path / "own" / "run.json").write_text(json.dumps(state))
    done = command("nas", "latency", "measure", "--resume", "own")
    assert done.returncode == 0, done.stderr
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "own" / "times.csv").head(len(before)), before)
    assert FittedScore.load(tmp_path / "own.json").networks == 16


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--device", "cuda:99"], "--device cuda:99: torch sees"),
        (["--device", "tpu"], "--device tpu: expected cpu, cuda or cuda:N"),
        (["--device", "cuda", "--engine", "onnxruntime"], "--engine onnxruntime runs on the CPU"),
        (["--networks", "9"], "--networks: '9' is not a whole number of at least 16"),
        (["--networks", "17", "--fix", "width=8", "depth=3"], "need 21 networks, and the request leaves"),
        (["--flops", "1"], "flops at most 1: the smallest network of mlp has 6,416 flops"),
        (["--clock", "process", "--threads", "2"], "--clock process counts the CPU time of one thread"),
        (["--out", "own.csv"], "expected a file that ends with .json"),
        (["--out", "file/own.json"], "cannot write file/own"),
        (["--out", "zen.json"], "there is a score zen"),
        (["--out", "full.json"], "full is not empty; choose another --out, or go on with --resume full"),
        (["--resume", "none"], "none is not the folder of a latency measurement: there is no such folder"),
    ],
)
def test_wrong_requests_get_one_line(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "other.txt").write_text("")
    given = ["measure"] if "--resume" in arguments else QUICK
    errors = refused(main, [*given, *arguments], capsys)
    assert message in errors
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "full"]


@pytest.mark.parametrize(
    ("ms", "message"),
    [
        ("-5", "row 2: ms is -5, expected milliseconds above 0"),
        ("inf", "ms is inf"),
        ("", "column ms has a value"),
    ],
)
def test_a_damaged_measurement_is_refused(ms: str, message: str, tmp_path: Path) -> None:
    times = tmp_path / "times.csv"
    rows = ["arch,round,ms,low,high,runs", "mlp:w8_d3,0,1,1,1,5", f"mlp:w8_d4,0,{ms},1,1,5"]
    times.write_text("\n".join(rows) + "\n")
    with pytest.raises(RequestError, match=message):
        measured(LatencyRequest("mlp"), [], times)


@pytest.mark.parametrize("noise", [True, False])
def test_a_fit_of_noise_advises_no_search(
    noise: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = np.random.default_rng(0)

    def timed(request: LatencyRequest, network: ChainArchitecture) -> dict[str, float]:
        ms = generator.uniform(1, 9) if noise else float(network.figures().flops) / 1e4
        return {"ms": ms, "low": ms, "high": ms, "runs": 5}

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("nas.device.measurement._timed", timed)
    assert main(QUICK) == 0
    printed = capsys.readouterr().out
    assert ("do not search by it" in " ".join(printed.split())) == noise
    assert ("Search by it: nas search --space mlp --max mlp-cpu.json=" in printed) == (not noise)


def test_small_errors_are_not_printed_as_none() -> None:
    found = Errors(networks=16, rmse=0.00046, median=9e-6, largest=0.0012, typical=38.2).sentence()
    assert found.endswith("median error below 0.05%, largest 0.1%, root mean squared 0.00046 ms.")


def test_designs_share_the_held_out_networks() -> None:
    even, random = (
        Sample.drawn(LatencyRequest("mlp", networks=16, held_out=5, design=design))
        for design in ("even", "random")
    )
    assert even.held_out == random.held_out and even.fitted != random.fitted
    assert len(set(map(str, even.every))) == 21


@pytest.mark.parametrize("engine", ["torch", "onnxruntime"])
def test_an_engine_measures_a_batch(engine: str) -> None:
    network = search_spaces.parse("mlp:w8_d4_t0")
    found = latency_of(network, "cpu", engine, 3, 1, Timing(0.01, 0.02, process_time=True))  # type: ignore[arg-type]
    assert (found.engine, found.batch, found.threads) == (engine, 3, 1) and found.ms > 0
