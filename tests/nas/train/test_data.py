"""Data sets: folders, generated points, held-out images, and networks fitted to them."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import search_spaces
from nas.train.cli import main
from nas.train.config import GENERATED, RECIPES, TrainConfig
from nas.train.data import Data, all_fitted, fitted, load, repeated_note, resolution_note
from nas.train.loop import Training
from nas.train.points import BANDS, TEST, TRAIN, generated
from search_spaces import MLP, MobileNet, RequestError, ResNet
from tests.conftest import refused
from tests.nas.train.conftest import CPU, PLAIN, RECIPE, SMALL, write_images


def test_held_out_images_are_stratified_and_reproducible(data: Data) -> None:
    split = data.hold_out(0.25, seed=0)
    assert split.held_out is not None
    assert split.held_out.labels.bincount().tolist() == [6, 6, 6] and len(split.train) == 54
    assert torch.equal(split.held_out.labels, data.hold_out(0.25, seed=0).held_out.labels)  # type: ignore
    with pytest.raises(RequestError, match="too few to hold some out"):
        data.hold_out(0.001, seed=0)


def test_a_limit_takes_a_reproducible_sample(images: Path) -> None:
    first, again = (load("folder", images, limit=10) for _ in range(2))
    assert len(first.train) == len(first.test) == 10
    assert torch.equal(first.train.labels, again.train.labels)
    assert len(load("folder", images, limit=1000).train) == 72


def test_networks_are_fitted_to_the_data(data: Data) -> None:
    assert fitted(SMALL, data).constants() == {"resolution": 8, "num_classes": 3}
    assert fitted(MLP(), data).constants() == {"in_features": 3 * 8 * 8, "num_classes": 3}
    for architecture in (MobileNet(), ResNet()):
        assert fitted(architecture, data).build()(torch.rand(2, 3, 8, 8)).shape == (2, 3)


def test_the_stem_stride_applies_to_networks_with_that_choice(data: Data, images: Path) -> None:
    """Networks without the choice, an MLP and a ResNet, stay unchanged."""
    archs = ("mobilenet:w0.5", "mobilenet-wide:mobilenet_v2", "mlp:mlp_8", "resnet:resnet18")
    config = TrainConfig(archs, "folder", str(images), "quick", RECIPE)
    stems = {stride: all_fitted(replace(config, stem_stride=stride), data) for stride in (None, 1, 2)}
    assert stems[None] == stems[2] == [fitted(search_spaces.parse(arch), data) for arch in archs]
    assert [one.constants().get("stem_stride") for one in stems[1]] == [1, 1, None, None]
    assert stems[1][2:] == stems[2][2:]
    assert fitted(MobileNet(stem_stride=1), data).constants()["stem_stride"] == 1
    with pytest.raises(RequestError, match="--stem-stride 1: none of these networks has a stem of another"):
        replace(config, archs=archs[2:], stem_stride=1)


def test_images_too_small_for_a_network_are_refused(tmp_path: Path) -> None:
    tiny = load("folder", write_images(tmp_path / "small", each=3, side=4))
    with pytest.raises(RequestError, match="resolution is 4, expected a whole number of at least 5"):
        fitted(SMALL, tiny)


def test_every_family_accepts_grey_images(tmp_path: Path) -> None:
    """Files in the layout of MNIST, grey, 28 pixels wide."""
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    generator = np.random.default_rng(0)
    for part in ("train", "t10k"):
        header = np.array([2051, 6, 28, 28], ">i4").tobytes()
        (raw / f"{part}-images-idx3-ubyte").write_bytes(header + generator.bytes(6 * 28 * 28))
        header = np.array([2049, 6], ">i4").tobytes()
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(header + bytes(range(6)))
    data = load("mnist", tmp_path)
    assert (data.channels, data.side, len(data.train)) == (1, 28, 6)
    from nas.train.model import Classifier

    for architecture in (MLP(), SMALL):
        model = Classifier.untrained(fitted(architecture, data), data).eval()
        assert model(model.example()).shape == (2, 10) and model.example().shape == (2, 1, 28, 28)


def test_an_invalid_folder_is_refused(images: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(images, broken)
    shutil.rmtree(broken / "test" / "red")
    with pytest.raises(RequestError, match=r"class 'red' is in train/ and not in test/"):
        load("folder", broken)
    shutil.rmtree(broken / "test")
    with pytest.raises(RequestError, match=r"test: there is no such .*; expected .*/train/CLASS"):
        load("folder", broken)
    (broken / "test").mkdir()
    with pytest.raises(RequestError, match=r"test: it has no folders of classes; expected .*/train/CLASS"):
        load("folder", broken)
    (broken / "test" / "blue").mkdir()
    with pytest.raises(
        RequestError, match=r"test: there are no images of class blue; expected .*/train/CLASS"
    ):
        load("folder", broken)
    shutil.rmtree(broken / "test")
    shutil.copytree(images / "test", broken / "val")
    assert len(load("folder", broken).test) == 24


def test_cyclic_links_and_pipes_are_refused(tmp_path: Path) -> None:
    """Otherwise the links would be followed, and the pipe read, for ever."""
    folder = write_images(tmp_path / "colours", each=1)
    inside = folder / "train" / "red"
    for name in ("a", "b"):
        (inside / name).symlink_to(inside)
    with pytest.raises(RequestError, match=r"red/[ab] leads back to a folder above it; remove that link"):
        load("folder", folder)
    for name in ("a", "b"):
        (inside / name).unlink()
    os.mkfifo(inside / "0.png")
    with pytest.raises(RequestError, match=r"0\.png is no regular file; remove it"):
        load("folder", folder)


def test_a_note_names_networks_designed_for_larger_images(data: Data) -> None:
    def note(*archs: str, stem_stride: int | None = None) -> str:
        return resolution_note(
            TrainConfig(archs, "folder", "data", "quick", PLAIN, stem_stride=stem_stride), data
        )

    text = note("mobilenet:mobilenet_v2", "mlp:mlp_8")
    assert text.startswith("1 of 2 networks were designed for 224 pixels and are trained at 8")
    assert "--stem-stride 1" in text and "--image-size" in text
    mixed = note("densenet:cells_13", "mobilenet:mobilenet_v2", "mlp:mlp_8")
    assert mixed.startswith(
        "2 of 3 networks were designed for 32 to 224 pixels and are trained at 8: the first"
    )
    assert "--stem-stride" not in note("mobilenet:mobilenet_v2", stem_stride=1)
    assert note("mlp:mlp_8") == note("mobilenet:w1.0_r8") == ""


def test_a_note_names_networks_that_are_trained_twice(data: Data) -> None:
    def note(*archs: str) -> str:
        return repeated_note(TrainConfig(archs, "folder", "data", "quick", PLAIN), data)

    assert note("mlp:mlp_8", "mobilenet:w1.0_r8") == ""
    twice = note("mobilenet:mobilenet_v2", "mlp:mlp_8", "mobilenet:w1.0_r160")
    assert twice.startswith(f"rows 1 and 3: the same network on {data.name}")


@pytest.mark.parametrize("task", GENERATED)
def test_generated_points_are_reproducible_and_the_parts_differ(task: str) -> None:
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
    # Standard deviation: 0.540 of a normal distribution truncated at 1, 0.577 of a uniform one.
    within = ((radius * BANDS).frac() - 0.5) * 2
    assert within.std() == pytest.approx(0.5396, abs=0.01) and within.mean() == pytest.approx(0, abs=0.02)
    angle = torch.atan2(points[:, 1], points[:, 0])
    assert angle.cos().mean() == pytest.approx(0, abs=0.03) == angle.sin().mean()


def test_a_network_learns_seg20() -> None:
    data = load("seg20", folder=Path("nowhere"), limit=2000)
    assert (len(data.train), data.channels, data.side) == (2000, 2, 1)
    network = fitted(MLP(width=32, depth=4, links=0), data)
    assert str(network).endswith("_i2_c2")
    training = Training(network, data, replace(RECIPES["mlp"], epochs=20, batch_size=100), 0, CPU)
    epochs = [training.run_epoch() for _ in range(20)]
    assert epochs[-1] is not None and epochs[-1].top1 > 60  # chance level: 50


@pytest.mark.parametrize("task", GENERATED)
@pytest.mark.parametrize("arch", ["mobilenet:mobilenet_v2", "torchvision:resnet18", "densenet:cells_13"])
def test_networks_for_images_are_refused_for_points(
    task: str, arch: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    message = refused(main, ["--arch", "mlp:mlp_8", arch, "--dataset", task, "--out", str(out)], capsys)
    assert "points of 2 numbers; train networks of mlp" in message and not out.exists()
