"""Small data sets of torchvision: downloaded over https only, and unpickled without running code."""

from __future__ import annotations

import pickle
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, NoReturn
from urllib.error import URLError

import numpy as np
import torch
from torch import Tensor

from search_spaces import RequestError

_MIRRORS = {
    "mnist": ("https://ossci-datasets.s3.amazonaws.com/mnist/",),
    # The authors' repository, and the copy of Keras; torchvision's mirror uses plain http.
    "fashionmnist": (
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    ),
}


class SmallSet(NamedTuple):
    """A part of a data set.

    Attributes:
        pixels: uint8, of shape (N, C, side, side).
        labels: int64, of shape (N,).
        classes: Names of the classes, in the order of the labels.
    """

    pixels: Tensor
    labels: Tensor
    classes: tuple[str, ...]


def small_set(name: str, folder: Path, train: bool, download: bool) -> SmallSet:
    """A part of "cifar10", "cifar100", "mnist" or "fashionmnist"; torchvision checks the files' MD5.

    Raises:
        RuntimeError: A file is missing, or a download failed.
        OSError: A file cannot be read or downloaded.
        RequestError: A file has unexpected contents.
    """
    from torchvision import datasets

    if name in _MIRRORS:
        base = {"mnist": datasets.MNIST, "fashionmnist": datasets.FashionMNIST}[name]
        kind = type(
            base.__name__, (base,), {"mirrors": list(_MIRRORS[name])}
        )  # torchvision names the folder after the class
        try:
            with _https_only():
                grey = kind(folder, train=train, download=download)
        except (ValueError, LookupError, TypeError, AssertionError):
            place = folder / base.__name__
            raise RequestError(f"{place}: its files are damaged; delete it and add --download") from None
        return SmallSet(
            torch.as_tensor(grey.data)[:, None], torch.as_tensor(grey.targets), tuple(base.classes)
        )
    return _cifar({"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}[name], folder, train, download)


class _PlainHttpError(URLError):
    """An address of plain http was refused."""


class _PlainHttpRefused(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> NoReturn:
        """Refuse the address."""
        raise _PlainHttpError(f"{req.full_url} is not https")


@contextmanager
def _https_only() -> Iterator[None]:
    """Refuse plain http during a block: torchvision tries it where a download over https fails."""
    before = urllib.request._opener  # type: ignore[attr-defined]
    urllib.request.install_opener(urllib.request.build_opener(_PlainHttpRefused))
    try:
        yield
    except _PlainHttpError as refused:
        raise refused.__context__ or refused from None
    finally:
        urllib.request.install_opener(before)


def _cifar(kind: Any, folder: Path, train: bool, download: bool) -> SmallSet:
    """CIFAR without torchvision's constructor, whose unpickling could run code."""
    files = kind.__new__(kind)
    files.root = folder
    if download:
        with _https_only():
            files.download()
    if not files._check_integrity():
        raise RuntimeError("data set not found, or its files are damaged")
    place = folder / kind.base_folder
    batches = [plain_pickle(place / name) for name, _ in (kind.train_list if train else kind.test_list)]
    classes = plain_pickle(place / kind.meta["filename"])
    try:
        pixels = np.concatenate([batch["data"] for batch in batches]).reshape(-1, 3, 32, 32)
        labels = [label for batch in batches for label in batch.get("labels") or batch["fine_labels"]]
        names = tuple(map(str, classes[kind.meta["key"]]))
        if pixels.dtype != np.uint8 or len(pixels) != len(labels) or set(labels) - set(range(len(names))):
            raise ValueError("its arrays do not fit")
        return SmallSet(torch.from_numpy(pixels), torch.tensor(labels, dtype=torch.long), names)
    except (ValueError, LookupError, TypeError, AttributeError):
        raise RequestError(
            f"{place} does not contain images of {kind.__name__}; delete it and download it again"
        ) from None


class _Arrays(pickle.Unpickler):
    """Unpickles plain values and numpy arrays only."""

    def find_class(self, module: str, name: str, /) -> Any:
        """One of the three globals in a pickled array.

        Raises:
            pickle.UnpicklingError: The name is not one of them.
        """
        if (module, name) in (("numpy", "ndarray"), ("numpy", "dtype")):
            return getattr(np, name)
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name == "_reconstruct":
            return _reconstruct
        raise pickle.UnpicklingError(f"it names {module}.{name}")


def _reconstruct(kind: type, shape: tuple[int, ...], code: bytes) -> Any:
    """The empty array that numpy's function of this name makes; unpickling then sets its state."""
    return np.ndarray.__new__(np.ndarray, (0,), "b")


def plain_pickle(path: Path) -> Any:
    """The contents of a pickle of plain values and arrays, also of Python 2.

    Raises:
        RequestError: The file is damaged, or contains anything else; no code of it has run.
    """
    try:
        with path.open("rb") as file:
            return _Arrays(file, encoding="latin1").load()
    except (pickle.UnpicklingError, EOFError, ValueError, LookupError, TypeError, AttributeError):
        raise RequestError(f"{path} is not a data set of images; delete it and download it again") from None
