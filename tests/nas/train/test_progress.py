"""What is seen of a training: lines often enough, and figures with the names of networks."""

from __future__ import annotations

import threading
from pathlib import Path

import pandas as pd
import pytest

import search_spaces
from nas.train import progress
from nas.train.config import TrainConfig
from nas.train.data import Data, fitted, resolution_note
from nas.train.job import Job, display_name
from nas.train.run import draw
from tests.nas.train.conftest import PLAIN, SMALL
from tests.processes import PATIENCE


@pytest.mark.parametrize(
    ("reached", "expected"),
    [
        (None, "preparing, "),
        (0.25, "row 1 seed 0 epoch 1/3: 25%"),
        (1.0, "row 1 seed 0 epoch 1/3: testing"),
    ],
)
def test_a_long_silence_is_broken(
    reached: float | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within an epoch, during a test, before the first step: whatever the training is busy with."""
    heard: list[str] = []
    enough = threading.Event()

    def hear(line: str, **given: object) -> None:
        heard.append(line)
        if len(heard) >= 2:
            enough.set()

    monkeypatch.setattr(progress, "print", hear, raising=False)
    with progress.progress_display(3, every=0.001) as lines:
        if reached is not None:
            lines.on_step(Job(1, SMALL, 0), reached)
            heard.clear()
            enough.clear()  # it may be set by lines from before the step
        assert enough.wait(PATIENCE)
    assert any(line.startswith(expected) for line in heard)


def test_networks_laid_out_for_larger_images_are_named(data: Data) -> None:
    def note(*archs: str, stem_stride: int | None = None) -> str:
        return resolution_note(
            TrainConfig(archs, "folder", "data", "quick", PLAIN, stem_stride=stem_stride), data
        )

    text = note("mobilenet:mobilenet_v2", "mlp:mlp_8")
    assert text.startswith("1 of 2 networks were designed for 224 pixels and are trained at 8")
    assert "--stem-stride 1" in text and "--image-size" in text
    assert "--stem-stride" not in note("mobilenet:mobilenet_v2", stem_stride=1)
    assert note("mlp:mlp_8") == note("mobilenet:w1.0_r8") == ""


def test_networks_are_called_by_name_without_what_all_have_in_common(data: Data) -> None:
    for arch, name in {
        "mobilenet:mobilenet_v2": "mobilenet_v2",
        "mobilenet:w0.5": "w0.5_d1-2-3-4-3-3-1",
        "mlp:w8_d4_t2": "w8_d4_t2",
        "torchvision:resnet18": "resnet18",
    }.items():
        assert display_name(fitted(search_spaces.parse(arch), data)) == name


def test_curves_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from matplotlib.figure import Figure

    labels: list[str] = []
    real = Figure.legend

    def legend(self: Figure, handles: object, given: list[str], **more: object) -> object:
        labels.extend(given)
        return real(self, handles, given, **more)

    monkeypatch.setattr(Figure, "legend", legend)
    columns = ["row", "seed", "number", "train_loss", "tested_on", "top1"]
    rows = [[row, seed, number, 2 / number, "test", 30.0 * number] for row in (1, 2) for seed in (0, 1)
            for number in (1, 2, 3)]  # fmt: skip
    names = {1: "mobilenet_v2", 2: "w0.85_d2-1-2-6-5-5-3" * 5}
    curves = pd.DataFrame(rows, columns=columns)
    draw(curves, names, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert labels[:2] == ["mobilenet_v2, seed 0", "mobilenet_v2, seed 1"] and max(map(len, labels)) < 70
    labels.clear()
    draw(curves[curves["seed"] == 0], names, tmp_path / "curves.png")
    assert labels[0] == "mobilenet_v2"
