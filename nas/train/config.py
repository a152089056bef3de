"""The configuration of a training: recipe, networks, data set and seeds."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np

from nas.files import read_csv
from nas.options import check, documented, option, read, words
from nas.schema import Stored
from nas.values import Range
from search_spaces import Architecture, RequestError, parse
from search_spaces.errors import did_you_mean, shortened, shown

Crop = Literal["none", "pad", "resized"]
Optimizer = Literal["sgd", "adamw"]
Precision = Literal["auto", "float32", "bfloat16"]

_OF_RECIPE = "the recipe's"
_FRACTION, _ALPHA = Range(0, 1), Range(0.001, 100, or_zero=True)


@documented
@dataclass(frozen=True)
class Recipe(Stored):
    """Hyperparameters of a training: SGD with momentum or AdamW, under a cosine schedule."""

    epochs: int = option("passes over the training images", range=Range(1, 100_000), usual=_OF_RECIPE)
    batch_size: int = option("images per step, over all devices", range=Range(2, 1_000_000), usual=_OF_RECIPE)
    lr: float = option("peak learning rate", range=Range(0, 1e6), metavar="RATE", usual=_OF_RECIPE)
    weight_decay: float = option(
        "weight decay of convolution and linear weights (decoupled with adamw); none on norms and biases",
        range=Range(0, 1e3),
        metavar="DECAY",
        usual=_OF_RECIPE,
    )
    momentum: float = option("momentum of SGD", alone=False, default=0.9, range=_FRACTION)
    nesterov: bool = option("use Nesterov momentum", alone=False, default=False)
    warmup: float = option(
        "warm-up epochs, at most half of all; scaled with the epochs unless set",
        alone=False,
        default=0.0,
        range=Range(0, 100_000),
    )
    smoothing: float = option("label smoothing", alone=False, default=0.0, range=Range(0, 0.99))
    crop: Crop = option(
        "pad: pad by an eighth of the side and crop; resized: resize a random part of 8% to 100%",
        alone=False,
        default="pad",
    )
    flip: bool = option("mirror half of the images", alone=False, default=True)
    erase: float = option(
        "probability of erasing a square of a quarter of an image (cutout)",
        alone=False,
        default=0.0,
        range=_FRACTION,
    )
    mixup: float = option("alpha of mixup; 0 disables it", alone=False, default=0.0, range=_ALPHA)
    cutmix: float = option(
        "alpha of CutMix; 0 disables it. With both, each batch uses one of them",
        alone=False,
        default=0.0,
        range=_ALPHA,
    )
    average: float = option(
        "decay per step of the moving average of weights; the average is tested. 0 disables it",
        alone=False,
        default=0.0,
        range=Range(0, 1, below=True),
    )
    optimizer: Optimizer = option("adamw ignores momentum and nesterov", alone=False, default="sgd")
    precision: Precision = option(
        "of convolutions and linear layers; auto: bfloat16 on a GPU, float32 on a CPU",
        alone=False,
        default="auto",
    )

    _OLD_NAMES: ClassVar[Mapping[str, str]] = {"batch": "batch_size"}

    def __post_init__(self) -> None:
        check(self)

    def override(self, given: Mapping[str, Any]) -> Self:
        """The recipe with some values changed; texts are parsed.

        If the number of epochs changes and no warm-up is given, the warm-up scales with it.

        Raises:
            RequestError: A name is unknown, or a text cannot be parsed.

        >>> changed = RECIPES["quick"].override({"epochs": "30", "nesterov": "false"})
        >>> changed.epochs, changed.warmup
        (30, 4.0)
        """
        values = {
            name: read(Recipe, name, value) if isinstance(value, str) else value
            for name, value in self.upgraded(given).items()
        }
        if values.get("epochs", self.epochs) != self.epochs and self.warmup:
            values.setdefault("warmup", self.warmup * values["epochs"] / self.epochs)
        return dataclasses.replace(self, **values)


RECIPES: dict[str, Recipe] = {
    # The values of the authors' code (github.com/SLDGroup/NN_Mass, train_cifar.py), which decays norms and
    # biases too; the paper gives the epochs.
    "cifar": Recipe(epochs=200, batch_size=128, lr=0.1, weight_decay=5e-4),
    "cifar-long": Recipe(
        epochs=600,
        batch_size=128,
        lr=0.1,
        weight_decay=5e-4,
        nesterov=True,
        warmup=5,
        erase=0.5,
        mixup=0.2,
        average=0.999,
    ),
    # The command in the README of the authors' code, for MobileNetV2.
    "imagenet": Recipe(epochs=150, batch_size=256, lr=0.05, weight_decay=4e-5, crop="resized"),
    # The authors' code for MLPs (train_mlp.py) uses Adam too, at 0.001 for one epoch.
    "mlp": Recipe(
        epochs=60, batch_size=400, lr=0.01, weight_decay=0.0, crop="none", flip=False, optimizer="adamw"
    ),
    "quick": Recipe(epochs=15, batch_size=256, lr=0.2, weight_decay=5e-4, nesterov=True, warmup=2),
}


def recipe(name: str) -> Recipe:
    """A recipe by name.

    Raises:
        RequestError: The name is unknown.
    """
    if name not in RECIPES:
        raise RequestError(
            f"unknown recipe {shown(name)}{did_you_mean(name, RECIPES)}; there are {', '.join(RECIPES)}"
        )
    return RECIPES[name]


NAMED = ("cifar10", "cifar100", "mnist", "fashionmnist")
"""Data sets of torchvision."""
GENERATED = ("seg20", "circle20")
"""Generated data sets."""
DATASETS = (*NAMED, *GENERATED, "imagenet", "folder")
"""All data sets; the last two are folders of images."""

MOST_SIDE = 4096
"""Largest side that images may be resized to, in pixels."""
MOST_PROCESSES = 1024
"""Largest number of processes, threads or workers: systems run out of memory with more."""

Cache = Literal["memory", "disk"]
DATA, USUAL_RECIPE = "data", "quick"
"""Default folder of the data, and default recipe."""
SEEDS = Range(0, 2**63 - 1)


@documented
@dataclasses.dataclass(frozen=True)
class TrainConfig(Stored):
    """The configuration of a training run.

    Attributes:
        archs: Specs of the networks, as given.
        values: The resolved recipe.
        named: Number of networks of a study that were given explicitly, not sampled; they come first.
    """

    _OLD_NAMES: ClassVar[Mapping[str, str]] = {
        "holdout": "val_fraction",
        "side": "image_size",
        "limit": "images",
        "keep": "cache",
    }

    archs: tuple[str, ...]
    dataset: str = option(", ".join(DATASETS), choices=DATASETS, metavar="NAME")
    data: str = option("folder of the data set", convert=Path, metavar="DIR", usual=DATA)
    recipe: str = option(lambda: ", ".join(RECIPES), usual=USUAL_RECIPE, metavar="NAME")
    values: Recipe  # type: ignore[misc]  # fields made by `option` may have no default
    seeds: tuple[int, ...] = option(
        "train each network with these seeds, as 0,1,2",
        default=(0,),
        range=SEEDS,
        flags=("--seeds", "--seed"),
        metavar="SEEDS",
    )
    val_fraction: float = option(
        "validation fraction of the training images, held out",
        default=0.0,
        range=Range(0, 1, below=True),
        metavar="FRACTION",
    )
    image_size: int | None = option(
        "resize the images of a folder to this side", default=None, range=Range(1, MOST_SIDE)
    )
    images: int | None = option("keep at most N images of either part", default=None, range=Range(1))
    cache: Cache | None = option(
        "images of a folder: read once, or when needed", default=None, usual="by size"
    )
    stem_stride: int | None = option(
        "stride of the stem, where a network has the choice", default=None, choices=(1, 2), usual="their own"
    )
    named: int = 0
    named_seeds: tuple[int, ...] = option(
        "train those of --arch with these seeds instead", default=(), range=SEEDS, usual="as --seeds"
    )

    def __post_init__(self) -> None:
        check(self)
        if not self.archs:
            raise RequestError("there are no networks; expected at least one")
        if not self.seeds:
            raise RequestError("there are no seeds; expected at least one")
        if self.image_size is not None and self.dataset in (*NAMED, *GENERATED):
            raise RequestError(
                f"--image-size {self.image_size}: {self.dataset} has one size of its own; leave it out"
            )
        if self.stem_stride is not None and not any(map(_has_stem_stride, self.archs)):
            raise RequestError(
                f"--stem-stride {self.stem_stride}: none of these networks has a stem of another stride;"
                " leave it out"
            )

    @property
    def title(self) -> str:
        """The name of the data set; for a folder of images, the name of the folder."""
        return Path(self.data).name if self.dataset == "folder" else self.dataset

    def name(self) -> str:
        """A short name for the run's folder."""
        return f"{self.dataset}-{self.recipe}"

    def seeds_of(self, row: int) -> tuple[int, ...]:
        """The seeds of the network in a row, from 1."""
        if self.named_seeds and row <= self.named:
            return self.named_seeds
        return self.seeds

    def arguments(self) -> list[str]:
        """The configuration as arguments of `nas train`, without the networks.

        Raises:
            RequestError: The recipe is unknown.
        """
        usual, own = recipe(self.recipe), self.values.as_json()
        same = usual.override({"epochs": self.values.epochs}).as_json()
        changed = [f"{name}={value}" for name, value in own.items() if value != same[name]]
        epochs = ["--epochs", str(self.values.epochs)] if self.values.epochs != usual.epochs else []
        return [*words(self), *epochs, *(["--set", *changed] if changed else [])]

    def differences(self, other: TrainConfig, exclude: Collection[str] = ()) -> list[str]:
        """The differences of another configuration in words, except those in the fields of `exclude`.

        Values that follow from a different recipe or number of epochs are left out.
        """
        mine, theirs = ({**config.as_json(), **config.as_json()["values"]} for config in (self, other))
        names = [name for name in mine if name not in ("values", *exclude) and mine[name] != theirs[name]]
        start = RECIPES.get(other.recipe, self.values) if "recipe" in names else self.values
        implied = start.override({"epochs": other.values.epochs}).as_json() | {"epochs": start.epochs}
        names = [name for name in names if name not in implied or theirs[name] != implied[name]]
        return [f"{name} {_written(mine[name])} and not {_written(theirs[name])}" for name in names]


