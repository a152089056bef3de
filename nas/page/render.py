"""A page as HTML: the template laid out with its values, the script and the charts' library inside."""

from __future__ import annotations

import hashlib
import json
import math
from base64 import b64encode
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import pandas as pd

from nas.columns import column
from nas.files import check_target, write_whole
from nas.page.data import Judged, Page, Run
from nas.page.networks import networks_of
from nas.runs import versions, writing
from search_spaces import RequestError

MARK = b'<meta name="generator" content="zero-cost-nas report">'
"""What the first bytes of every page contain: a file without it is not ours to replace."""
_HEAD = 2000
_PLOTS = 6
"""Spaces that are plotted, at most."""
SUFFIX = ".html"
_UNSAFE = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def page_of(runs: Sequence[Run]) -> Page:
    """A page of some runs, with notes on what does not compare."""
    networks = networks_of(runs)
    spaces = list(dict.fromkeys(networks.spaces))
    notes = [f"{run.name}: {note}" if len(runs) > 1 else note for run in runs for note in run.notes]
    if len(spaces) > 1:
        shown = "side by side" if len(spaces) <= _PLOTS else f"the first {_PLOTS} side by side"
        notes.append(
            f"The networks are of different spaces ({', '.join(spaces)}), shown {shown}: NN-Mass does not"
            " compare them."
        )
    return Page(tuple(runs), networks, tuple(notes))


def html(page: Page) -> str:
    """A page as one HTML document that loads nothing and runs no script but its own."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("nas.page", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["written"] = _written
    scripts = [_own("vega.js"), _own("page.js")]
    hashes = " ".join(f"'sha256-{_digest(script)}'" for script in scripts)
    return environment.get_template("page.html.j2").render(
        page=page,
        policy=f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:;"
        " base-uri 'none'; form-action 'none'",
        style=_own("page.css"),
        scripts=scripts,
        values=embedded(_values(page)),
        versions=versions(["zero-cost-nas"]),
        column=column,
        commands=[_first_command(page, number) for number in range(len(page.runs))],
        base64=lambda content: b64encode(content).decode(),
    )


def _first_command(page: Page, run: int) -> str:
    """The command that trains the first network of a run that is chosen from; empty if there is none."""
    networks = page.networks
    rows = [row for row, of in enumerate(networks.runs) if of == run]
    front = next((one.values for one in networks.fields if one.key == "front"), None)
    is_front = front is not None and any(front[row] for row in rows)
    if page.runs[run].kind not in ("search", "table") or is_front or not rows:
        return ""
    return networks.commands[rows[0]]


def write(page: Page, path: Path) -> None:
    """Write a page, whole or not at all.

    Raises:
        RequestError: The file cannot be written, or is something else than a page of this command.
    """
    check_writable(path)
    content = html(page)
    with writing(path):
        write_whole(path, content.encode(errors="backslashreplace"))


def check_writable(path: Path) -> None:
    """Check that a page may be written, as far as can be known before it is made.

    Raises:
        RequestError: The name does not end in .html, there is a file that is no page, or no such folder.
    """
    check_target("--out", path, SUFFIX)
    if not path.exists():
        return
    with writing(path), path.open("rb") as file:
        ours = MARK in file.read(_HEAD)
    if not ours:
        raise RequestError(f"{path} exists and is no page of nas report; remove it, or choose another --out")


def embedded(value: object) -> str:
    """JSON for a script element: no text in it can end the element.

    >>> embedded({"arch": "</script>"})
    '{"arch":"\\\\u003c/script\\\\u003e"}'
    """
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    for character, escape in _UNSAFE.items():
        text = text.replace(character, escape)
    return text


def _own(name: str) -> str:
    return (files("nas.page") / name).read_text(encoding="utf-8")


def _digest(script: str) -> str:
    return b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _values(page: Page) -> Mapping[str, Any]:
    """What the script reads."""
    networks = page.networks
    return {
        "plots": _PLOTS,
        "runs": [{"name": run.name, "kind": run.kind, "x": run.axes.x, "y": run.axes.y} for run in page.runs],
        "networks": vars(networks) | {"fields": [vars(one) for one in networks.fields]},
        "judged": [_judged(run.judged, number) for number, run in enumerate(page.runs) if run.judged],
        "curves": [
            _curves(run.curves, number) for number, run in enumerate(page.runs) if run.curves is not None
        ],
    }


def _judged(judged: Judged, run: int) -> dict[str, Any]:
    named = judged.rho.to_dict("records") if {"score", "rho"} <= set(judged.rho) else []
    return {
        "run": run,
        "caveat": judged.caveat,
        "scores": [
            {
                "score": str(row["score"]),
                "title": column(str(row["score"])).label(),
                **{name: _number(row.get(name)) for name in ("rho", "rho_low", "rho_high", "networks", "n")},
                "logarithmic": _logarithmic(str(row["score"])),
            }
            for row in named
        ],
        "points": None if judged.points is None else _columns(judged.points),
    }


def _logarithmic(score: str) -> bool:
    from nas import proxies

    found = proxies.named(score)
    return bool(found and found.logarithmic)


def _curves(curves: pd.DataFrame, run: int) -> dict[str, Any]:
    return {
        "run": run,
        "columns": _columns(curves[[name for name in curves if name in _OF_CURVES]]),
        "titles": {name: column(name).label() for name in _OF_CURVES},
    }


_OF_CURVES = ("arch", "seed", "number", "train_loss", "tested_on", "top1", "top5")


def _columns(table: pd.DataFrame) -> dict[str, list[object]]:
    """The columns of a table as JSON holds them: texts, finite numbers, and None."""
    return {
        str(name): [value if isinstance(value, str) else _number(value) for value in table[name]]
        for name in table.columns
    }


def _number(value: Any) -> float | None:
    try:
        return float(value) if math.isfinite(value) else None
    except (TypeError, OverflowError):
        return None


def _written(value: Any, name: str) -> str:
    """A cell of a small table as text."""
    return str(column(name).written(value))
