"""What a caller of `nas.train` or `nas.study` asks for, as values of Python: checked, and made a training."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from numbers import Real
from pathlib import Path
from typing import Any

import search_spaces
from nas.networks import Many, One, listed
from nas.options import options_of
from nas.train.config import Recipe, TrainConfig, check_there, from_table, recipe
from nas.train.session import Hardware
from search_spaces import RequestError
from search_spaces.errors import checked_kind, checked_path, checked_whole, did_you_mean, shown

_MOST_SEED = 2**63 - 1


def specs(name: str, networks: One | Many | Path, top: int | None) -> tuple[str, ...]:
    """The specs of some networks, or of those in a CSV; each stands for an architecture.

    Args:
        name: What errors call the argument.
        networks: The networks, or the path of a table.
        top: Take the first so many.

    Raises:
        RequestError: There are none, or not so many.
        TypeError: It is of another kind.
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
    """Execution settings of a training.

    Args:
        given: Values of a `Hardware` by name; others are left alone.

    Raises:
        RequestError: A number is out of range.
        TypeError: A value is of another kind.
    """
    names = options_of(Hardware)
    return Hardware(**{name: value for name, value in given.items() if name in names})


def order(
    archs: tuple[str, ...],
    dataset: str,
    data: str | Path,
    recipe_name: str,
    seeds: object,
    given: Mapping[str, Any],
) -> TrainConfig:
    """A training of some networks.

    Args:
        archs: Their specs.
        dataset: Name of the data set.
        data: Where it is.
        recipe_name: Name of the recipe.
        seeds: One, or a list.
        given: val_fraction, image_size, images, stem_stride and cache; and values of the recipe by name.
            Those of a `Hardware` are left alone.

    Raises:
        RequestError: There is no such data set, recipe or value.
        TypeError: A value is of another kind.
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
    """Seeds, each once, given as one or as a list.

    Raises:
        RequestError: There are none, or one is too small or too large, or given twice.
        TypeError: One is no whole number.

    >>> checked_seeds("seeds", 3), checked_seeds("seeds", [1, 0])
    ((3,), (1, 0))
    """
    several = list(seeds) if isinstance(seeds, list | tuple | range) else [seeds]
    if not several:
        raise RequestError(f"{name} is empty, expected at least one seed")
    found = tuple(checked_whole(name, seed, 0, _MOST_SEED) for seed in several)
    if len(set(found)) < len(found):
        raise RequestError(f"{name} is {shown(seeds)}, expected each seed once")
    return found


def check_names(function: Callable[..., object], values: Iterable[str]) -> None:
    """Check the names of further arguments: values of the recipe, of the data or of the hardware.

    Args:
        function: The function that takes them; its own arguments are among the hints.

    Raises:
        TypeError: There is no such argument.
    """
    further = [name for kind in (Recipe, TrainConfig, Hardware) for name in options_of(kind)]
    for name in Recipe.upgraded(dict.fromkeys(values)):
        if name not in further:
            known = (*inspect.signature(function).parameters, *further)
            hint = did_you_mean(name, known) or f"; a recipe has {', '.join(options_of(Recipe))}"
            raise TypeError(f"{function.__name__}() has no argument {name}{hint}")


def check_data(order: TrainConfig, hardware: Hardware) -> None:
    """Check, in no time, that the data set is there, or may be downloaded.

    Raises:
        RequestError: It is not.
    """
    if not hardware.download:
        check_there(order.dataset, Path(order.data))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long, or with a NUL
        return False


def _text(name: str, value: object) -> str:
    """A value of a recipe as the command line writes it."""
    checked_kind(name, value, (bool, str, Real), "a value of the recipe, such as epochs=30")
    try:
        return str(value)
    except ValueError:  # of a number with thousands of digits
        raise RequestError(f"{name} is {shown(value)}, which is too large") from None
