"""Tables of networks as a page holds them: the first rows, references, and small tables with a title."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from nas.page.data import CANDIDATE, REFERENCE, Listing
from nas.page.networks import MOST
from search_spaces import RequestError

EXPECTED = "expected the folder of a run, a table with a column arch, or a score of nas fit"
"""What `nas report` takes."""
Tables = Mapping[str, pd.DataFrame]
"""The tables of a run by name."""


def best(table: pd.DataFrame | None, path: Path) -> tuple[pd.DataFrame | None, tuple[str, ...]]:
    """The first rows of a table of networks, as many as a page holds, and what it leaves out, in words.

    Raises:
        RequestError: The table has no column arch.
    """
    if table is None or table.empty:
        return None, ()
    if "arch" not in table:
        raise RequestError(f"{path} has no column arch; {EXPECTED}")
    kept = table.head(MOST).assign(arch=table["arch"].head(MOST).astype(str))
    if len(table) <= MOST:
        return kept, ()
    return kept, (f"{path.name} has {len(table):,} networks; this page holds the first {MOST:,}.",)


def with_roles(candidates: pd.DataFrame, references: pd.DataFrame) -> pd.DataFrame:
    """Candidates, and references of those that have a spec, with their roles."""
    known = references.assign(arch=references["arch"].astype(str)) if "arch" in references else pd.DataFrame()
    tables = [candidates.assign(role=CANDIDATE), known.assign(role=REFERENCE)]
    return pd.concat([table for table in tables if len(table)], ignore_index=True)


def listings(tables: Tables, names: tuple[str, ...]) -> tuple[Listing, ...]:
    """The small tables of these names that a run has, with their titles."""
    titles = {
        "rules": "Choosing by each rule",
        "summary": "Choosing by each rule, over all budgets",
        "standing": "Given networks against the others",
        "pairs": "Pairs of equal NN-Mass and different size",
        "across_nn_mass": "Accuracy against NN-Mass, by base width",
        "across_params": "Accuracy against parameters, by base width",
    }
    return tuple(
        Listing(titles[name], tables[name].head(100))
        for name in names
        if name in tables and len(tables[name])
    )


def family_of(networks: pd.DataFrame) -> str:
    """The family of all networks of a table; empty if there are several."""
    families = networks["arch"].str.partition(":")[0].unique()
    return str(families[0]) if len(families) == 1 else ""
