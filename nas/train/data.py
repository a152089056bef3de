"""Data sets: training, validation and test images, class names, and networks fitted to them."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar
from urllib.error import URLError

import torch
from torch import Tensor

from nas.cli import progress
from nas.files import reason
from nas.train.config import GENERATED, NAMED, Cache, TrainConfig
from nas.train.images import Files, Images, InMemory
from nas.train.points import generated
from nas.values import quantity
from search_spaces import Architecture, RequestError, parse
from search_spaces.errors import listed

if TYPE_CHECKING:
    from torchvision.datasets import ImageFolder

TEST_FOLDERS = ("test", "val")
FITS_IN_MEMORY = 2 * 2**30
"""Largest size of a folder of images kept in memory, in bytes of pixels."""

_IMAGENET_SIDE, _IMAGENET_ZOOM = 224, 0.875
"""ImageNet is resized to 256 pixels and cropped to the central 224, as usual."""
_NORMALIZATION_SAMPLE = 10_000


AnyImages = TypeVar("AnyImages", bound=Images)


class Normalization(NamedTuple):
    """Mean and standard deviation of each channel, for pixels from 0 to 1; of shape (C,)."""

    mean: Tensor
    deviation: Tensor


@dataclass(frozen=True)
class Data:
    """A data set.

    Attributes:
        name: Its name on the command line.
        classes: Names of the classes, in the order of the labels.
        train: Training images.
        test: Test images; tested once, at the end, if validation images are held out, else after each epoch.
        held_out: Validation images, held out of the training images.
    """

    name: str
    classes: tuple[str, ...]
    train: Images
    test: Images
    held_out: Images | None = None

    @property
    def channels(self) -> int:
        """Channels of an image: 3, or 1 for grey ones."""
        return self.train.channels

    @property
    def side(self) -> int:
        """Side of an image, in pixels."""
        return self.train.side

    def to(self, device: torch.device) -> Data:
        """The same data set on a device."""
        held_out = self.held_out and self.held_out.to(device)
        return replace(self, train=self.train.to(device), test=self.test.to(device), held_out=held_out)

    def hold_out(self, fraction: float, seed: int) -> Data:
        """Hold out a fraction of the training images of each class.

        Raises:
            RequestError: A class would be left without training or validation images.
        """
        if not fraction:
            return self
        order = _shuffled(len(self.train), seed)
        kept = torch.zeros(len(self.train), dtype=torch.bool)
        for label, name in enumerate(self.classes):
            of_class = order[self.train.labels[order] == label]
            count = round(fraction * len(of_class))
            if not 0 < count < len(of_class):
                raise RequestError(
                    f"--val-fraction {fraction}: class {name} has {len(of_class)} training images, too few to"
                    " hold some out and train on some"
                )
            kept[of_class[:count]] = True
        return replace(self, train=self.train.take(~kept), held_out=self.train.take(kept))

    def cached(self, cache: Cache | None = None, quiet: bool = True) -> Data:
        """The same data set; images in files are read into memory, or stay there.

        Args:
            cache: Where to keep them; by size if not given.
            quiet: Show no progress on standard error.

        Raises:
            nas.train.images.DataError: An image cannot be read.
        """
        files = [part for part in (self.train, self.test, self.held_out) if isinstance(part, Files)]
        size = sum(3 * part.side**2 * len(part) for part in files)
        if not files or cache == "disk" or (cache is None and size > FITS_IN_MEMORY):
            return self
        shown = nullcontext(lambda: None) if quiet else progress("reading images", sum(map(len, files)))
        with shown as advance:
            train, test, *held_out = (part.in_memory(advance) for part in files)
        return replace(self, train=train, test=test, held_out=next(iter(held_out), None))

    @cached_property
    def normalization(self) -> Normalization:
        """Mean and standard deviation of the training images, or of a random sample with a fixed seed."""
        order = _shuffled(len(self.train), seed=0)[:_NORMALIZATION_SAMPLE]
        sums = torch.zeros(2, self.channels, dtype=torch.float64)
        for pixels, _ in self.train.batches(order, 100):
            values = pixels.transpose(0, 1).flatten(1).double() / 255
            sums += torch.stack([values.mean(1), values.square().mean(1)]).cpu() * len(pixels)
        mean, square = sums / len(order)
        deviation = (square - mean.square()).clamp(min=1 / 255**2).sqrt()
        return Normalization(mean.float(), deviation.float())


def load_for(
    config: TrainConfig,
    download: bool = False,
    workers: int | None = None,
    quiet: bool = True,
    check: Callable[[int], None] = lambda images: None,
) -> Data:
    """The data set of a configuration, with its validation images held out; see `load`.

    Args:
        check: Called with the number of training images, before those of a folder are read.

    Raises:
        RequestError: The data set is missing or incomplete.
    """
    cache, resized = config.cache, config.image_size or config.dataset == "imagenet"
    if cache is None and config.values.crop == "resized" and resized:
        cache = "disk"  # images in memory are cropped to their centre already
    whole = _listed(config.dataset, Path(config.data), download, config.image_size, config.images, workers)
    data = whole.hold_out(config.val_fraction, seed=0)
    check(len(data.train))
    return data.cached(cache, quiet)


def load(
    name: str,
    folder: Path,
    download: bool = False,
    side: int | None = None,
    limit: int | None = None,
    cache: Cache | None = None,
    workers: int | None = None,
    quiet: bool = True,
) -> Data:
    """A data set of torchvision, a generated one, or a folder of images.

    Args:
        name: One of `NAMED` or `GENERATED`, or "imagenet" or "folder" for `folder/train/CLASS/*` with
            `folder/test` or `folder/val`.
        folder: Folder of the data set.
        download: Let torchvision download missing files.
        side: Resize the images of a folder to this side; without it they must be square and of one size,
            except those of "imagenet", which are resized to 224.
        limit: Largest number of images per part; more are sampled with a fixed seed.
        cache: Keep the images of a folder in memory, or read each when it is used; by size if not given.
        workers: Processes that read images; one per processor, up to 16, if not given.
        quiet: Show no progress on standard error.

    Raises:
        RequestError: The data set is missing or incomplete.
    """
    return _listed(name, folder, download, side, limit, workers).cached(cache, quiet)


def _listed(
    name: str, folder: Path, download: bool, side: int | None, limit: int | None, workers: int | None
) -> Data:
    """The data set that `load` gives, with the images of a folder in their files."""
    if name in NAMED:
        return _named(name, folder, download, limit)
    if name in GENERATED:
        return Data(name, ("even", "odd"), *(_limited(part, limit) for part in generated(name)))
    if name == "imagenet":
        side = side or _IMAGENET_SIDE
    short_side = side and round(side / (_IMAGENET_ZOOM if name == "imagenet" else 1))
    files = partial(_files, side=side, short_side=short_side, workers=workers or min(16, os.cpu_count() or 1))
    return _from_folder(name, folder, files, limit)


def _shuffled(count: int, seed: int) -> Tensor:
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed))


def _limited(images: AnyImages, limit: int | None) -> AnyImages:
    """All images, or a random sample of `limit` images with a fixed seed."""
    if limit is None or limit >= len(images):
        return images
    return images.take(_shuffled(len(images), seed=0)[:limit])


def _named(name: str, folder: Path, download: bool, limit: int | None) -> Data:
    from nas.train.small_sets import small_set

    try:
        train, test = (small_set(name, folder, train, download) for train in (True, False))
    except (RuntimeError, OSError) as error:
        hint = "try again, or give the folder of a copy" if download else "add --download, or give its folder"
        raise RequestError(f"{name} in {folder}: {_why(error, download)}; {hint} by --data") from None
    parts = (_limited(InMemory(part.pixels, part.labels), limit) for part in (train, test))
    return Data(name, train.classes, *parts)


def _why(error: Exception, download: bool) -> str:
    """Why a data set cannot be read or downloaded."""
    if isinstance(error, URLError):
        return f"the download failed ({getattr(error.reason, 'strerror', None) or error.reason})"
    if isinstance(error, OSError):
        return reason(error)
    return f"{'the download failed' if download else 'it is not there'}, or its files are damaged"


def _from_folder(name: str, folder: Path, files: Callable[[ImageFolder], Files], limit: int | None) -> Data:
    test_folder = next((part for part in TEST_FOLDERS if (folder / part).is_dir()), TEST_FOLDERS[0])
    train, test = (_image_folder(folder, part) for part in ("train", test_folder))
    for missing in set(train.classes) ^ set(test.classes):
        has, lacks = ("train", test_folder) if missing in train.classes else (test_folder, "train")
        raise RequestError(f"{folder}: class {missing!r} is in {has}/ and not in {lacks}/")
    if len(train.classes) < 2:
        raise RequestError(f"{folder} has one class, {train.classes[0]!r}; expected at least two")
    return Data(name, tuple(train.classes), *(_limited(files(part), limit) for part in (train, test)))


def _image_folder(folder: Path, part: str) -> ImageFolder:
    """A part of a folder of images, whose classes all have images."""
    from torchvision.datasets import ImageFolder

    layout = f"expected {folder}/train/CLASS/*.png and {folder}/test/CLASS/*.png"
    try:
        _check_tree(str(folder / part))
        found = ImageFolder(str(folder / part), allow_empty=True)
    except OSError as error:
        why = reason(error) if error.errno else "it has no folders of classes"
        raise RequestError(f"{folder / part}: {why}; {layout}") from None
    filled = set(found.targets)
    if empty := [name for number, name in enumerate(found.classes) if number not in filled]:
        raise RequestError(f"{folder / part}: there are no images of class {', '.join(empty)}; {layout}")
    return found


def _check_tree(folder: str) -> None:
    """Check that all images are regular files, and that no link forms a cycle.

    Raises:
        RequestError: An image is a pipe or another special file, or a link leads to a folder above it.
        OSError: A folder cannot be read.
    """
    from torchvision.datasets.folder import IMG_EXTENSIONS

    pending: list[tuple[str, frozenset[tuple[int, int]]]] = [(folder, frozenset())]
    while pending:
        path, above = pending.pop()
        status = Path(path).stat()
        here = (status.st_dev, status.st_ino)
        if here in above:
            raise RequestError(f"{path} leads back to a folder above it; remove that link")
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.is_dir():
                    pending.append((entry.path, above | {here}))
                elif entry.name.lower().endswith(IMG_EXTENSIONS) and not entry.is_file():
                    raise RequestError(f"{entry.path} is no regular file; remove it")


def _files(found: ImageFolder, side: int | None, short_side: int | None, workers: int) -> Files:
    """The images of a folder, resized to a side, or unchanged if they are squares of one size."""
    from PIL import Image

    first = found.imgs[0][0]
    try:
        width, height = Image.open(first).size
    except (OSError, ValueError, Image.DecompressionBombError):
        raise RequestError(f"{first} cannot be read as an image") from None
    if side is None and width != height:
        raise RequestError(f"{first} is {width}x{height} pixels, not square; give --image-size")
    return Files(
        paths=tuple(path for path, _ in found.imgs),
        labels=torch.tensor(found.targets),
        side=side or width,
        short_side=short_side,
        workers=workers,
    )


def all_fitted(config: TrainConfig, data: Data) -> list[Architecture]:
    """The architectures of a configuration, fitted to its data; see `fitted`.

    Raises:
        RequestError: An architecture does not fit the data.
    """
    return [fitted(parse(arch), data, config.stem_stride) for arch in config.archs]


def resolution_note(config: TrainConfig, data: Data) -> str:
    """A note on the networks designed for larger images than those of the data; empty if there are none."""
    networks = [parse(arch) for arch in config.archs]
    sides = [int(network.constants().get("resolution", data.side)) for network in networks]
    larger = [(side, network) for side, network in zip(sides, networks, strict=True) if side > data.side]
    if not larger:
        return ""
    with_stems = any("stem_stride" in network.constants() for _, network in larger)
    hints = ["--stem-stride 1 keeps more of them"] if with_stems and config.stem_stride is None else []
    if config.dataset not in (*NAMED, *GENERATED):
        hints.append("--image-size resizes the images")
    network = larger[0][1]
    least, most = (end(side for side, _ in larger) for end in (min, max))
    designed = least if least == most else f"{least} to {most}"
    flops = fitted(network, data, config.stem_stride).figures().flops
    return (
        f"{len(larger)} of {len(networks)} networks were designed for {designed} pixels and are trained at"
        f" {data.side}: the first has {quantity(flops)} FLOPs there, not {quantity(network.figures().flops)}"
        + "".join(f"; {hint}" for hint in hints)
    )


def repeated_note(config: TrainConfig, data: Data) -> str:
    """A note on networks that equal an earlier one once fitted to the data; empty if there are none."""
    rows: dict[Architecture, list[str]] = {}
    for row, network in enumerate(all_fitted(config, data), 1):
        rows.setdefault(network, []).append(str(row))
    same = listed((f"rows {' and '.join(equal)}" for equal in rows.values() if len(equal) > 1), 3)
    return f"{same}: the same network on {data.name}, trained to the same result; keep one" if same else ""


def fitted(architecture: Architecture, data: Data, stem_stride: int | None = None) -> Architecture:
    """The architecture for the image size and number of classes of a data set.

    Args:
        architecture: An architecture for any image size and number of classes.
        data: The data set.
        stem_stride: Stride of the stem, if the architecture has the choice; its own if not given.

    Raises:
        RequestError: The architecture takes colour images and the data are points, or it needs larger
            images; the message gives the smallest size.
    """
    if len(architecture.input_shape) == 3 and data.channels not in (1, 3):
        raise RequestError(
            f"{architecture} on {data.name}: expected colour or grey images, not points of {data.channels}"
            " numbers; train networks of mlp on them"
        )
    values = {
        "resolution": data.side,
        "in_features": data.channels * data.side**2,
        "num_classes": len(data.classes),
    }
    if stem_stride is not None:
        values["stem_stride"] = stem_stride
    known = architecture.constant_names()
    try:
        return replace(architecture, **{name: value for name, value in values.items() if name in known})
    except RequestError as error:
        raise RequestError(f"{architecture} on {data.name}: {error}") from None
