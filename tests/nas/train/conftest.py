"""A small data set of real files: patches of three colours under noise, one folder a class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

CLASSES = ("blue", "green", "red")
SIDE = 8


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
