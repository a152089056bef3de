"""Prints tables: for a terminal of 80 columns, as CSV, or as JSON."""

from __future__ import annotations

import json
import math
from typing import Any, Literal

import numpy as np
import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table

from nas import proxies
from nas.columns import column, is_fitted, is_median, is_quartile
from nas.files import as_csv


def show(table: pd.DataFrame, form: str = "table", family: str = "", break_before: int | None = None) -> None:
    """Print a table.

    Args:
        form: One of `nas.cli.FORMATS`; CSV and JSON give full precision.
        family: For a terminal, the family to omit from specs.
        break_before: For a terminal, the number of the row above which to print a line.
    """
    if form == "csv":
        print(as_csv(table), end="")
    elif form == "json":
        print(json.dumps(records(table), indent=2))
    else:
        # Not printed by rich, which ends the process with an error if the reader of a pipe has ended.
        print(_rendered(_layout(table, family, break_before)), end="")


def records(table: pd.DataFrame) -> list[dict[Any, Any]]:
    """The rows as dicts of plain values; missing values, nan and infinities are None, as JSON requires."""
    there = table.notna() & ~table.isin([math.inf, -math.inf])
    records: list[dict[Any, Any]] = table.astype(object).where(there, None).to_dict("records")
    return records


OUTSIDE = "_outside"
"""How the names of columns end that say where a network lies outside the range of a fitted score."""
FITTED = ("_expected", "_half", OUTSIDE)
"""How the names of all columns beside a fitted score end."""


def outside(table: pd.DataFrame) -> pd.Series[str]:
    """Where each network lies outside the ranges of fitted scores, in words; empty if it lies inside."""
    found = [table[name].fillna("") for name in table if str(name).endswith(OUTSIDE)]
    reasons = zip(*found, strict=True)
    joined = ["; ".join(dict.fromkeys(filter(None, row))) for row in reasons] if found else ""
    return pd.Series(joined, table.index, dtype=object)


def predictions(table: pd.DataFrame, objective: bool = True) -> list[str]:
    """Sentences about the fitted scores of a table: what they predict, and rows outside their range.

    Args:
        objective: Whether to describe the score that the table is sorted by.
    """
    found = []
    for name in map(str, table):
        score = proxies.get(name).fitted if is_fitted(name) else None
        sorted_by = f"{name}_expected" in table
        if score and (objective or not sorted_by):
            found.append(score.sentence(sorted_by))
    if where := sorted({part for row in outside(table) for part in row.split("; ")} - {""}):
        found.append(f"*: outside the range of the fit, {'; '.join(where)}.")
    return found


def _rendered(layout: Table) -> str:
    """A table as a string, laid out for the width of the terminal."""
    console = Console(highlight=False, markup=False)
    with console.capture() as capture:
        console.print(layout)
    return capture.get()


def _layout(table: pd.DataFrame, family: str, break_before: int | None) -> Table:
    marked = np.flatnonzero(outside(table).ne("").to_numpy()).tolist()
    table = table[_that_fit(table)]
    layout = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    columns = [column(name) for name in table.columns]
    for one in columns:
        side: Literal["left", "right"] = "left" if one.text else "right"
        layout.add_column(one.title, justify=side, no_wrap=not one.text, overflow="fold")
    for position, (_, row) in enumerate(table.iterrows()):
        if position == break_before:
            layout.add_section()
        cells = [one.written(value) for one, value in zip(columns, row, strict=True)]
        if "arch" in table and position in marked:
            cells[list(table.columns).index("arch")] += "*"
        layout.add_row(*(cell.removeprefix(f"{family}:") for cell in cells))
    return layout


def _in_order(columns: list[str]) -> list[str]:
    """The columns, with the fraction of a budget right after its cost, and what belongs to a fitted score."""
    after = [
        name + ending
        for name in columns
        for ending in (("_share",) if not is_fitted(name) else (*FITTED, "_share"))
        if name + ending in columns
    ]
    plain = [name for name in columns if name not in after]
    return [
        column
        for name in plain
        for column in (name, *(name + ending for ending in (*FITTED, "_share")))
        if column == name or column in after
    ]


def _that_fit(table: pd.DataFrame) -> list[str]:
    """The columns that fit 80 characters beside latencies and predictions; CSV and JSON contain all."""
    columns = _in_order(list(table.columns))
    fitted = [name for name in columns if is_fitted(name)]
    if not fitted and not any(map(is_median, columns)):
        return columns
    expected = [name for name in fitted if f"{name}_expected" in columns]
    left_out = ["macs", "found", *expected, *(f"{name}{OUTSIDE}" for name in fitted)]
    if expected or len(fitted) > 2:
        left_out += [f"{name}_half" for name in fitted if name not in expected]
    if len(fitted) > 3:
        left_out += ["params", *(["nn_mass"] if expected else [])]
    return [
        name
        for name in columns
        if name not in left_out and not name.endswith("_share") and not is_quartile(name)
    ]
