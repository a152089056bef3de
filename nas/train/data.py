"""Data sets as tensors: images of one size and their classes, to train on, to choose by, to test on."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from nas.train.order import NAMED
from search_spaces import RequestError

if TYPE_CHECKING:
    from torchvision.datasets import ImageFolder

TEST_FOLDERS = ("test", "val")


@dataclass(frozen=True)
class Images:
    """Images and their labels.

    Attributes:
        pixels: uint8, of shape (N, C, side, side).
        labels: int64, of shape (N,).
    """

    pixels: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, which: Tensor) -> Images:
        """Some of them."""
        return Images(self.pixels[which], self.labels[which])

    def to(self, device: torch.device) -> Images:
        """The same on a device."""
        return Images(self.pixels.to(device), self.labels.to(device))


@dataclass(frozen=True)
class Data:
    """A data set.

    Attributes:
        name: As users call it.
        classes: Names of the classes, in the order of the labels.
        train: Images to train on.
        test: Images to test on, once, at the end, if others are held out; else after every epoch.
        held_out: Images kept from training, to choose by.
    """

    name: str
    classes: tuple[str, ...]
    train: Images
    test: Images
    held_out: Images | None = None

    @property
    def channels(self) -> int:
        """Channels of an image: 3, or 1 for grey ones."""
        return self.train.pixels.shape[1]

    @property
    def side(self) -> int:
        """Side of an image, in pixels."""
        return self.train.pixels.shape[2]

    def hold_out(self, share: float, seed: int) -> Data:
        """Keep a share of each class's training images from training.

        Raises:
            RequestError: The share leaves a class without images on either side.
        """
        if not share:
            return self
        generator = torch.Generator().manual_seed(seed)
        order = torch.randperm(len(self.train), generator=generator)
        kept = torch.zeros(len(self.train), dtype=torch.bool)
        for label, name in enumerate(self.classes):
            of_class = order[self.train.labels[order] == label]
            count = round(share * len(of_class))
            if not 0 < count < len(of_class):
                raise RequestError(
                    f"--holdout {share}: class {name} has {len(of_class)} training images, too few to hold"
                    " some out and train on some"
                )
            kept[of_class[:count]] = True
        return replace(self, train=self.train.take(~kept), held_out=self.train.take(kept))


def load(
    name: str, folder: Path, download: bool = False, side: int | None = None, limit: int | None = None
) -> Data:
    """A data set by name, or from a folder of images.

    Args:
        name: One of `NAMED`, or another for `folder/train/CLASS/*` with `folder/test` or `folder/val`.
        download: Let torchvision download what is missing.
        side: Resize the images of a folder to this side.
        limit: Keep so many images of either part at most, drawn with a fixed seed.

    Raises:
        RequestError: There is no such data set, or it is not whole.
    """
    if name in NAMED:
        return _named(name, folder, download, limit)
    return _from_folder(name, folder, side, limit)


def _kept(count: int, limit: int | None) -> Tensor:
    """Which of so many images are kept, in random but always the same order if not all are."""
    if limit is None or limit >= count:
        return torch.arange(count)
    return torch.randperm(count, generator=torch.Generator().manual_seed(0))[:limit]


def _named(name: str, folder: Path, download: bool, limit: int | None) -> Data:
    from torchvision import datasets

    kinds: dict[str, Callable[..., Any]] = {
        "cifar10": datasets.CIFAR10,
        "cifar100": datasets.CIFAR100,
        "mnist": datasets.MNIST,
        "fashionmnist": datasets.FashionMNIST,
    }
    try:
        train, test = (kinds[name](folder, train=train, download=download) for train in (True, False))
    except RuntimeError as error:
        way = "add --download, or say where it is with --data" if not download else "try again"
        raise RequestError(f"{name} in {folder}: {error}; {way}") from None
    parts = (part.take(_kept(len(part), limit)) for part in (_in_memory(train), _in_memory(test)))
    return Data(name, tuple(train.classes), *parts)


def _in_memory(dataset: Any) -> Images:
    """What torchvision's small data sets hold: (N, H, W, C) arrays, or (N, H, W) tensors."""
    pixels = torch.as_tensor(dataset.data)
    pixels = pixels[:, None] if pixels.ndim == 3 else pixels.permute(0, 3, 1, 2)
    return Images(pixels.contiguous(), torch.as_tensor(dataset.targets))


def _from_folder(name: str, folder: Path, side: int | None, limit: int | None) -> Data:
    from torchvision.datasets import ImageFolder

    parts = {}
    tested = next((part for part in TEST_FOLDERS if (folder / part).is_dir()), TEST_FOLDERS[0])
    for part in ("train", tested):
        try:
            parts[part] = ImageFolder(str(folder / part))
        except FileNotFoundError as error:
            layout = f"expected {folder}/train/CLASS/*.png and {folder}/test/CLASS/*.png"
            raise RequestError(f"{folder / part}: {error}; {layout}") from None
    train, test = parts["train"], parts[tested]
    for missing in set(train.classes) ^ set(test.classes):
        has, lacks = ("train", tested) if missing in train.classes else (tested, "train")
        raise RequestError(f"{folder}: class {missing!r} is in {has}/ and not in {lacks}/")
    return Data(name, tuple(train.classes), *(_decoded(part, side, limit) for part in (train, test)))


def _decoded(files: ImageFolder, side: int | None, limit: int | None) -> Images:
    """The images of a folder, decoded once."""
    from torch.utils.data import DataLoader, Subset
    from torchvision.transforms import v2

    resize = [] if side is None else [v2.Resize(side, antialias=True), v2.CenterCrop(side)]
    files.transform = v2.Compose([v2.PILToTensor(), *resize])
    width, height = files[0][0].shape[:0:-1]
    if width != height:
        raise RequestError(f"{files.imgs[0][0]} is {width}x{height} pixels, not square; give --image-size")
    workers = min(8, os.cpu_count() or 1)
    kept = _kept(len(files), limit)
    pixels = torch.empty(len(kept), 3, height, width, dtype=torch.uint8)
    done = 0
    try:
        for images, _ in DataLoader(Subset(files, kept.tolist()), batch_size=256, num_workers=workers):
            pixels[done : done + len(images)] = images
            done += len(images)
    except RuntimeError as error:
        if "stack expects each tensor to be equal size" not in str(error):
            raise
        raise RequestError(f"{files.root}: the images differ in size; give --image-size") from None
    return Images(pixels, torch.tensor(files.targets)[kept])
