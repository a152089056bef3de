"""Images in memory and in files: the same pixels, and augmentation that follows from its seed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import psutil
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch.nn.functional import pad

from nas.cli import progress
from nas.train.config import RECIPES, Crop
from nas.train.data import Data, load
from nas.train.images import Augment, DataError, InMemory, augmentation, mixing
from search_spaces import RequestError
from tests.conftest import PATIENCE, REPOSITORY
from tests.nas.train.conftest import CLASSES, PLAIN, RECIPE, SIDE, write_images


def pixels(images: object, **arguments: object) -> torch.Tensor:
    order = torch.arange(len(images))  # type: ignore[arg-type]
    return torch.cat([batch for batch, _ in images.batches(order, 7, **arguments)])  # type: ignore


def test_images_in_memory_equal_those_on_disk(data: Data, on_disk: Data) -> None:
    assert data.classes == CLASSES and (data.side, data.channels) == (SIDE, 3)
    assert data.train.labels.bincount().tolist() == [24, 24, 24] and len(data.test) == 24
    assert isinstance(data.train, InMemory) and not isinstance(on_disk.train, InMemory)
    assert torch.equal(pixels(data.train), pixels(on_disk.train))
    assert torch.equal(data.normalization.mean, on_disk.normalization.mean)


def test_normalization_is_that_of_the_pixels(data: Data) -> None:
    scaled = pixels(data.train).double() / 255
    torch.testing.assert_close(data.normalization.mean.double(), scaled.mean((0, 2, 3)), atol=1e-6, rtol=0)
    torch.testing.assert_close(
        data.normalization.deviation.double(), scaled.std((0, 2, 3), correction=0), atol=1e-6, rtol=0
    )


@given(st.permutations(range(9)), st.integers(1, 9))
def test_batches_follow_the_order(order: list[int], size: int) -> None:
    images = InMemory(torch.arange(9, dtype=torch.uint8).view(9, 1, 1, 1), torch.arange(9))
    batches = list(images.batches(torch.tensor(order), size))
    assert [label for _, labels in batches for label in labels.tolist()] == order
    assert all(torch.equal(image.flatten(), labels) for image, labels in batches)


@pytest.mark.parametrize("kept", ["data", "on_disk"])
def test_augmentation_depends_on_its_seed_only(kept: str, request: pytest.FixtureRequest) -> None:
    images = request.getfixturevalue(kept).train
    augment = augmentation(RECIPE)
    before = torch.get_rng_state()
    first, again, other = (pixels(images, augment=augment, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), before)


def test_images_are_augmented_independently() -> None:
    images = InMemory(torch.arange(64, dtype=torch.uint8).expand(4096, 1, 8, 64)[..., :8], torch.zeros(4096))
    augmented = pixels(images, augment=augmentation(replace(PLAIN, crop="pad")), seed=0)
    kinds = {tuple(image.flatten().tolist()) for image in augmented[:64]}
    assert len(kinds) > 8  # of 9 shifts, 3 of which look alike, mirrored or not


@pytest.mark.parametrize("crop", ["pad", "none"])
def test_augmentation_is_equal_in_memory_and_on_disk(data: Data, on_disk: Data, crop: Crop) -> None:
    augment = augmentation(replace(PLAIN, crop=crop, erase=0.5))
    kept, read = (pixels(images.train, augment=augment, seed=3) for images in (data, on_disk))
    assert torch.equal(kept, read) and not torch.equal(kept, pixels(data.train))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_a_crop_moves_images_and_pads_them(dtype: torch.dtype) -> None:
    images = torch.arange(1, 257).clamp(max=255).view(1, 1, 16, 16).expand(500, 2, 16, 16).to(dtype)
    augment = Augment("pad", flip=True, erase=0.0)
    kinds = {
        pad(images[:1], (2, 2, 2, 2))[0, :, top : top + 16, left : left + 16].flip(mirrored): (top, left)
        for top in range(5)
        for left in range(5)
        for mirrored in ((), (-1,))
    }
    found = [
        next(place for kind, place in kinds.items() if torch.equal(kind, image))
        for image in augment(images, augment.numbers(500, 0))
    ]
    assert len(set(found)) == 25  # every shift


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_a_resized_crop_is_a_part_of_the_image(dtype: torch.dtype) -> None:
    ramp = torch.arange(16).expand(200, 1, 16, 16)
    images = torch.cat([10 * ramp, 10 * ramp.mT], 1).to(dtype)
    augment = Augment("resized", flip=False, erase=0.0)
    numbers = augment.numbers(200, 0)
    across, down = augment(images, numbers).float().unbind(1)
    steps = across[:, 0, 8] - across[:, 0, 7], down[:, 8, 0] - down[:, 7, 0]  # 10 times the sides of a part
    part, ratio = steps[0] * steps[1] / 100, steps[0] / steps[1]
    assert augment(images, numbers).dtype == dtype
    if dtype == torch.float32:
        torch.testing.assert_close(part, 0.08 + 0.92 * numbers[:, 2], atol=2e-3, rtol=0)
        assert 0.74 < ratio.min() < 0.9 < 1.1 < ratio.max() < 1.34
    assert across.min() >= 0 and across.max() <= 150 and across[:, 0, 0].std() > 5


def test_erasing_sets_a_square_of_some_images_to_0() -> None:
    images = torch.full((300, 2, 9, 9), 200, dtype=torch.uint8)
    augment = Augment("none", flip=False, erase=0.3)
    gone = augment(images, augment.numbers(300, 0)) == 0
    assert set(gone.sum((1, 2, 3)).tolist()) == {0, 2 * 4 * 4} and (images == 200).all()
    assert 60 < gone[:, 0].any(-1).any(-1).sum() < 120
    assert gone[:, 0].any(0).all()  # everywhere in some image


def test_augmentation_keeps_what_it_should() -> None:
    images = torch.full((4, 3, SIDE, SIDE), 200, dtype=torch.uint8)
    for name in RECIPES:
        augment = augmentation(RECIPES[name])
        assert (augment is None) == (name == "mlp")
        assert augment is None or augment(images, augment.numbers(4, 0)).shape == images.shape
    assert augmentation(replace(PLAIN, crop="none", flip=False)) is None
    erased = augmentation(replace(PLAIN, crop="none", flip=False, erase=1.0))
    assert erased is not None
    assert (erased(images, erased.numbers(4, 0)) == 0).sum() == 4 * 3 * (SIDE // 2) ** 2


def test_mixing_gives_class_probabilities() -> None:
    for recipe in (replace(PLAIN, mixup=0.5), replace(PLAIN, cutmix=0.5), replace(PLAIN, mixup=1, cutmix=1)):
        mix = mixing(recipe, 5)
        assert mix is not None
        _, probabilities = mix(torch.rand(6, 3, SIDE, SIDE), torch.arange(6) % 5)
        assert probabilities.shape == (6, 5) and torch.allclose(probabilities.sum(1), torch.ones(6))
    assert mixing(PLAIN, 5) is None


def test_resized_crops_use_the_whole_file(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "large", each=3, side=40)
    images = load("imagenet", folder, side=SIDE, cache="disk", workers=1).train
    augment = augmentation(RECIPES["imagenet"])
    assert augment is not None and augment.crop == "resized"
    assert pixels(images).shape == pixels(images, augment=augment).shape == (9, 3, SIDE, SIDE)


def test_a_file_that_is_not_an_image_is_refused(images: Path, tmp_path: Path) -> None:
    folder = write_images(tmp_path / "broken", each=3)
    (folder / "train" / "red" / "001.png").write_bytes(b"not an image")
    with pytest.raises(RequestError, match=r"red/001\.png cannot be read as an image"):
        load("folder", folder)
    with pytest.raises(DataError, match=r"red/001\.png cannot be read as an image"):
        pixels(load("folder", folder, cache="disk").train)
    Image.new("I;16", (SIDE, SIDE)).save(folder / "train" / "red" / "001.png")
    with pytest.raises(RequestError, match=r"001\.png has more than 8 bits a colour"):
        load("folder", folder)
    Image.new("RGB", (SIDE, SIDE + 1)).save(folder / "train" / "red" / "001.png")
    with pytest.raises(RequestError, match=r"is 8x9 pixels, not 8x8 as expected; give --image-size"):
        load("folder", folder)
    assert load("folder", folder, side=SIDE).side == SIDE


def test_reading_images_shows_progress(
    images: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("nas.train.data.progress", partial(progress, every=0.001))
    load("folder", images, workers=1)
    assert not capsys.readouterr().err
    load("folder", images, workers=1, quiet=False)
    assert "reading images: 0 of 96, 0 s" in capsys.readouterr().err
    counted: list[None] = []
    load("folder", images, cache="disk", workers=1).test.in_memory(lambda: counted.append(None))  # type: ignore
    assert len(counted) == 24


def test_no_augmentation_imports_no_torchvision() -> None:
    code = "import sys; from nas.train import config, images; plain = config.RECIPES['mlp']"
    code += "; assert images.augmentation(plain) is images.mixing(plain, 2) is None"
    code += "; assert 'torchvision' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=True, timeout=PATIENCE)


def test_a_dead_reader_raises_an_error(on_disk: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    dead = "nas.train.images._Reader.__getitem__"
    monkeypatch.setattr(dead, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.raises(RuntimeError, match="DataLoader worker"):
        pixels(on_disk.train)
    assert not [child for child in psutil.Process().children() if child.status() == "running"]
