"""Recipes: everything that decides how a network is trained, named and complete."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self, get_args

from search_spaces import RequestError
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
        raise RequestError(f"{name} is {text!r}, expected {wanted}") from None
