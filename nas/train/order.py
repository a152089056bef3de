"""A training as it was asked for: a value that can be stored and taken up again."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal, get_args

from nas.schema import built
from nas.train.recipe import Recipe
from search_spaces import RequestError, parse
from search_spaces.errors import did_you_mean, shown

NAMED = ("cifar10", "cifar100", "mnist", "fashionmnist")
"""Data sets that torchvision knows."""
GENERATED = ("seg20", "circle20")
"""Data sets that are generated."""
DATASETS = (*NAMED, *GENERATED, "imagenet", "folder")
"""All data sets; the last two are folders of images."""

MOST_SIDE = 4096
"""Side that images may be resized to."""
MOST_PROCESSES = 1024
"""Processes, threads or workers that one may ask for: systems run out of memory with more."""

Keep = Literal["memory", "disk"]


@dataclasses.dataclass(frozen=True)
class Order:
    """A training run as it was asked for.

    Attributes:
        archs: Specs of the networks, as they were given.
        dataset: Name of the data set.
        data: Where it is.
        recipe: Name of the recipe.
        values: The recipe as resolved.
        seeds: Seeds that each network is trained with.
        holdout: Share of the training images that is held out.
        side: Side that images of a folder are resized to.
        limit: Images of either part that are kept at most.
        keep: Where the images of a folder are kept; by their size if not given.
        stem_stride: Stride of the stem of the networks that leave it open; their own if not given.
        named: How many of the networks of a study were named by hand, not drawn; they come first.
        named_seeds: Seeds that those are trained with instead, if given.
    """

    archs: tuple[str, ...]
    dataset: str
    data: str
    recipe: str
    values: Recipe
    seeds: tuple[int, ...] = (0,)
    holdout: float = 0.0
    side: int | None = None
    limit: int | None = None
    keep: Keep | None = None
    stem_stride: int | None = None
    named: int = 0
    named_seeds: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not self.archs:
            raise RequestError("there are no networks; expected at least one")
        if not self.seeds:
            raise RequestError("there are no seeds; expected at least one")
        for name, value, most in (("--image-size", self.side, MOST_SIDE), ("--images", self.limit, 2**31)):
            if value is not None and not 1 <= value <= most:
                raise RequestError(f"{name} {value}: expected a whole number from 1 to {most}")
        if self.dataset not in DATASETS:
            hint = did_you_mean(str(self.dataset), DATASETS)
            known = ", ".join(DATASETS)
            raise RequestError(f"unknown data set {shown(self.dataset)}{hint}; there are {known}")
        if self.side is not None and self.dataset in (*NAMED, *GENERATED):
            raise RequestError(
                f"--image-size {self.side}: {self.dataset} has one size of its own; leave it out"
            )
        if self.keep is not None and self.keep not in get_args(Keep):
            raise RequestError(f"--keep {shown(self.keep)}: expected one of {', '.join(get_args(Keep))}")
        for option, seeds in (("--seeds", self.seeds), ("--named-seeds", self.named_seeds)):
            if any(seed >= 2**63 for seed in seeds):
                raise RequestError(f"{option}: {max(seeds)} is too large, expected less than 2**63")
            if any(seed < 0 for seed in seeds):
                raise RequestError(f"{option}: {min(seeds)} is too small, expected at least 0")
        if not 0 <= self.holdout < 1:
            raise RequestError(f"--holdout {self.holdout}: expected a share from 0 to below 1")
        if self.stem_stride is not None and not any(map(_stem_is_open, self.archs)):
            raise RequestError(
                f"--stem-stride {self.stem_stride}: none of these networks has a stem of another stride;"
                " leave it out"
            )

    @property
    def title(self) -> str:
        """What the data are called: a folder by its own name."""
        return Path(self.data).name if self.dataset == "folder" else self.dataset

    def seeds_of(self, row: int) -> tuple[int, ...]:
        """Seeds that the network in a row, from 1, is trained with."""
        if self.named_seeds and row <= self.named:
            return self.named_seeds
        return self.seeds

    def differing(self, other: Order, but: Collection[str] = ()) -> list[str]:
        """What another order asks for differently, in words, apart from some fields."""
        mine, theirs = ({**order.as_json(), **order.as_json()["values"]} for order in (self, other))
        names = [name for name in mine if name not in ("values", *but) and mine[name] != theirs[name]]
        return [f"{name} {mine[name]} and not {theirs[name]}" for name in names]

    def as_json(self) -> dict[str, Any]:
        """The order as plain values; the inverse of `of_json`."""
        return dataclasses.asdict(self)

    @classmethod
    def of_json(cls, values: dict[str, Any]) -> Order:
        """The order that `as_json` gave.

        Raises:
            TypeError: The values are not those of an order.
        """
        return built(cls, values)


_FILES = {
    "cifar10": "cifar-10-batches-py",
    "cifar100": "cifar-100-python",
    "mnist": "MNIST",
    "fashionmnist": "FashionMNIST",
}


def check_there(dataset: str, folder: Path) -> None:
    """Check, in no time, that there is something where a data set is to be.

    Raises:
        RequestError: There is nothing, or no such data set.
    """
    if dataset not in DATASETS:
        raise RequestError(f"unknown data set {shown(dataset)}; there are {', '.join(DATASETS)}")
    if dataset in NAMED and not (folder / _FILES[dataset]).is_dir():
        raise RequestError(
            f"{dataset} in {folder}: there is no {folder / _FILES[dataset]}; add --download, or say where it"
            " is with --data"
        )
    if dataset not in (*NAMED, *GENERATED) and not (folder / "train").is_dir():
        raise RequestError(
            f"{folder / 'train'}: there is no such folder; expected {folder}/train/CLASS/*.png and"
            f" {folder}/test/CLASS/*.png; say where with --data"
        )


def _stem_is_open(arch: str) -> bool:
    return "stem_stride" in parse(arch).constant_names()
