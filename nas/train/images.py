"""Images in memory or in files, and their augmentation; both give batches of pixels on a device."""

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
from search_spaces import RequestError

if TYPE_CHECKING:
    from torchvision.transforms import v2

Batch = tuple[Tensor, Tensor]
"""Pixels, 0 to 255, of shape (N, C, side, side), and labels, int64 of shape (N,)."""

_START = "fork" if sys.platform == "linux" else None
"""Start method of the worker processes: fork, the fastest, where it is safe."""


class DataError(RequestError):
    """An image cannot be read; a training that meets it fails, any other work ends with its line."""


class Images(Protocol):
    """Images and their labels."""

    @property
    def labels(self) -> Tensor:
        """int64, of shape (N,)."""

    @property
    def channels(self) -> int:
        """Channels of an image: 3 for colour, 1 for grey, 2 for points."""

    @property
    def side(self) -> int:
        """Side of an image, in pixels."""

    def __len__(self) -> int: ...

    def take(self, indices: Tensor) -> Self:
        """A subset, by indices or a mask."""

    def to(self, device: torch.device) -> Self:
        """The same images, with batches on a device."""

    def batches(
        self, order: Tensor, size: int, augment: Augment | None = None, seed: int = 0
    ) -> Iterator[Batch]:
        """Batches of images in a given order.

        Args:
            order: Indices, on the CPU.
            size: Images per batch.
            augment: The augmentation; its random numbers depend on the seed and the image's index only.
            seed: Seed of the augmentation.

        Raises:
            DataError: An image cannot be read.
        """


@dataclass(frozen=True)
class InMemory:
    """Images in the memory of a device.

    Attributes:
        pixels: From 0 to 255, uint8 or (generated points) float32, of shape (N, C, side, side).
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

    def take(self, indices: Tensor) -> Self:
        """A subset, by indices or a mask."""
        return replace(self, pixels=self.pixels[indices], labels=self.labels[indices])

    def to(self, device: torch.device) -> Self:
        """The same images, in the memory of a device."""
        return replace(self, pixels=self.pixels.to(device), labels=self.labels.to(device))

    def batches(
        self, order: Tensor, size: int, augment: Augment | None = None, seed: int = 0
    ) -> Iterator[Batch]:
        """Batches of images in a given order, augmented on the device."""
        numbers = None if augment is None else augment.numbers(len(self), seed)
        for indices in torch.split(order, size):
            on_device = indices.to(self.pixels.device)
            pixels = self.pixels[on_device]
            if augment is not None and numbers is not None:
                pixels = augment(pixels, numbers[indices])
            yield pixels, self.labels[on_device]


@dataclass(frozen=True)
class Files:
    """Images read from files when they are used, by worker processes.

    Attributes:
        paths: Paths of the files.
        labels: int64, of shape (N,).
        side: Side of the images in batches.
        short_side: Resize the shorter side of images to this before the centre crop; None if the files have
            the right size.
        workers: Number of worker processes.
        device: Device of the batches.
    """

    paths: tuple[str, ...]
    labels: Tensor
    side: int
    short_side: int | None = None
    workers: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def channels(self) -> int:
        """Channels of an image: always colour."""
        return 3

    def __len__(self) -> int:
        return len(self.paths)

    def take(self, indices: Tensor) -> Self:
        """A subset, by indices or a mask."""
        kept = torch.arange(len(self))[indices]
        paths = tuple(self.paths[index] for index in kept.tolist())
        return replace(self, paths=paths, labels=self.labels[kept])

    def to(self, device: torch.device) -> Self:
        """The same files, with batches on a device."""
        return replace(self, device=device)

    def batches(
        self, order: Tensor, size: int, augment: Augment | None = None, seed: int = 0
    ) -> Iterator[Batch]:
        """Batches of images in a given order; workers do resized crops, the device all other augmentation."""
        numbers = None if augment is None else augment.numbers(len(self), seed)
        crops = augment is not None and augment.crop == "resized"
        rest = replace(augment, crop="none") if augment is not None and crops else augment
        loader: DataLoader[Any] = DataLoader(
            _Reader(self, crops, seed),
            batch_size=size,
            sampler=order.tolist(),
            num_workers=self.workers,
            multiprocessing_context=_START,
            collate_fn=_collate,
            pin_memory=self.device.type == "cuda",
            prefetch_factor=2,
            generator=torch.Generator(),  # the default would use the random state of the training
        )
        for indices, batch in zip(torch.split(order, size), loader, strict=True):
            if isinstance(batch, str):
                raise DataError(batch)
            pixels, labels = (tensor.to(self.device, non_blocking=True) for tensor in batch)
            if rest is not None and numbers is not None:
                pixels = rest(pixels, numbers[indices])
            yield pixels, labels

    def in_memory(self, on_image: Callable[[], None] = lambda: None) -> InMemory:
        """Read all images into memory.

        Args:
            on_image: Called after each image.
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
    """Reads images by index in a worker process; an error is returned as its message."""

    def __init__(self, files: Files, crops: bool, seed: int) -> None:
        from torchvision.transforms import v2

        self._files, self._seed = files, seed
        self._crop = v2.RandomResizedCrop(files.side, antialias=True) if crops else None
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


