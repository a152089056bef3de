"""What a training is asked for: recipe, networks, data set, seeds."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self, get_args

import numpy as np

import search_spaces
from nas.files import read_csv
from nas.schema import Stored
from search_spaces import Architecture, RequestError, parse
from search_spaces.errors import did_you_mean, shown
from search_spaces.spec import read_number

Crop = Literal["none", "pad", "resized"]
Optimizer = Literal["sgd", "adamw"]


@dataclass(frozen=True)
class Recipe:
    """How a network is trained: SGD with momentum, or AdamW, under a cosine schedule.

    Attributes:
        epochs: Passes over the training images.
        batch: Images a step, over all devices together.
        lr: Largest learning rate, for that batch.
        momentum: Momentum of SGD.
        nesterov: Nesterov's form of it.
        weight_decay: L2 penalty on weights of convolutions and linear layers, of AdamW its decay of them;
            norms and biases have none.
        warmup: Epochs, half of all at most, over which the learning rate rises to `lr`, before the cosine
            takes it to 0. `override` keeps its share of the training where it changes the epochs alone.
        smoothing: Label smoothing.
        crop: "pad" by an eighth of the side and crop, "resized" from a random part of 8% to 100%, or "none".
        flip: Mirror half of the images.
        erase: Probability with which a square of up to a quarter of an image is erased (cutout).
        mixup: Alpha of mixup; 0 leaves it out.
        cutmix: Alpha of CutMix; 0 leaves it out. With both, each batch takes one of them.
        average: Decay a step of the moving average of the weights that is tested; 0 tests the weights.
        optimizer: "sgd", or "adamw", which looks at neither momentum nor Nesterov's form.
    """

    epochs: int
    batch: int
    lr: float
    weight_decay: float
    momentum: float = 0.9
    nesterov: bool = False
    warmup: float = 0.0
    smoothing: float = 0.0
    crop: Crop = "pad"
    flip: bool = True
    erase: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    average: float = 0.0
    optimizer: Optimizer = "sgd"

    def __post_init__(self) -> None:
        for name, least, most in _RANGES:
            value = getattr(self, name)
            if not least <= value <= most:
                raise RequestError(f"{name} is {value}, expected {least:g} to {most:g}")
        for name in ("mixup", "cutmix"):
            if 0 < getattr(self, name) < _LEAST_ALPHA:
                raise RequestError(f"{name} is {getattr(self, name)}, expected 0 or at least {_LEAST_ALPHA}")
        for name, kind in (("crop", Crop), ("optimizer", Optimizer)):
            if getattr(self, name) not in get_args(kind):
                known = ", ".join(get_args(kind))
                raise RequestError(f"{name} is {shown(getattr(self, name))}, expected one of {known}")

    def override(self, given: Mapping[str, str]) -> Self:
        """The recipe with some values changed, given as text.

        With other epochs and no warm-up given, the warm-up stays the same share of the training.

        Raises:
            RequestError: There is no such value, or the text is none.

        >>> changed = RECIPES["quick"].override({"epochs": "30", "nesterov": "false"})
        >>> changed.epochs, changed.warmup
        (30, 4.0)
        """
        values = {name: _read(name, text) for name, text in given.items()}
        if values.get("epochs", self.epochs) != self.epochs and self.warmup:
            values.setdefault("warmup", self.warmup * values["epochs"] / self.epochs)
        return dataclasses.replace(self, **values)


_LEAST_ALPHA = 0.001
_RANGES = (
    ("epochs", 1, 100_000),
    ("batch", 2, 1_000_000),
    ("lr", 0, 1e6),
    ("weight_decay", 0, 1e3),
    ("momentum", 0, 1),
    ("warmup", 0, 100_000),
    ("smoothing", 0, 0.99),
    ("erase", 0, 1),
    ("mixup", 0, 100),
    ("cutmix", 0, 100),
    ("average", 0, 1),
)

RECIPES: dict[str, Recipe] = {
    # The values of the authors' code (github.com/SLDGroup/NN_Mass, train_cifar.py), which decays norms and
    # biases too; the paper gives the epochs.
    "cifar": Recipe(epochs=200, batch=128, lr=0.1, weight_decay=5e-4),
    "cifar-long": Recipe(
        epochs=600,
        batch=128,
        lr=0.1,
        weight_decay=5e-4,
        nesterov=True,
        warmup=5,
        erase=0.5,
        mixup=0.2,
        average=0.999,
    ),
    # The command in the README of the authors' code, for MobileNetV2.
    "imagenet": Recipe(epochs=150, batch=256, lr=0.05, weight_decay=4e-5, crop="resized"),
    # The authors' code for MLPs (train_mlp.py) has Adam too, at 0.001 for one epoch.
    "mlp": Recipe(
        epochs=60, batch=400, lr=0.01, weight_decay=0.0, crop="none", flip=False, optimizer="adamw"
    ),
    "quick": Recipe(epochs=15, batch=256, lr=0.2, weight_decay=5e-4, nesterov=True, warmup=2),
}


def recipe(name: str) -> Recipe:
    """A recipe by name.

    Raises:
        RequestError: There is none of that name.
    """
    if name not in RECIPES:
        raise RequestError(
            f"unknown recipe {shown(name)}{did_you_mean(name, RECIPES)}; there are {', '.join(RECIPES)}"
        )
    return RECIPES[name]


def _read(name: str, text: str) -> Any:
    kinds = {field.name: type(getattr(RECIPES["cifar"], field.name)) for field in dataclasses.fields(Recipe)}
    if name not in kinds:
        hint = did_you_mean(name, kinds)
        raise RequestError(f"a recipe has no {shown(name)}{hint}; it has {', '.join(kinds)}")
    kind = kinds[name]
    if kind is bool:
        if text.lower() not in ("true", "false"):
            raise RequestError(f"{name} is {shown(text)}, expected true or false")
        return text.lower() == "true"
    try:
        return text if kind is str else read_number(kind, text)
    except ValueError:
        wanted = {int: "a whole number", float: "a number"}[kind]
        raise RequestError(f"{name} is {shown(text)}, expected {wanted}") from None


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
class TrainConfig(Stored):
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

    def name(self) -> str:
        """A short name for the run's folder."""
        return f"{self.dataset}-{self.recipe}"

    def seeds_of(self, row: int) -> tuple[int, ...]:
        """Seeds that the network in a row, from 1, is trained with."""
        if self.named_seeds and row <= self.named:
            return self.named_seeds
        return self.seeds

    def differing(self, other: TrainConfig, but: Collection[str] = ()) -> list[str]:
        """What another order asks for differently, in words, apart from some fields."""
        mine, theirs = ({**order.as_json(), **order.as_json()["values"]} for order in (self, other))
        names = [name for name in mine if name not in ("values", *but) and mine[name] != theirs[name]]
        return [f"{name} {mine[name]} and not {theirs[name]}" for name in names]


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


