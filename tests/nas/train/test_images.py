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

from nas.cli import progress
from nas.train.config import RECIPES
from nas.train.data import Data, load
from nas.train.images import Augment, DataError, InMemory, augmentation, mixing
from search_spaces import RequestError
from tests.conftest import PATIENCE, REPOSITORY
from tests.nas.train.conftest import CLASSES, PLAIN, RECIPE, SIDE, write_images


def pixels(images: object, **arguments: object) -> torch.Tensor:
    order = torch.arange(len(images))  # type: ignore[arg-type]
    return torch.cat([batch for batch, _ in images.batches(order, 7, **arguments)])  # type: ignore


def test_the_data_are_the_files(data: Data, on_disk: Data) -> None:
    assert data.classes == CLASSES and (data.side, data.channels) == (SIDE, 3)
    assert data.train.labels.bincount().tolist() == [24, 24, 24] and len(data.test) == 24
    assert isinstance(data.train, InMemory) and not isinstance(on_disk.train, InMemory)
    assert torch.equal(pixels(data.train), pixels(on_disk.train))
    assert torch.equal(data.spread.mean, on_disk.spread.mean)


def test_the_spread_is_that_of_the_pixels(data: Data) -> None:
    scaled = pixels(data.train).double() / 255
    torch.testing.assert_close(data.spread.mean.double(), scaled.mean((0, 2, 3)), atol=1e-6, rtol=0)
    torch.testing.assert_close(
        data.spread.deviation.double(), scaled.std((0, 2, 3), correction=0), atol=1e-6, rtol=0
    )


@given(st.permutations(range(9)), st.integers(1, 9))
def test_batches_follow_the_order(order: list[int], size: int) -> None:
    images = InMemory(torch.arange(9, dtype=torch.uint8).view(9, 1, 1, 1), torch.arange(9))
    batches = list(images.batches(torch.tensor(order), size))
    assert [label for _, labels in batches for label in labels.tolist()] == order
    assert all(torch.equal(image.flatten(), labels) for image, labels in batches)


@pytest.mark.parametrize("kept", ["data", "on_disk"])
def test_augmentation_follows_from_its_seed(kept: str, request: pytest.FixtureRequest) -> None:
    images = request.getfixturevalue(kept).train
    augment = augmentation(RECIPE, SIDE)
    before = torch.get_rng_state()
    first, again, other = (pixels(images, augment=augment, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), before)


def test_images_of_a_batch_have_different_draws() -> None:
    images = InMemory(torch.arange(64, dtype=torch.uint8).expand(4096, 1, 8, 64)[..., :8], torch.zeros(4096))
    augmented = pixels(images, augment=augmentation(replace(PLAIN, crop="pad"), 8), seed=0)
    kinds = {tuple(image.flatten().tolist()) for image in augmented[:64]}
    assert len(kinds) > 8  # of 9 shifts, 3 of which look alike, mirrored or not


def test_augmentation_keeps_what_it_should() -> None:
    images = torch.full((4, 3, SIDE, SIDE), 200, dtype=torch.uint8)
    for name in RECIPES:
        augment = augmentation(RECIPES[name], SIDE)
        assert (augment is None) == (name == "mlp") and (
            augment is None or augment(images).shape == images.shape
        )
    assert augmentation(replace(PLAIN, crop="none", flip=False), SIDE) is None
    erased = augmentation(replace(PLAIN, crop="none", flip=False, erase=1.0), SIDE)
    assert erased is not None and (erased(images) == 0).sum() == 4 * 3 * (SIDE // 2) ** 2


def test_mixing_makes_shares_of_classes() -> None:
    for recipe in (replace(PLAIN, mixup=0.5), replace(PLAIN, cutmix=0.5), replace(PLAIN, mixup=1, cutmix=1)):
        mix = mixing(recipe, 5)
        assert mix is not None
        _, shares = mix(torch.rand(6, 3, SIDE, SIDE), torch.arange(6) % 5)
        assert shares.shape == (6, 5) and torch.allclose(shares.sum(1), torch.ones(6))
    assert mixing(PLAIN, 5) is None


def test_a_crop_out_of_large_files_sees_more_than_the_middle(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "large", each=3, side=40)
    images = load("imagenet", folder, side=SIDE, keep="disk", workers=1).train
    augment = augmentation(RECIPES["imagenet"], SIDE)
    assert augment is not None and augment.any_size
    assert pixels(images).shape == pixels(images, augment=augment).shape == (9, 3, SIDE, SIDE)


def test_a_file_that_is_no_image_is_named(images: Path, tmp_path: Path) -> None:
    folder = write_images(tmp_path / "broken", each=3)
    (folder / "train" / "red" / "001.png").write_bytes(b"not an image")
    with pytest.raises(RequestError, match=r"red/001\.png cannot be read as an image"):
        load("folder", folder)
    with pytest.raises(DataError, match=r"red/001\.png cannot be read as an image"):
        pixels(load("folder", folder, keep="disk").train)
    Image.new("I;16", (SIDE, SIDE)).save(folder / "train" / "red" / "001.png")
    with pytest.raises(RequestError, match=r"001\.png has more than 8 bits a colour"):
        load("folder", folder)
    Image.new("RGB", (SIDE, SIDE + 1)).save(folder / "train" / "red" / "001.png")
    with pytest.raises(RequestError, match=r"is 8x9 pixels, not 8x8 as expected; give --image-size"):
        load("folder", folder)
    assert load("folder", folder, side=SIDE).side == SIDE


def test_long_reading_tells_how_far_it_is(
    images: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("nas.train.data.progress", partial(progress, every=0.001))
    load("folder", images, workers=1)
    assert not capsys.readouterr().err
    load("folder", images, workers=1, quiet=False)
    assert "reading images: 0 of 96, 0 s" in capsys.readouterr().err
    counted: list[None] = []
    load("folder", images, keep="disk", workers=1).test.in_memory(lambda: counted.append(None))  # type: ignore
    assert len(counted) == 24


def test_torchvision_is_not_imported_to_leave_images_as_they_are() -> None:
    code = "import sys; from nas.train import config, images; plain = config.RECIPES['mlp']"
    code += "; assert images.augmentation(plain, 8) is images.mixing(plain, 2) is None"
    code += "; assert 'torchvision' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=True, timeout=PATIENCE)


def test_a_dead_reader_is_noticed(on_disk: Data) -> None:
    def kill(image: torch.Tensor) -> torch.Tensor:
        os.kill(os.getpid(), signal.SIGKILL)
        return image

    with pytest.raises(RuntimeError, match="DataLoader worker"):
        pixels(on_disk.train, augment=Augment(kill, False))  # type: ignore[arg-type]
    assert not [child for child in psutil.Process().children() if child.status() == "running"]
