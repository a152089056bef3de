"""Generated tasks: where the points lie, which class each is, and that a network can be trained on them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from nas.train.cli import main
from nas.train.config import GENERATED, RECIPES, TrainConfig
from nas.train.data import BANDS, TEST, TRAIN, fitted, generated, load
from nas.train.loop import Training
from search_spaces import MLP, RequestError
from tests.conftest import refused
from tests.nas.train.conftest import CPU


@pytest.mark.parametrize("task", GENERATED)
def test_points_are_the_same_every_time_and_new_ones_to_test_on(task: str) -> None:
    train, test = generated(task)
    again, _ = generated(task)
    assert torch.equal(train.pixels, again.pixels) and not torch.equal(train.pixels[:TEST], test.pixels)
    assert (len(train), len(test)) == (TRAIN, TEST)
    for part in (train, test):
        assert part.pixels.min() >= 0 and part.pixels.max() <= 255
        assert part.labels.bincount().tolist() == [len(part) / 2] * 2


def test_the_class_is_the_parity_of_the_segment() -> None:
    train, _ = generated("seg20")
    first, second = (train.pixels / 255).flatten(1).T
    assert torch.equal(first, second)
    inside = (first * BANDS).frac().sub(0.5).abs() < 0.499  # rounding may move a point over an edge
    assert inside.float().mean() > 0.99
    assert torch.equal((first * BANDS).floor()[inside].long() % 2, train.labels[inside])


def test_the_class_is_the_parity_of_the_ring() -> None:
    train, _ = generated("circle20")
    points = (train.pixels / 255).flatten(1).double() * 2 - 1
    radius = points.norm(dim=1)
    inside = (radius * BANDS).frac().sub(0.5).abs() < 0.499
    assert inside.float().mean() > 0.99
    assert torch.equal((radius * BANDS).floor()[inside].long() % 2, train.labels[inside])
    # A normal deviate within one deviation of the mean has a deviation of 0.54 of it, an even one 0.577.
    within = ((radius * BANDS).frac() - 0.5) * 2
    assert within.std() == pytest.approx(0.5396, abs=0.01) and within.mean() == pytest.approx(0, abs=0.02)
    angle = torch.atan2(points[:, 1], points[:, 0])
    assert angle.cos().mean() == pytest.approx(0, abs=0.03) == angle.sin().mean()


def test_a_network_learns_the_line() -> None:
    data = load("seg20", folder=Path("nowhere"), limit=2000)
    assert (len(data.train), data.channels, data.side) == (2000, 2, 1)
    network = fitted(MLP(width=32, depth=4, links=0), data)
    assert str(network).endswith("_i2_c2")
    training = Training(network, data, replace(RECIPES["mlp"], epochs=20, batch_size=100), 0, CPU)
    epochs = [training.run_epoch() for _ in range(20)]
    assert epochs[-1] is not None and epochs[-1].top1 > 60  # even odds without learning


@pytest.mark.parametrize("task", GENERATED)
@pytest.mark.parametrize("arch", ["mobilenet:mobilenet_v2", "torchvision:resnet18", "densenet:cells_13"])
def test_networks_for_images_are_refused_before_a_folder_is_made(
    task: str, arch: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    said = refused(main, ["--arch", "mlp:mlp_8", arch, "--dataset", task, "--out", str(out)], capsys)
    assert "points of 2 numbers; train networks of mlp" in said and not out.exists()


def test_points_have_no_size_to_choose() -> None:
    with pytest.raises(RequestError, match="--image-size 4: seg20 has one size of its own"):
        TrainConfig(("mlp:mlp_8",), "seg20", "data", "mlp", RECIPES["mlp"], image_size=4)
