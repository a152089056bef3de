"""Images and their labels, in memory or in files, as augmented batches of pixels on a device."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, Self

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample, pad
from torch.utils.data import DataLoader, Dataset

from nas.train.config import Crop, Recipe, derive_seed

if TYPE_CHECKING:
    from torchvision.transforms import v2

Batch = tuple[Tensor, Tensor]
"""Pixels, 0 to 255, of shape (N, C, side, side), and labels, int64 of shape (N,)."""

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
            augment: Done to each image, with random numbers that follow from the seed and its index alone.
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
        """Images in an order, augmented on the device."""
        numbers = None if augment is None else augment.numbers(len(self), seed)
        for which in torch.split(order, size):
            there = which.to(self.pixels.device)
            pixels = self.pixels[there]
            if augment is not None and numbers is not None:
                pixels = augment(pixels, numbers[which])
            yield pixels, self.labels[there]


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
        """Images in an order; random parts are cut out by the processes, all else is done on the device."""
        numbers = None if augment is None else augment.numbers(len(self), seed)
        any_size = augment is not None and augment.crop == "resized"
        rest = replace(augment, crop="none") if augment is not None and any_size else augment
        loader: DataLoader[Any] = DataLoader(
            _Reader(self, any_size, seed),
            batch_size=size,
            sampler=order.tolist(),
            num_workers=self.workers,
            multiprocessing_context=_START,
            collate_fn=_together,
            pin_memory=self.device.type == "cuda",
            prefetch_factor=2,
            generator=torch.Generator(),  # else the loader draws from the random state of the training
        )
        for which, read in zip(torch.split(order, size), loader, strict=True):
            if isinstance(read, str):
                raise DataError(read)
            pixels, labels = (tensor.to(self.device, non_blocking=True) for tensor in read)
            if rest is not None and numbers is not None:
                pixels = rest(pixels, numbers[which])
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

    def __init__(self, files: Files, any_size: bool, seed: int) -> None:
        from torchvision.transforms import v2

        self._files, self._seed = files, seed
        self._crop = v2.RandomResizedCrop(files.side, antialias=True) if any_size else None
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
        if self._crop is None:
            pixels = self._view(pixels)
        else:
            torch.manual_seed(derive_seed(self._seed, index))
            pixels = self._crop(pixels)
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


_NUMBERS = 8
"""Random numbers of an image: two places, height and width of a part, flip, whether to erase and where."""
_LEAST_PART, _LEAST_RATIO = 0.08, 3 / 4
"""Of an image that a part is, and of the sides of a part: those of torchvision's RandomResizedCrop."""


@dataclass(frozen=True)
class Augment:
    """Random crop, flip and erasing, for each image on its own, wherever the images lie.

    Attributes:
        crop: See `Recipe`.
        flip: Mirror half of the images.
        erase: Probability with which a square of a quarter of an image is set to 0.
    """

    crop: Crop
    flip: bool
    erase: float

    @staticmethod
    def numbers(count: int, seed: int) -> Tensor:
        """Uniform numbers from 0 to 1 for so many images, on the CPU, of shape (count, numbers)."""
        return torch.rand(count, _NUMBERS, generator=torch.Generator().manual_seed(seed))

    def __call__(self, images: Tensor, numbers: Tensor) -> Tensor:
        """Augmented copies of images of shape (N, C, side, side), by random numbers as `numbers` gives."""
        top, left, area, ratio, flip, erase, *corner = numbers.unbind(1)
        if self.crop == "pad":
            images = _padded_crop(images, top, left)
        elif self.crop == "resized":
            images = _resized_crop(images, top, left, area, ratio)
        if self.flip:
            mirrored = (flip < 0.5).to(images.device)
            images = torch.where(mirrored[:, None, None, None], images.flip(-1), images)
        if self.erase:
            images = _erased(images, erase < self.erase, *corner)
        return images


def _padded_crop(images: Tensor, top: Tensor, left: Tensor) -> Tensor:
    """Images moved by up to an eighth of their side, with zeros beyond their edges."""
    side = images.shape[-1]
    margin = side // 8
    rows, columns = ((place * (2 * margin + 1)).long().to(images.device) for place in (top, left))
    windows = pad(images, [margin] * 4).unfold(2, side, 1).unfold(3, side, 1)
    return windows[torch.arange(len(images), device=images.device), :, rows, columns]


def _resized_crop(images: Tensor, top: Tensor, left: Tensor, area: Tensor, ratio: Tensor) -> Tensor:
    """Random parts of images at the size of the images; of the shapes, those that fit are equally likely."""
    area = _LEAST_PART + (1 - _LEAST_PART) * area
    narrowest = area.clamp(min=_LEAST_RATIO)  # a part of this ratio or its inverse still fits
    ratio = narrowest ** (1 - 2 * ratio)
    width, height = (area * ratio).sqrt(), (area / ratio).sqrt()
    part = torch.zeros(len(images), 2, 3)
    part[:, 0, 0], part[:, 1, 1] = width, height
    part[:, 0, 2], part[:, 1, 2] = (1 - width) * (2 * left - 1), (1 - height) * (2 * top - 1)
    places = affine_grid(part.to(images.device), list(images.shape), align_corners=False)
    resized = grid_sample(images.float(), places, padding_mode="border", align_corners=False)
    return resized if images.is_floating_point() else resized.round().to(images.dtype)


def _erased(images: Tensor, chosen: Tensor, top: Tensor, left: Tensor) -> Tensor:
    """Images with a square of half their side set to 0 in those chosen."""
    side = images.shape[-1]
    square = round(side / 2)
    (which,) = torch.nonzero(chosen, as_tuple=True)
    rows, columns = ((place[which] * (side - square + 1)).long() for place in (top, left))
    images = images.clone()
    squares = images.unfold(2, square, 1).unfold(3, square, 1)
    which, rows, columns = (index.to(images.device) for index in (which, rows, columns))
    squares[which, :, rows, columns] = 0
    return images


def augmentation(recipe: Recipe) -> Augment | None:
    """What a recipe does to images, or nothing."""
    if recipe.crop == "none" and not (recipe.flip or recipe.erase):
        return None
    return Augment(recipe.crop, recipe.flip, recipe.erase)


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
