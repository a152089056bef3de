"""How tables look: in a terminal of 80 columns, as CSV, as JSON."""

from __future__ import annotations

import json
import math
from typing import Any

import pandas as pd
from rich import box
from rich.console import Console, RenderableType
from rich.table import Table

from nas.latency import is_median, is_quartile, milliseconds, title
from nas.query import quantity

_TITLES = {
    "nn_mass": "NN-Mass",
    "flops": "FLOPs",
    "macs": "MACs",
    "top1": "top-1",
    "top1_low": "from",
    "top1_high": "to",
}


def show(table: pd.DataFrame, form: str = "table", family: str = "", break_before: int | None = None) -> None:
    """Print a table.

    Args:
        form: One of `nas.cli.FORMATS`; CSV and JSON give full precision.
        family: In a terminal, this family is left out before the specs.
        break_before: In a terminal, a row to draw a line above.
    """
    if form == "csv":
        print(table.to_csv(index=False), end="")
    elif form == "json":
        print(json.dumps(records(table), indent=2))
    else:
        # Printed by us: rich ends the process with an error where the reader of a pipe has gone.
        print(rendered(_drawn(table, family, break_before)), end="")


def records(table: pd.DataFrame) -> list[dict[Any, Any]]:
    """The rows as plain values; None where there is none, and for a number that JSON has not."""
    there = table.notna() & ~table.isin([math.inf, -math.inf])
    records: list[dict[Any, Any]] = table.astype(object).where(there, None).to_dict("records")
    return records


def rendered(content: RenderableType) -> str:
    """Text or a table, laid out for the terminal."""
    console = Console(highlight=False, markup=False)
    with console.capture() as capture:
        console.print(content)
    return capture.get()


def _drawn(table: pd.DataFrame, family: str, break_before: int | None) -> Table:
    table = table[_with_room_for_latencies(_beside_their_costs(list(table.columns)))]
    drawn = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for name in table.columns:
        number = name not in ("name", "arch", "options", "base")
        heading = title(name) if is_median(name) else _TITLES.get(name, name)
        if name.endswith("_share"):
            heading = f"% {_TITLES.get(cost := name.removesuffix('_share'), cost)}"
        drawn.add_column(heading, justify="right" if number else "left", no_wrap=number, overflow="fold")
    for position, (_, row) in enumerate(table.iterrows()):
        if position == break_before:
            drawn.add_section()
        drawn.add_row(*(_cell(name, row[name], family) for name in table.columns))
    return drawn


def _beside_their_costs(columns: list[str]) -> list[str]:
    """The columns with the share of each budget right after its cost."""
    plain = [name for name in columns if not name.endswith("_share")]
    return [column for name in plain for column in (name, f"{name}_share") if column in columns]


def _with_room_for_latencies(columns: list[str]) -> list[str]:
    """The columns that 80 characters have room for beside latencies; CSV and JSON have all of them."""
    if not any(map(is_median, columns)):
        return columns
    left_out = ("macs", "found")
    return [
        name
        for name in columns
        if name not in left_out and not name.endswith("_share") and not is_quartile(name)
    ]


def _cell(name: str, value: object, family: str) -> str:
    if pd.isna(value):  # type: ignore[call-overload]
        return "-"
    if name.endswith("_share"):
        share = float(value)  # type: ignore[arg-type]
        return f"{math.floor(100 * share) if share <= 1 else math.ceil(100 * share)}%"
    if name in ("flops", "macs", "params"):
        return quantity(int(value))  # type: ignore[call-overload]
    if name in ("top1", "top1_low", "top1_high", "top5"):
        return f"{float(value):.2f}%"  # type: ignore[arg-type]
    if name == "nn_mass":
        return f"{float(value):.1f}"  # type: ignore[arg-type]
    if is_median(name):
        return milliseconds(float(value))  # type: ignore[arg-type]
    if isinstance(value, float):
        return f"{value:.5g}"
    return str(value).removeprefix(f"{family}:")
