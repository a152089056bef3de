"""A small data set of real files: patches of three colours under noise, one folder a class."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from nas.train.config import Recipe
from nas.train.data import Data, fitted, load
from nas.train.loop import Training
from search_spaces import DenseNet

CLASSES = ("blue", "green", "red")
SIDE = 8
CPU = torch.device("cpu")
SMALL = DenseNet(width_mult=1, depths=(3, 2, 2), links=(5, 0, 0))
"""A network of the smallest kind that still has random links."""
RECIPE = Recipe(
    epochs=3, batch_size=12, lr=0.05, weight_decay=5e-4, warmup=0.5, mixup=0.2, average=0.9, erase=0.5
)
"""A recipe with every feature."""
FEW: dict[str, Any] = {
    "dataset": "seg20",
    "recipe": "mlp",
    "images": 200,
    "epochs": 1,
    "batch_size": 50,
    "threads": 1,
    "device": "cpu",
}
"""Arguments of a short training on few points."""
PLAIN = Recipe(epochs=3, batch_size=12, lr=0.05, weight_decay=5e-4)


def write_images(folder: Path, each: int, side: int = SIDE) -> Path:
    """`each` training images a class and a third as many test images."""
    generator = np.random.default_rng(0)
    for part, count in (("train", each), ("test", max(each // 3, 1))):
        for label, name in enumerate(CLASSES):
            (folder / part / name).mkdir(parents=True)
            for index in range(count):
                pixels = generator.integers(0, 160, (side, side, 3), np.uint8)
                pixels[..., 2 - label] += 90
                Image.fromarray(pixels).save(folder / part / name / f"{index:03}.png")
    return folder


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the data set."""
    return write_images(tmp_path_factory.mktemp("data") / "colours", each=24)


@pytest.fixture(scope="session")
def data(images: Path) -> Data:
    """The data set in memory."""
    return load("folder", images)


@pytest.fixture(scope="session")
def on_disk(images: Path) -> Data:
    """The data set read from its files when it is needed."""
    return load("folder", images, cache="disk", workers=2)


def training(data: Data, recipe: Recipe = RECIPE, seed: int = 0) -> Training:
    """The training of the small network."""
    return Training(fitted(SMALL, data), data, recipe, seed, CPU)


def same(one: object, other: object) -> bool:
    """Whether two states are equal to the last bit."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)  # type: ignore[arg-type]
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)  # type: ignore
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))  # type: ignore
    return one == other


def weights(training: Training) -> dict[str, object]:
    """The state of a training without its times."""
    return {name: value for name, value in training.state().items() if name not in ("seconds", "waited")}
