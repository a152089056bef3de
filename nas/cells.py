"""Texts in cells of CSVs: none is a formula to a spreadsheet, and reading gives each back as it was."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

_FORMULA = re.compile(r"'*[=+\-@\t\r\n].", re.DOTALL)
"""How texts begin that a spreadsheet takes for formulas, and those that `harmless` makes of them."""


def harmless(value: Any) -> Any:
    """A cell that starts no formula: a text that would gets an apostrophe; numbers, in texts too, do not.

    >>> harmless("=1+1"), harmless("-1.5"), harmless(-1.5), harmless("a=b")
    ("'=1+1", '-1.5', -1.5, 'a=b')
    """
    return f"'{value}" if isinstance(value, str) and _is_formula(value) else value


def original(value: Any) -> Any:
    """The inverse of `harmless`.

    >>> original(harmless("@cat")), original(harmless("'=x")), original("'tis")
    ('@cat', "'=x", "'tis")
    """
    marked = isinstance(value, str) and value.startswith("'") and _is_formula(value[1:])
    return value[1:] if marked else value


def with_harmless_cells(table: pd.DataFrame) -> pd.DataFrame:
    """A table whose texts and headings start no formula."""
    return _mapped(table, harmless)


def with_original_cells(table: pd.DataFrame) -> pd.DataFrame:
    """The inverse of `with_harmless_cells`."""
    return _mapped(table, original)


def _mapped(table: pd.DataFrame, function: Any) -> pd.DataFrame:
    from pandas.api.types import is_numeric_dtype

    mapped = table.copy(deep=False)
    for place in range(table.shape[1]):
        column = table.iloc[:, place]
        if not is_numeric_dtype(column.dtype):
            values = [function(value) for value in column]
            if any(new is not old for new, old in zip(values, column, strict=True)):
                mapped.isetitem(place, values)
    mapped.columns = mapped.columns.map(function)
    return mapped


def _is_formula(text: str) -> bool:
    if not _FORMULA.match(text):
        return False
    try:
        float(text)
    except ValueError:
        return True
    return False
