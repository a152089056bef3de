"""Timing of networks in torch and onnxruntime."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.benchmark import Timer

from nas import timing
from nas.columns import is_median, is_quartile
from nas.timing import Latency, latencies
from search_spaces import MLP, DenseNet, MobileNet, ResNet
from search_spaces.architecture import Architecture
from tests.nas.conftest import MEDIANS

pytestmark = pytest.mark.usefixtures("brief_timing")

SMALL = [
    DenseNet(width_mult=1, depths=(3, 2, 2), links=(5, 0, 0), resolution=8),
    MLP(depth=4, links=4),
    MobileNet(width_mult=0.35, depths=(1,) * 7, resolution=32),
    ResNet(depths=(1, 1, 1, 1), width_per_group=8, resolution=32),
]


class Recorded(nn.Module):
    """A module that records the state in which it runs."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
        self.seen: set[tuple[bool, bool, bool, int]] = set()

    def forward(self, inputs: Tensor) -> Tensor:
        """Run the inner module and record the state."""
        training = any(part.training for part in self.modules())
        state = (training, torch.is_grad_enabled(), torch.is_inference_mode_enabled())
        self.seen.add((*state, torch.get_num_threads()))
        outputs: Tensor = self.inner(inputs)
        return outputs


@dataclass
class Built:
    """The part of an architecture that `latencies` uses."""

    module: nn.Module
    input_shape: tuple[int, ...]

    def build(self) -> nn.Module:
        """Return the module."""
        return self.module


def in_torch(module: nn.Module, threads: int = 1, size: int = 4) -> Latency:
    """The latency of a batch of 1 in torch."""
    return next(latencies(Built(module, (size,)), "cpu", threads))  # type: ignore[arg-type]


@pytest.mark.parametrize("threads", [1, 2])
def test_a_module_runs_in_evaluation_mode_with_the_requested_threads(threads: int) -> None:
    module, before = Recorded().train(), torch.get_num_threads()
    found = in_torch(module, threads)
    assert module.seen == {(False, False, True, threads)}
    assert torch.get_num_threads() == before and torch.is_grad_enabled()
    assert (found.engine, found.device, found.threads, found.batch) == ("torch", "cpu", threads, 1)
    assert found.runs >= 4 and 0 < found.low <= found.ms <= found.high


def test_a_failing_module_restores_the_number_of_threads() -> None:
    before = torch.get_num_threads()
    with pytest.raises(RuntimeError):
        in_torch(Recorded(), 2, size=5)
    assert torch.get_num_threads() == before and torch.is_grad_enabled()


@pytest.mark.parametrize(
    "architecture",
    [
        pytest.param(one, marks=[] if isinstance(one, MLP) else pytest.mark.slow, id=one.family)
        for one in SMALL
    ],
)
def test_torch_and_onnxruntime_use_the_requested_threads(
    architecture: Architecture, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnxruntime

    given = []
    session = onnxruntime.InferenceSession

    def recorded(model: bytes, options: onnxruntime.SessionOptions, **others: object) -> object:
        given.append(options.intra_op_num_threads)
        return session(model, options, **others)

    monkeypatch.setattr(onnxruntime, "InferenceSession", recorded)
    monkeypatch.setattr(timing, "_PATIENCE", 60.0)  # a busy machine leaves out no batch
    random = torch.get_rng_state()
    found = list(latencies(architecture, "cpu", 2))
    assert given == [2] and torch.equal(torch.get_rng_state(), random)
    assert [(one.engine, one.batch) for one in found] == [
        ("torch", 1), ("torch", 64), ("onnxruntime", 1), ("onnxruntime", 64)
    ]  # fmt: skip
    assert {one.threads for one in found} == {2} and {one.device for one in found} == {"cpu"}
    names = [name for one in found for name in one.columns()]
    assert list(filter(is_median, names)) == MEDIANS
    assert [name for name in names if is_quartile(name)] == [
        f"{name}_{end}" for name in MEDIANS for end in ("low", "high")
    ]


@pytest.mark.usefixtures("no_onnxruntime")
def test_a_slow_batch_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "_PATIENCE", 1e-9)
    (one,) = latencies(SMALL[1], "cpu", 1)
    assert (one.engine, one.batch) == ("torch", 1) and one.runs > 0


def test_few_runs_have_no_quartiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "_PATIENCE", 1e-9)
    one = in_torch(nn.Linear(4, 4))
    assert one.runs > 0 and one.ms > 0 and math.isnan(one.low) and math.isnan(one.spread)


def test_a_measurement_continues_until_runs_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the rule of torch's timer, within our limits."""
    limits = []

    class Recording(Timer):
        def adaptive_autorange(self, *threshold: float, **seconds: float) -> Any:  # type: ignore[override]
            limits.append((*threshold, seconds))
            return super().adaptive_autorange(*threshold, **seconds)

    monkeypatch.setattr("torch.utils.benchmark.Timer", Recording)
    monkeypatch.setattr(timing, "_THRESHOLD", 0.25)
    monkeypatch.setattr(timing, "_PATIENCE", 0.5)
    assert in_torch(nn.Linear(4, 4)).runs > 0
    assert limits == [(0.25, {"min_run_time": 0.02, "max_run_time": 0.5})]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_is_measured_in_torch() -> None:
    found = list(latencies(SMALL[2], "cuda", 1))
    assert [(one.engine, one.device, one.batch) for one in found] == [
        ("torch", "cuda", 1),
        ("torch", "cuda", 64),
    ]
    assert list(found[1].columns()) == ["cuda_ms_64", "cuda_ms_64_low", "cuda_ms_64_high"]
