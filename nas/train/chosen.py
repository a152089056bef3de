"""What is trained: rows of a table of results, or architectures given by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

import search_spaces
from nas.files import check_regular
from search_spaces import Architecture, RequestError

_EXPECTED = "expected the candidates.csv of a search"


def by_hand(specs: Sequence[str]) -> list[Architecture]:
    """Architectures given as space:spec or space:reference."""
    return [search_spaces.parse(spec) for spec in specs]


def from_table(path: Path, top: int | None, rows: Sequence[int] | None) -> list[Architecture]:
    """Architectures of a table's first rows, or of given rows, counted from 1.

    Raises:
        RequestError: It is no table of architectures, or it has no such rows.
    """
    return by_hand(specs_of(path, top, rows))


def specs_of(path: Path, top: int | None, rows: Sequence[int] | None) -> list[str]:
    """The specs in a table's first rows, or in given rows, counted from 1; none is parsed.

    Raises:
        RequestError: It is no table of architectures, or it has no such rows.
    """
    try:
        check_regular(path)
        table = pd.read_csv(path, index_col=False)
    except FileNotFoundError:
        raise RequestError(f"{path}: there is no such file; {_EXPECTED}") from None
    except (OSError, ValueError) as error:
        raise RequestError(f"{path} is no table ({error}); {_EXPECTED}") from None
    if "arch" not in table.columns or table.empty:
        raise RequestError(f"{path} has no column 'arch' with architectures in it; {_EXPECTED}")
    if rows is not None and top is not None:
        raise RequestError("--top and --rows both choose rows; give one")
    asked, last = (f"--top {top}", top or 1) if rows is None else (f"row {max(rows)}", max(rows))
    if not 1 <= last <= len(table) or (rows is not None and min(rows) < 1):
        raise RequestError(f"{path} has rows 1 to {len(table)}, not {asked}")
    wanted = rows if rows is not None else range(1, (top or len(table)) + 1)
    return [str(table["arch"].iloc[row - 1]) for row in wanted]