def _written(value: object) -> str:
    """A value of a configuration as it is typed.

    >>> _written((0, 1)), _written(None)
    ('0,1', 'unset')
    """
    if isinstance(value, list | tuple):
        return shortened(",".join(map(str, value)) or "unset", 120)
    return "unset" if value is None else str(value)


_FILES = {
    "cifar10": "cifar-10-batches-py",
    "cifar100": "cifar-100-python",
    "mnist": "MNIST",
    "fashionmnist": "FashionMNIST",
}


def check_present(dataset: str, folder: Path) -> None:
    """Check that the folder of a data set exists, without reading it.

    Raises:
        RequestError: The folder does not exist, or the data set is unknown.
    """
    if dataset not in DATASETS:
        hint = did_you_mean(dataset, DATASETS)
        raise RequestError(f"unknown data set {shown(dataset)}{hint}; there are {', '.join(DATASETS)}")
    if dataset in NAMED and not (folder / _FILES[dataset]).is_dir():
        raise RequestError(
            f"{dataset} in {folder}: there is no {folder / _FILES[dataset]}; add --download, or give its"
            " folder by --data"
        )
    if dataset not in (*NAMED, *GENERATED) and not (folder / "train").is_dir():
        raise RequestError(
            f"{folder / 'train'}: there is no such folder; expected {folder}/train/CLASS/*.png and"
            f" {folder}/test/CLASS/*.png; give the folder by --data"
        )


