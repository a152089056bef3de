"""Networks as arguments of the Python functions: one, several, or the column `arch` of a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from search_spaces import Architecture, RequestError
from search_spaces.errors import shown

if TYPE_CHECKING:
    import pandas as pd

One: TypeAlias = Architecture | str
"""An architecture, or its spec as "space:spec" or "space:reference"."""
Many: TypeAlias = (
    "list[Architecture] | list[str] | list[One] | tuple[One, ...] | pd.Series[str] | pd.DataFrame"
)
"""Several architectures, or a table with a column `arch`."""

_EXPECTED = "expected an architecture, a spec SPACE:SPEC, a list of these, or a table with a column arch"


def listed(name: str, networks: One | Many) -> list[One]:
    """Networks as a list, in the order given; specs are not parsed.

    Args:
        name: Name of the argument, for error messages.
        networks: One network or several.

    Raises:
        RequestError: The list is empty, or the table has no column `arch`.
        TypeError: The argument, or one of its items, is not a network.

    >>> listed("networks", "mlp:mlp_8"), listed("networks", ("mlp:mlp_8", "mlp:mlp_16"))
    (['mlp:mlp_8'], ['mlp:mlp_8', 'mlp:mlp_16'])
    """
    if isinstance(networks, Architecture | str):
        return [networks]
    column: Any = networks
    if hasattr(column, "columns"):
        if "arch" not in column.columns:
            raise RequestError(f"{name} is a table without a column arch; {_EXPECTED}")
        column = column["arch"]
    if isinstance(column, Mapping | bytes) or not isinstance(column, Iterable):
        raise TypeError(f"{name} is {shown(column)}, {_EXPECTED}")
    several: list[Any] = list(column)
    if not several:
        raise RequestError(f"{name} is empty, expected at least one architecture")
    for one in several:
        if not isinstance(one, Architecture | str):
            raise TypeError(f"{name} has {shown(one)} in it, {_EXPECTED}")
    return several
