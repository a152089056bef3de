"""The table of published networks: read, and each network built and counted against what was published."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

import search_spaces
from nas import proxies
from nas.files import check_regular
from nas.proxies import Subject
from nas.study.stats import base_of
from search_spaces import Architecture, RequestError

if TYPE_CHECKING:
    from torch import nn

COLUMNS = (
    "family",
    "recipe",
    "name",
    "arch",
    "width",
    "top1",
    "top5",
    "params_millions",
    "counted",
    "source",
)
MEASURED = ("nn_mass", "params", "flops", "depth")
"""Closed forms that accuracies are fitted with."""
COUNTED = ("all", "without batch norm")
"""What a published number of parameters counts."""


def published(path: Path) -> pd.DataFrame:
    """Networks with the accuracy that others reached.

    Args:
        path: A CSV file of `COLUMNS`: the family and the recipe, within which networks are compared; a name;
            the spec, with the resolution it was tested at; the width multiplier; top-1 and top-5 in percent;
            parameters in millions as printed, and what they count; where all this stands.

    Returns:
        The same, and nn_mass, params, flops, depth; layout, which is the spec at its family's own
        resolution; and base, which is equal for networks of one base width.

    Raises:
        RequestError: It is no such table, a spec does not parse or has not the published size, a number is
            none, or a recipe has a layout twice.
    """
    table = _read(path)
    rows = []
    for place, row in enumerate(table.to_dict("records"), 2):
        try:
            architecture = search_spaces.parse(row["arch"])
            check_size(architecture, row["params_millions"], row["counted"])
        except RequestError as error:
            raise RequestError(f"{path} line {place}: {error}") from None
        subject = Subject.bare(architecture)
        layout = architecture.of_choices(architecture.choices())
        measured = {name: proxies.measure(name, subject).value for name in MEASURED}
        base = f"{architecture.family} {base_of(row['arch'])}"
        rows.append({**measured, "layout": str(layout), "base": base})
    table = table.join(pd.DataFrame(rows))
    twice = table[table.duplicated(["family", "recipe", "layout"])]
    if len(twice):
        recipe, layout = twice[["recipe", "layout"]].iloc[0]
        raise RequestError(f"{path}: {recipe} has {layout} twice; give each network once")
    return table


def check_size(architecture: Architecture, published: str, counted: str) -> None:
    """Hold an architecture's parameters against a published number.

    Args:
        architecture: What is said to be the network.
        published: Its parameters in millions, as printed: rounded, or cut off.
        counted: One of `COUNTED`.

    Raises:
        RequestError: They differ by a unit of the last digit printed, or more.
    """
    if counted not in COUNTED:
        raise RequestError(f"counted is {counted!r}, expected one of {', '.join(COUNTED)}")
    ours = int(architecture.figures().params)
    if counted == "without batch norm":
        ours -= _batch_norm(architecture.assemble())
    try:
        millions = float(published)
    except ValueError:
        raise RequestError(f"params_millions is {published!r}, expected a number") from None
    unit = 10.0 ** -len(published.partition(".")[2])
    if not abs(ours / 1e6 - millions) < unit:
        raise RequestError(
            f"{architecture} has {ours:,} parameters ({counted}), not {published}M; mend the spec"
        )


def _read(path: Path) -> pd.DataFrame:
    expected = f"expected a table with the columns {', '.join(COLUMNS)}"
    try:
        check_regular(path)
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = pd.read_csv(path, dtype=str, index_col=False, keep_default_na=False)
    except FileNotFoundError:
        raise RequestError(f"{path}: there is no such file; {expected}") from None
    except (OSError, ValueError, pd.errors.ParserWarning) as error:
        raise RequestError(f"{path} is no table ({error}); {expected}") from None
    missing = [name for name in COLUMNS if name not in table]
    if missing or table.empty:
        raise RequestError(f"{path} has no {', '.join(missing) or 'networks'}; {expected}")
    for name, least, most in (("width", 0, float("inf")), ("top1", 0, 100), ("top5", 0, 100)):
        numbers = pd.to_numeric(table[name], errors="coerce")
        for place, number in enumerate(numbers):
            if not least < number < most:
                given, between = table[name].iloc[place], f"above {least} and below {most}"
                raise RequestError(
                    f"{path} line {place + 2}: {name} is {given!r}, expected a number {between}"
                )
        table[name] = numbers
    return table


def _batch_norm(network: nn.Module) -> int:
    from torch import nn

    layers: Sequence[nn.Module] = [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]
    return sum(weights.numel() for layer in layers for weights in layer.parameters())