_EXPECTED = "expected the candidates.csv of a search"


def by_hand(specs: Sequence[str]) -> list[Architecture]:
    """Architectures given as space:spec or space:reference."""
    return [search_spaces.parse(spec) for spec in specs]


def from_table(path: Path, top: int | None, rows: Sequence[int] | None) -> list[Architecture]:
    """Architectures of a table's first rows, or of given rows, counted from 1.

    Raises:
        RequestError: It is no table of architectures, or it has no such rows.
    """
    return by_hand(specs_of(path, top, rows))


def specs_of(path: Path, top: int | None, rows: Sequence[int] | None) -> list[str]:
    """The specs in a table's first rows, or in given rows, counted from 1; none is parsed.

    Raises:
        RequestError: It is no table of architectures, or it has no such rows.
    """
    table = read_csv(path, _EXPECTED)
    if "arch" not in table.columns or table.empty:
        raise RequestError(f"{path} has no column 'arch' with architectures in it; {_EXPECTED}")
    if rows is not None and top is not None:
        raise RequestError("--top and --rows both choose rows; give one")
    asked, last = (f"--top {top}", top or 1) if rows is None else (f"row {max(rows)}", max(rows))
    if not 1 <= last <= len(table) or (rows is not None and min(rows) < 1):
        raise RequestError(f"{path} has rows 1 to {len(table)}, not {asked}")
    wanted = rows if rows is not None else range(1, (top or len(table)) + 1)
    return [str(table["arch"].iloc[row - 1]) for row in wanted]


def derive_seed(*numbers: int) -> int:
    """A seed for what these numbers name, such as a seed, an epoch and a step.

    >>> derive_seed(0, 1) == derive_seed(0, 1), derive_seed(0, 1) == derive_seed(1, 0)
    (True, False)
    """
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])
