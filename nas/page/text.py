"""Sentences of a page from values of tables and of run.json, whose types nobody has checked."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

import pandas as pd

from nas.columns import column
from nas.commands import COMMANDS

_LONGEST = 120
_MODULES = "python -m nas."


def state_text(state: Mapping[str, Any], *keys: str) -> str:
    """A text inside a run.json; empty if there is none.

    >>> state_text({"proof": {"sentence": "Proven."}}, "proof", "sentence"), state_text({"proof": 3}, "proof")
    ('Proven.', '')
    """
    value: Any = state
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, str) else ""


def state_texts(state: Mapping[str, Any], key: str) -> dict[str, str]:
    """The texts of an object inside a run.json, by name."""
    values = state.get(key)
    if not isinstance(values, dict):
        return {}
    return {str(name): value for name, value in values.items() if isinstance(value, str)}


def own_command(text: str) -> str:
    """A command of this package, as a run.json has it, by the console script; empty for anything else.

    >>> own_command("python -m nas.search --space mlp"), own_command("python -m nas.search; reboot")
    ('nas search --space mlp', '')
    """
    try:
        whole = text.isprintable() and shlex.join(shlex.split(text)) == text
    except ValueError:
        return ""
    name = text.removeprefix(_MODULES)
    return f"nas {name}" if whole and name != text and name.split(" ")[0] in COMMANDS else ""


def counted(number: int, what: str) -> str:
    """A number of things.

    >>> counted(1, "network"), counted(1234, "network")
    ('1 network', '1,234 networks')
    """
    return f"{number:,} {what}{'s' * (number != 1)}"


def shortest(spec: str) -> str:
    """A spec without its space, of a length that fits a sentence."""
    short = spec.rpartition(":")[2] or spec
    return short if len(short) <= _LONGEST else f"{short[:_LONGEST]}…"


def costs_of(row: pd.Series[Any]) -> str:
    """The costs of a network in words."""
    units = {"flops": "FLOPs", "params": "parameters"}
    known = [(name, unit) for name, unit in units.items() if name in row and pd.notna(row[name])]
    return ", ".join(f"{column(name).written(row[name])} {unit}" for name, unit in known)


def first(table: pd.DataFrame, score: str) -> str:
    """The first row in a sentence; of a front its two ends."""
    front = table[table["front"].eq(True)] if "front" in table else table.head(0)
    if len(front) < 2:
        return f"{_row(table.iloc[0], score)}."
    ends = " to ".join(_row(front.iloc[place], score) for place in (0, -1))
    return f"{len(front):,} networks on the front, from {ends}."


def _row(row: pd.Series[Any], score: str) -> str:
    """A network with the value of its score and its costs, in words."""
    name = f"{score}_expected" if f"{score}_expected" in row else score
    title, _, unit = column(score).label().partition(", ")
    unit = f" {unit}" if unit not in ("", "%") else unit
    if name not in row:
        return f"{shortest(str(row['arch']))}: {costs_of(row)}"
    number = f"{column(name).written(row[name])}{unit}"
    value = f"{title} {number}" if name == score else f"{number} expected by {title}"
    return f"{shortest(str(row['arch']))}: {value}, {costs_of(row)}"


def quoted(text: object) -> str:
    """A word of a command."""
    return shlex.quote(str(text))
