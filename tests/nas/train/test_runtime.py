"""Execution of jobs: the number of threads is measured, stored and kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch

from nas.train.cli import main
from nas.train.config import Precision
from nas.train.data import Data, fitted
from nas.train.distributed import ALONE, Processes
from nas.train.folder import TrainFolder
from nas.train.job import Job
from nas.train.loop import Training
from nas.train.runtime import Execution, fastest, precision_note, seconds_per_step, set_threads, train
from search_spaces import RequestError
from tests.nas.train.conftest import CPU, PLAIN, RECIPE, SMALL

WIDE = replace(SMALL, width_mult=2)


@pytest.fixture(autouse=True)
def four_threads() -> Iterator[None]:
    """Torch uses four threads, as on a machine with four cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


def test_timing_leaves_the_random_state_and_threads_unchanged(data: Data) -> None:
    state = torch.get_rng_state()
    found = seconds_per_step(fitted(SMALL, data), data, RECIPE, 1, [1, 2])
    assert list(found) == [1, 2] and all(0 < value < 60 for value in found.values())
    assert torch.equal(torch.get_rng_state(), state) and torch.get_num_threads() == 4


def test_timing_ignores_errors_of_the_network(data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*given: object, **more: object) -> None:
        raise torch.OutOfMemoryError("no memory")

    monkeypatch.setattr("nas.train.runtime.Training", fail)
    assert set_threads(None, [fitted(SMALL, data)], data, PLAIN, CPU) == 1 == torch.get_num_threads()


def test_a_resumed_run_switches_only_to_a_much_faster_number() -> None:
    assert fastest({1: 3.0, 2: 2.0, 4: 1.0}) == 4
    assert fastest({1: 3.0, 2: 1.04, 4: 1.0}) == 2
    assert fastest({1: 1.0, 2: 1.4, 4: 9.0}, before=2) == 2
    assert fastest({1: 1.0, 2: 1.4, 4: 9.0}, before=4) == 1


@pytest.mark.parametrize(
    ("processes", "at_a_time", "before", "numbers"),
    [(ALONE, 1, None, [1, 2, 4]), (ALONE, 2, None, [1, 2]), (ALONE, 1, 6, [1, 2, 4, 6])],
)
def test_parallel_networks_divide_the_cores(
    processes: Processes,
    at_a_time: int,
    before: int | None,
    numbers: list[int],
    data: Data,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The largest network is timed, with at most its part of the cores."""
    calls: list[object] = []

    def measured(
        network: object, data: Data, recipe: object, count: int, given: list[int]
    ) -> dict[int, float]:
        calls.extend([network, count, given])
        return {number: 1 / number for number in given}

    monkeypatch.setattr("nas.train.runtime.seconds_per_step", measured)
    networks = [fitted(one, data) for one in (SMALL, WIDE, SMALL)]
    assert set_threads(None, networks, data, PLAIN, CPU, processes, at_a_time, before) == numbers[-1]
    assert calls == [networks[1], 1, numbers] and torch.get_num_threads() == numbers[-1]
    assert set_threads(3, networks, data, PLAIN, CPU, before=before) == 3 == torch.get_num_threads()
    assert ("was trained with 6 threads and goes on with 3" in capsys.readouterr().err) == (before == 6)


def test_a_single_core_needs_no_timing(data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.train.runtime.seconds_per_step", None)
    assert set_threads(None, [SMALL], data, PLAIN, CPU, at_a_time=4) == 1


def test_the_number_of_threads_is_stored(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    given = ["--arch", "mlp:mlp_8", "mlp:mlp_16", "--dataset", "folder", "--data", str(images)]
    assert main([*given, "--set", "epochs=1", "batch=12", "--threads", "1", "--out", str(out)]) == 0
    assert torch.get_num_threads() == 1
    assert pd.read_csv(out / "trained.csv")["threads"].tolist() == [1, 1]
    state = json.loads((out / "run.json").read_text())
    assert state["threads"] == 1 == TrainFolder.open(out).threads
    # The unfinished network is trained anew with another number; the table has both numbers.
    table = pd.read_csv(out / "trained.csv")
    table.assign(status=["done", "waiting"]).to_csv(out / "trained.csv", index=False)
    (out / "checkpoints" / "row2-seed0.pt").unlink()
    assert main(["--resume", str(out), "--threads", "2"]) == 0
    assert "was trained with 1 threads and goes on with 2" in capsys.readouterr().err
    assert pd.read_csv(out / "trained.csv")["threads"].tolist() == [1, 2]
    for number, expected in ((None, None), ("many", "threads is 'many'"), (0, "threads is 0")):
        (out / "run.json").write_text(json.dumps({**state, "threads": number}))
        if expected is None:
            assert TrainFolder.open(out).threads is None
        else:
            with pytest.raises(RequestError, match=expected):
                TrainFolder.open(out)


@pytest.mark.parametrize(
    ("precision", "device", "capability", "slow"),
    [
        ("bfloat16", "cpu", "AVX2", True),
        ("bfloat16", "cpu", "AVX512", False),
        ("float32", "cpu", "AVX2", False),
        ("auto", "cpu", "AVX2", False),
        ("bfloat16", "cuda", "AVX2", False),
    ],
)
def test_an_emulated_precision_is_noted(
    precision: Precision, device: str, capability: str, slow: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    assert bool(precision_note(precision, torch.device(device))) == slow


def test_networks_are_tested_in_float32_on_a_gpu_too(
    data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    allowed: list[bool] = []

    def test(*given: object) -> tuple[float, float]:
        allowed.append(torch.backends.cudnn.allow_tf32)
        return 50.0, 90.0

    monkeypatch.setattr(Training, "test", test)
    job, once = Job(1, fitted(SMALL, data), 0), replace(PLAIN, epochs=1)
    train(job, data, once, tmp_path / "one.pt", Execution(CPU), lambda: False, lambda job, outcome: None)
    assert allowed == [False]
