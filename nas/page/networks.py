"""The networks of all runs of a page as columns, with their stages and the commands that train them."""

from __future__ import annotations

import math
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from nas.columns import Column, column, is_quartile
from nas.page.data import REFERENCE, Field, Networks, Run, Value
from nas.page.stages import StageBook, parsed
from nas.tables import FIGURES
from search_spaces import Architecture
from search_spaces.chain import ChainArchitecture
from search_spaces.space import RESOLUTION

MOST = 2000
"""Networks that a page holds of a run, at most, besides references."""
UNKNOWN = "unknown specs"
"""What a page calls the space of networks whose specs are not valid."""
_OWN = ("arch", "name", "role", "run")
_HIDDEN = ("_seconds", "_outside")
_MOST_FIELDS = 40
_MOST_TEXT = 1000
_USUAL: Mapping[tuple[object, object], str] = {
    (32, 10): "cifar10",
    (32, 100): "cifar100",
    (224, 1000): "imagenet",
}
"""Data sets by resolution and number of classes."""


def networks_of(runs: Sequence[Run]) -> Networks:
    """The networks of some runs; NN-Mass and costs that their tables lack follow from their stages."""
    tables = [run.networks.assign(run=number) for number, run in enumerate(runs) if run.networks is not None]
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=[*_OWN])
    table = _without_repeated_references(table)
    made = [parsed(spec) for spec in table["arch"]]
    book, scores = StageBook(), [run.axes.y for run in runs]
    stages_of = tuple(book.add(one) if isinstance(one, ChainArchitecture) else None for one in made)
    for name in FIGURES:
        sums = pd.Series(
            [
                math.nan if of is None else sum(book.stages[number][name] for number in of)  # type: ignore[misc]
                for of in stages_of
            ],
            table.index,
            dtype=float,
        )
        table[name] = _numbers(table[name]).fillna(sums) if name in table else sums
    return Networks(
        specs=tuple(map(_cut, table["arch"])),
        labels=tuple(map(_label, table["arch"], table.get("name", pd.Series("", table.index)))),
        runs=tuple(table["run"].astype(int)),
        roles=tuple(table["role"]),
        spaces=tuple(UNKNOWN if one is None else one.family for one in made),
        fields=_distinct([_field(table, name) for name in _shown(table, scores)]),
        stages=tuple(book.stages),
        stages_of=stages_of,
        commands=tuple("" if one is None else command(one) for one in made),
    )


def command(network: Architecture) -> str:
    """The command that trains a network on data of its number of classes and its resolution."""
    words = f"--arch {shlex.quote(str(network))} --dataset {_dataset(network)}"
    return f"nas train {words} --data data --out trained"


def _dataset(network: Architecture) -> str:
    """The data set for a network: a usual one of its shape, or else a folder of images."""
    values = network.constants()
    side, classes = values.get(RESOLUTION), values.get("num_classes")
    if network.family == "mlp":
        return "seg20" if classes == 2 else "mnist"
    if (side, classes) in _USUAL:
        return _USUAL[side, classes]
    return "folder" if side is None else f"folder --image-size {side}"


def _without_repeated_references(table: pd.DataFrame) -> pd.DataFrame:
    """Each reference once, though every search of a space lists it; its rank is that of one search."""
    repeated = table["role"].eq(REFERENCE) & table.duplicated(["arch", "role"], keep=False)
    if not repeated.any():
        return table
    if "rank" in table:
        table.loc[repeated, "rank"] = math.nan
    return table[~(repeated & table.duplicated(["arch", "role"]))].reset_index(drop=True)


def _distinct(fields: Sequence[Field]) -> tuple[Field, ...]:
    """Columns whose headings differ: of several with one heading each has its label."""
    often = Counter(field.title for field in fields)
    return tuple(replace(one, title=_long_title(one)) if often[one.title] > 1 else one for one in fields)


def _long_title(field: Field) -> str:
    half = field.key.endswith("_half")
    return f"± {column(field.key.removesuffix('_half')).label()}" if half else field.label


def _shown(table: pd.DataFrame, scores: Sequence[str]) -> list[str]:
    """The columns of networks that a page has: rank, scores and costs first."""
    names = [
        str(name)
        for name in table.columns
        if name not in _OWN
        and not str(name).endswith(_HIDDEN)
        and not is_quartile(str(name))
        and table[name].notna().any()
    ]
    first = [name for name in dict.fromkeys(("rank", *scores, *FIGURES)) if name in names]
    ordered = [*first, *(name for name in names if name not in first)]
    return ordered[:_MOST_FIELDS]


def _field(table: pd.DataFrame, name: str) -> Field:
    known, values = column(name), table[name]
    number = is_numeric_dtype(values) and not is_bool_dtype(values)
    title = " ".join(known.title.split())
    if not number:
        texts = tuple("" if pd.isna(value) else _cut(_yes(value)) for value in values)
        return Field(name, _cut(title), _cut(known.label()), True, texts, texts)
    return Field(
        name,
        _cut(title),
        _cut(known.label()),
        False,
        tuple(_finite(value) for value in values),
        tuple(_written(known, name, value) for value in values),
    )


def _written(known: Column, name: str, value: Any) -> str:
    """A number as tables show it; whole numbers that pandas keeps as floats are written as whole."""
    if name == "rank" and not pd.isna(value):
        return f"{value:.0f}"
    return known.written(value)


def _numbers(values: pd.Series[Any]) -> pd.Series[Any]:
    """A column as numbers; nan where it has texts, or more digits than any float."""
    return values if is_numeric_dtype(values) else values.map(_number)


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def _finite(value: float) -> Value:
    return float(value) if math.isfinite(value) else None


def _yes(value: object) -> str:
    return {True: "yes", False: ""}.get(value, str(value)) if isinstance(value, bool) else str(value)


def _cut(text: object) -> str:
    """Text of a file, of a length that a page can hold."""
    whole = str(text)
    return whole if len(whole) <= _MOST_TEXT else f"{whole[:_MOST_TEXT]}…"


def _label(spec: str, name: object) -> str:
    if isinstance(name, str) and name:
        return _cut(name)
    return _cut(str(spec).rpartition(":")[2] or spec)
