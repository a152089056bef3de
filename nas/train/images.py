"""Images and their labels, in memory or in files, as augmented batches of pixels on a device."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, Self

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from nas.train.config import Recipe, derive_seed

if TYPE_CHECKING:
    from torchvision.transforms import v2

Batch = tuple[Tensor, Tensor]
"""Pixels, 0 to 255, of shape (N, C, side, side), and labels, int64 of shape (N,)."""

_DRAWS = 512
"""Draws of the augmentation an epoch, where images in memory share them."""


_START = "fork" if sys.platform == "linux" else None
"""How processes that read images are started: quickly where that is safe, whoever started the present one."""


class DataError(Exception):
    """An image cannot be read, or what reads images has died."""


class Images(Protocol):
    """Images and their labels."""

    @property
    def labels(self) -> Tensor:
        """int64, of shape (N,)."""

    @property
    def channels(self) -> int:
        """Channels of an image: 3, or 1 for grey ones."""

    @property
    def side(self) -> int:
        """Side of an image, in pixels."""

    def __len__(self) -> int: ...

    def take(self, which: Tensor) -> Self:
        """Some of them."""

    def to(self, device: torch.device) -> Self:
        """The same, to be had on a device."""

    def batches(
        self, order: Tensor, size: int, augment: Augment | None = None, seed: int = 0
    ) -> Iterator[Batch]:
        """Images in an order, some at a time.

        Args:
            order: Indices, on the CPU.
            size: Images a batch.
            augment: Done to the images, with draws that follow from the seed alone.
            seed: Seed of the augmentation.

        Raises:
            DataError: An image cannot be read, or a process that reads images has died.
        """


@dataclass(frozen=True)
class InMemory:
    """Images that lie in the memory of a device.

    Attributes:
        pixels: uint8, or float32 from 0 to 255 where they were not measured, of shape (N, C, side, side).
        labels: int64, of shape (N,).
    """

    pixels: Tensor
    labels: Tensor

    @property
    def channels(self) -> int:
        """Channels of an image."""
        return self.pixels.shape[1]

    @property
    def side(self) -> int:
        """Side of an image, in pixels."""
        return self.pixels.shape[2]

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, which: Tensor) -> Self:
        """Some of them."""
        return replace(self, pixels=self.pixels[which], labels=self.labels[which])

    def to(self, device: torch.device) -> Self:
        """The same in the memory of a device."""
        return replace(self, pixels=self.pixels.to(device), labels=self.labels.to(device))

    def batches(
        self, order: Tensor, size: int, augment: Augment | None = None, seed: int = 0
    ) -> Iterator[Batch]:
        """Images in an order; all are augmented before the first is given."""
        pixels = self.pixels if augment is None else self._augmented(augment, seed)
        for which in torch.split(order.to(pixels.device), size):
            yield pixels[which], self.labels[which]

    def _augmented(self, augment: Augment, seed: int) -> Tensor:
        """All images augmented.

        A transform of torchvision draws once a call, whatever it is given. So the images are dealt at random
        into slices, each with a draw of its own; a batch then holds images of many slices. Slices within a
        batch would cost a call for every few images, and a fast GPU would wait for it.
        """
        generator = torch.Generator().manual_seed(seed)
        dealt = torch.randperm(len(self), generator=generator).to(self.pixels.device)
        augmented = torch.empty_like(self.pixels)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for which in torch.split(dealt, max(-(-len(self) // _DRAWS), 1)):
                augmented[which] = augment(self.pixels[which])
        return augmented


@dataclass(frozen=True)
class Files:
    """Images that are read from files when they are needed, by processes of their own.

    Attributes:
        paths: The files.
        labels: int64, of shape (N,).
        side: Side of the images that are given.
        short_side: Images are resized to this shorter side before their middle is taken; nothing if they are
            to be of the right size already.
        workers: Processes that read.
        device: Where batches are wanted.
    """

    paths: tuple[str, ...]
    labels: Tensor
    side: int
    short_side: int | None = None
    workers: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def channels(self) -> int:
        """Channels of an image: colour images all."""
        return 3

    def __len__(self) -> int:
        return len(self.paths)

    def take(self, which: Tensor) -> Self:
        """Some of them."""
        kept = torch.arange(len(self))[which]
        paths = tuple(self.paths[index] for index in kept.tolist())
        return replace(self, paths=paths, labels=self.labels[kept])

    def to(self, device: torch.device) -> Self:
        """The same files, whose batches come on a device."""
        return replace(self, device=device)

    def batches(
        self, order: Tensor, size: int, augment: Augment | None = None, seed: int = 0
    ) -> Iterator[Batch]:
        """Images in an order; each has draws of its own, that do not depend on the number of workers."""
        loader: DataLoader[Any] = DataLoader(
            _Reader(self, augment, seed),
            batch_size=size,
            sampler=order.tolist(),
            num_workers=self.workers,
            multiprocessing_context=_START,
            collate_fn=_together,
            pin_memory=self.device.type == "cuda",
            prefetch_factor=2,
            generator=torch.Generator(),  # else the loader draws from the random state of the training
        )
        for read in loader:
            if isinstance(read, str):
                raise DataError(read)
            pixels, labels = (tensor.to(self.device, non_blocking=True) for tensor in read)
            yield pixels, labels

    def in_memory(self, on_image: Callable[[], None] = lambda: None) -> InMemory:
        """The same images, read once.

        Args:
            on_image: Called after each.
        """
        pixels = torch.empty(len(self), 3, self.side, self.side, dtype=torch.uint8)
        done = 0
        for images, _ in self.batches(torch.arange(len(self)), 256):
            pixels[done : done + len(images)] = images
            done += len(images)
            for _ in images:
                on_image()
        return InMemory(pixels, self.labels)


class _Reader(Dataset[Any]):
    """Reads images by index, in a worker of a loader; what is wrong with one comes as a sentence."""

    def __init__(self, files: Files, augment: Augment | None, seed: int) -> None:
        from torchvision.transforms import v2

        self._files, self._augment, self._seed = files, augment, seed
        self._view = v2.Identity()
        if files.short_side is not None:
            self._view = v2.Compose([v2.Resize(files.short_side, antialias=True), v2.CenterCrop(files.side)])

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor] | str:
        from PIL import Image
        from torchvision.transforms.v2.functional import pil_to_tensor

        path, side = self._files.paths[index], self._files.side
        try:
            with Image.open(path) as image:
                if image.mode.startswith(("I", "F")):
                    return f"{path} has more than 8 bits a colour (mode {image.mode}); convert it"
                pixels = pil_to_tensor(image.convert("RGB"))
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            return f"{path} cannot be read as an image ({type(error).__name__})"
        if self._augment is None or not self._augment.any_size:
            pixels = self._view(pixels)
        if self._augment is not None:
            torch.manual_seed(derive_seed(self._seed, index))
            pixels = self._augment(pixels)
        if pixels.shape[1:] != (side, side):
            size = f"{pixels.shape[2]}x{pixels.shape[1]}"
            return f"{path} is {size} pixels, not {side}x{side} as expected; give --image-size"
        return pixels, self._files.labels[index]


def _together(read: Sequence[Any]) -> Batch | str:
    """A batch of what was read, or what is wrong with it."""
    for one in read:
        if isinstance(one, str):
            return one
    return torch.stack([pixels for pixels, _ in read]), torch.stack([label for _, label in read])


@dataclass(frozen=True)
class Augment:
    """What is done to uint8 images before they are trained on.

    Attributes:
        transform: The transforms; all images they are given at once share their draws.
        any_size: Whether they take images of any size, and cut out of them what is wanted.
    """

    transform: v2.Transform
    any_size: bool

    def __call__(self, images: Tensor) -> Tensor:
        """Images of shape (..., C, H, W) to the same of shape (..., C, side, side)."""
        augmented: Tensor = self.transform(images)
        return augmented


def augmentation(recipe: Recipe, side: int) -> Augment | None:
    """What a recipe does to images of a side, or nothing."""
    if recipe.crop == "none" and not (recipe.flip or recipe.erase):
        return None
    from torchvision.transforms import v2  # it takes seconds, and points need none

    steps: list[v2.Transform] = []
    if recipe.crop == "pad":
        steps.append(v2.RandomCrop(side, padding=side // 8))
    elif recipe.crop == "resized":
        steps.append(v2.RandomResizedCrop(side, antialias=True))
    if recipe.flip:
        steps.append(v2.RandomHorizontalFlip())
    if recipe.erase:
        steps.append(v2.RandomErasing(recipe.erase, scale=(0.25, 0.25), ratio=(1, 1)))
    return Augment(v2.Compose(steps), recipe.crop == "resized")


def mixing(recipe: Recipe, classes: int) -> v2.Transform | None:
    """Mixup, CutMix or one of them by chance, of images and labels; or nothing."""
    if not (recipe.mixup or recipe.cutmix):
        return None
    from torchvision.transforms import v2

    ways: list[v2.Transform] = []
    if recipe.mixup:
        ways.append(v2.MixUp(alpha=float(recipe.mixup), num_classes=classes))
    if recipe.cutmix:
        ways.append(v2.CutMix(alpha=float(recipe.cutmix), num_classes=classes))
    return v2.RandomChoice(ways) if len(ways) > 1 else ways[0]
