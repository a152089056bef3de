"""Checks of the arguments of `nas.train` and `nas.study`, and the configuration made from them."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from pathlib import Path
from typing import Any

import search_spaces
from nas.networks import Many, One, listed
from nas.options import options_of
from nas.train.config import SEEDS, TrainConfig, check_present, from_table, recipe
from nas.train.session import Hardware
from search_spaces import RequestError
from search_spaces.errors import checked_kind, checked_path, checked_whole, shown


def specs(name: str, networks: One | Many | Path, top: int | None) -> tuple[str, ...]:
    """The specs of networks, or of those in a CSV; all are valid.

    Args:
        name: Name of the argument, for error messages.
        networks: The networks, or the path of a table.
        top: Number of networks, from the first; all if not given.

    Raises:
        RequestError: There are none, or fewer than `top`.
        TypeError: An argument has the wrong type.
    """
    top = None if top is None else checked_whole("top", top, 1)
    if isinstance(networks, str) and ("/" in networks or ":" not in networks):
        networks = Path(networks)
    if isinstance(networks, Path):
        if not _is_file(networks):
            path = shown(str(networks))
            raise RequestError(
                f"{name} is {path}, expected SPACE:SPEC, or the path of a table with a column arch"
            )
        return tuple(map(str, from_table(networks, top, None)))
    found = list(map(str, listed(name, networks)))
    if top is not None and top > len(found):
        raise RequestError(f"top is {shown(top)}, but {name} has {len(found)}")
    return tuple(str(search_spaces.parse(spec)) for spec in found[:top])


def hardware(given: Mapping[str, Any]) -> Hardware:
    """The hardware settings among the given values.

    Args:
        given: Values of `Hardware` by name; others are ignored.

    Raises:
        RequestError: A number is out of range.
        TypeError: A value has the wrong type.
    """
    names = options_of(Hardware)
    return Hardware(**{name: value for name, value in given.items() if name in names})


def train_config(
    archs: tuple[str, ...],
    dataset: str,
    data: str | Path,
    recipe_name: str,
    seeds: object,
    given: Mapping[str, Any],
) -> TrainConfig:
    """The configuration of a training.

    Args:
        archs: Specs of the networks.
        dataset: Name of the data set.
        data: Folder of the data set.
        recipe_name: Name of the recipe.
        seeds: A seed, or a list of them.
        given: val_fraction, image_size, images, stem_stride and cache; and values of the recipe by name.
            Those of `Hardware` are ignored.

    Raises:
        RequestError: A data set, recipe or value is unknown or out of range.
        TypeError: A value has the wrong type.
    """
    checked_path("data", data)
    checked_kind("recipe", recipe_name, str, "the name of a recipe")
    values = {name: value for name, value in given.items() if name not in options_of(Hardware)}
    settings = {name: values.pop(name) for name in options_of(TrainConfig) if name in values}
    return TrainConfig(
        archs=archs,
        dataset=dataset,
        data=str(data),
        recipe=recipe_name,
        values=recipe(recipe_name).override({name: _text(name, value) for name, value in values.items()}),
        seeds=checked_seeds("seeds", seeds),
        **settings,
    )


def checked_seeds(name: str, seeds: object) -> tuple[int, ...]:
    """Distinct seeds, from one seed or a list.

    Raises:
        RequestError: The list is empty, or a seed is out of range or repeated.
        TypeError: A seed is not a whole number.

    >>> checked_seeds("seeds", 3), checked_seeds("seeds", [1, 0])
    ((3,), (1, 0))
    """
    several = list(seeds) if isinstance(seeds, list | tuple | range) else [seeds]
    if not several:
        raise RequestError(f"{name} is empty, expected at least one seed")
    found = tuple(SEEDS.checked(name, seed, int) for seed in several)
    if len(set(found)) < len(found):
        raise RequestError(f"{name} is {shown(seeds)}, expected each seed once")
    return found


def check_data(config: TrainConfig, hardware: Hardware) -> None:
    """Check that the folder of the data set exists, unless it may be downloaded.

    Raises:
        RequestError: The folder does not exist.
    """
    if not hardware.download:
        check_present(config.dataset, Path(config.data))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long, or with a NUL character
        return False


def _text(name: str, value: object) -> str:
    """The text of a value of a recipe, as on the command line."""
    checked_kind(name, value, (bool, str, Real), "a value of the recipe, such as epochs=30")
    try:
        return str(value)
    except ValueError:  # a number of thousands of digits
        raise RequestError(f"{name} is {shown(value)}, which is too large") from None
