"""Tables of a study read again: whole, or refused in a line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from pandas.api.types import is_numeric_dtype

from nas.files import check_regular
from search_spaces import RequestError


def columns_of(scores: Sequence[str]) -> list[str]:
    """The columns of some scores in a table: of each its value, and the seconds that it took."""
    return [column for name in scores for column in (name, f"{name}_seconds")]


def read_table(path: Path, numbers: Sequence[str], known: Sequence[str] = ()) -> pd.DataFrame:
    """A table of networks that a study wrote.

    Args:
        path: A CSV file.
        numbers: Columns that must be there beside `arch`, and hold numbers.
        known: Further such columns, which every network must have a number in.

    Raises:
        RequestError: It cannot be read, lacks a column, or has something else in it.
    """
    numbers = (*numbers, *known)
    expected = f"expected a table with {', '.join(('arch', *numbers))}"
    try:
        check_regular(path)
        table = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise RequestError(f"{path} is no table ({error}); {expected}") from None
    missing = [name for name in ("arch", *numbers) if name not in table]
    if missing:
        raise RequestError(f"{path} has no column {', '.join(missing)}; {expected}")
    for name in numbers:
        if not is_numeric_dtype(table[name]) or (name in known and table[name].isna().any()):
            raise RequestError(f"{path}: column {name} has something that is no number; {expected}")
    return table