def _has_stem_stride(arch: str) -> bool:
    return "stem_stride" in parse(arch).constant_names()


_EXPECTED = "expected the candidates.csv of a search"


def from_table(path: Path, top: int | None, rows: Sequence[int] | None) -> list[Architecture]:
    """The architectures in the first `top` rows of a table, or in given rows, counted from 1.

    Raises:
        RequestError: The file is not a table of architectures, or lacks these rows.
    """
    return parse_rows(path, specs_of(path, top, rows), rows)


def parse_rows(path: Path, specs: Sequence[str], rows: Sequence[int] | None) -> list[Architecture]:
    """Parse specs read from the first rows of a table, or from given rows, counted from 1.

    Raises:
        RequestError: A spec is invalid; the message names its row.
    """
    found = []
    for row, spec in zip(rows or range(1, len(specs) + 1), specs, strict=True):
        try:
            found.append(parse(spec))
        except RequestError as error:
            raise RequestError(f"{path}, row {row}: {error}") from None
    return found


def specs_of(path: Path, top: int | None, rows: Sequence[int] | None) -> list[str]:
    """The unparsed specs in the first `top` rows of a table, or in given rows, counted from 1.

    Raises:
        RequestError: The file is not a table of architectures, or lacks these rows.
    """
    table = read_csv(path, _EXPECTED)
    if "arch" not in table.columns:
        raise RequestError(f"{path} has no column arch; {_EXPECTED}")
    if table.empty:
        raise RequestError(f"{path} has no rows; {_EXPECTED}")
    if rows is not None and top is not None:
        raise RequestError("--top and --rows both choose rows; give one")
    if top is not None and not 1 <= top <= len(table):
        raise RequestError(f"--top {top}: {path} has rows 1 to {len(table)}; leave it out for all")
    selected = rows if rows is not None else range(1, (top or len(table)) + 1)
    missing = [row for row in selected if not 1 <= row <= len(table)]
    if missing:
        raise RequestError(
            f"--rows {missing[0]}: {path} has rows 1 to {len(table)}; choose from these, or leave it out for"
            " all"
        )
    specs = table["arch"].astype(object).fillna("").tolist()  # an empty cell is nan
    return [str(specs[row - 1]) for row in selected]


def derive_seed(*numbers: int) -> int:
    """A seed derived from several numbers, such as a seed, an epoch and a step.

    >>> derive_seed(0, 1) == derive_seed(0, 1), derive_seed(0, 1) == derive_seed(1, 0)
    (True, False)
    """
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])