def _collate(images: Sequence[Any]) -> Batch | str:
    """A batch, or the first error message."""
    for image in images:
        if isinstance(image, str):
            return image
    return torch.stack([pixels for pixels, _ in images]), torch.stack([label for _, label in images])


_NUMBERS = 8
"""Random numbers per image: top, left, area and ratio of the crop; flip; erase; corner of the square."""
_MIN_AREA, _MIN_RATIO = 0.08, 3 / 4
"""Smallest area and aspect ratio of a resized crop, those of torchvision's RandomResizedCrop."""


@dataclass(frozen=True)
class Augment:
    """Random crop, flip and erasing, independent for each image, on any device.

    Attributes:
        crop: See `Recipe`.
        flip: Whether to mirror half of the images.
        erase: Probability of setting a square of a quarter of the image to 0.
    """

    crop: Crop
    flip: bool
    erase: float

    @staticmethod
    def numbers(count: int, seed: int) -> Tensor:
        """Uniform random numbers for `count` images, on the CPU, of shape (count, 8)."""
        return torch.rand(count, _NUMBERS, generator=torch.Generator().manual_seed(seed))

    def __call__(self, images: Tensor, numbers: Tensor) -> Tensor:
        """Augmented copies of images of shape (N, C, side, side), given their rows of `numbers`."""
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
    """Random crops of images padded with zeros by an eighth of their side."""
    side = images.shape[-1]
    margin = side // 8
    rows, columns = ((place * (2 * margin + 1)).long().to(images.device) for place in (top, left))
    windows = pad(images, [margin] * 4).unfold(2, side, 1).unfold(3, side, 1)
    return windows[torch.arange(len(images), device=images.device), :, rows, columns]


def _resized_crop(images: Tensor, top: Tensor, left: Tensor, area: Tensor, ratio: Tensor) -> Tensor:
    """Random parts of images, resized to the full side; the log of the ratio is uniform where it fits."""
    area = _MIN_AREA + (1 - _MIN_AREA) * area
    limit = area.clamp(min=_MIN_RATIO)  # a part of this ratio or its inverse still fits
    ratio = limit ** (1 - 2 * ratio)
    width, height = (area * ratio).sqrt(), (area / ratio).sqrt()
    part = torch.zeros(len(images), 2, 3)
    part[:, 0, 0], part[:, 1, 1] = width, height
    part[:, 0, 2], part[:, 1, 2] = (1 - width) * (2 * left - 1), (1 - height) * (2 * top - 1)
    places = affine_grid(part.to(images.device), list(images.shape), align_corners=False)
    resized = grid_sample(images.float(), places, padding_mode="border", align_corners=False)
    return resized if images.is_floating_point() else resized.round().to(images.dtype)


def _erased(images: Tensor, selected: Tensor, top: Tensor, left: Tensor) -> Tensor:
    """Images with a square of half their side set to 0 in the selected ones."""
    side = images.shape[-1]
    square = round(side / 2)
    (which,) = torch.nonzero(selected, as_tuple=True)
    rows, columns = ((place[which] * (side - square + 1)).long() for place in (top, left))
    images = images.clone()
    squares = images.unfold(2, square, 1).unfold(3, square, 1)
    which, rows, columns = (index.to(images.device) for index in (which, rows, columns))
    squares[which, :, rows, columns] = 0
    return images


def augmentation(recipe: Recipe) -> Augment | None:
    """The augmentation of a recipe; None if it has none."""
    if recipe.crop == "none" and not (recipe.flip or recipe.erase):
        return None
    return Augment(recipe.crop, recipe.flip, recipe.erase)


def mixing(recipe: Recipe, classes: int) -> v2.Transform | None:
    """Mixup or CutMix of batches, or a random choice of the two; None if the recipe has neither."""
    if not (recipe.mixup or recipe.cutmix):
        return None
    from torchvision.transforms import v2

    transforms: list[v2.Transform] = []
    if recipe.mixup:
        transforms.append(v2.MixUp(alpha=float(recipe.mixup), num_classes=classes))
    if recipe.cutmix:
        transforms.append(v2.CutMix(alpha=float(recipe.cutmix), num_classes=classes))
    return v2.RandomChoice(transforms) if len(transforms) > 1 else transforms[0]
