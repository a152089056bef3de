"""The tables of a search: its candidates, best first, and the references ranked by the same rules."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nas.bounds import COSTS
from nas.fitted.sum import FittedSum
from nas.goal import MAXIMIZE, MINIMIZE, Goal
from nas.resolutions import Tables
from nas.score import peak_of, score
from nas.tables import FIGURES, PEAK, Population
from search_spaces import Architecture, Space
from search_spaces.space import RESOLUTION

Scores: TypeAlias = Mapping[str, float]
"""Values by spec of the score that a goal optimises first, if the stage tables do not contain it."""

Ranks: TypeAlias = "Callable[[pd.DataFrame], pd.Series[int]]"
"""Gives the rank of each row of a table; missing if it is not known."""


def candidates(
    space: Space,
    tables: Tables,
    goal: Goal,
    population: Population,
    scores: Scores | None = None,
    ordered: bool = True,
) -> pd.DataFrame:
    """The distinct architectures of a population that meet the bounds, best first.

    Args:
        population: One row per trial, in the order of the trials.
        scores: The scores of all that meet the bounds, if the stage tables do not contain them.
        ordered: Whether the trials have an order; those of many workers have none.

    Returns:
        rank (from 1), arch (spec), the score by its name if it is not NN-Mass, nn_mass, flops, macs, params,
        the used fraction of each budget (`flops_share`), found ("trial 7", the first trial that proposed it;
        "study" if they have no order), and for a goal of two objectives front, as in `ranked`.
    """
    meets = goal.meets(tables.score(population))
    networks, first = np.unique(tables.canonical(population[meets]), axis=0, return_index=True)
    numbers = np.flatnonzero(meets)[first]
    trials = pd.Series([f"trial {number}" if ordered else "study" for number in numbers], dtype=str)
    return ranked(figures_of(space, tables, goal, networks, scores).assign(found=trials), goal)


def figures_of(
    space: Space, tables: Tables, goal: Goal, population: Population, scores: Scores | None = None
) -> pd.DataFrame:
    """A row for each row of a population: arch (spec), resolution if it is a choice, the score that is not
    NN-Mass, if any, nn_mass, flops, macs, params, peak_memory if it is limited, and the used fraction of each
    budget.
    """
    specs = pd.Series([str(space.of_options(row)) for row in population.tolist()], dtype=str)
    columns = tables.score(population)
    values = _scored(specs, goal, scores)
    for one in tables.sums:
        values[one.name] = columns.pop(one.name)
        if isinstance(one, FittedSum):
            networks = (space.of_options(row) for row in population.tolist())
            objective = one.name == goal.optimise[0][0]
            values |= one.score.columns(values[one.name], networks, objective, chosen=objective)
    sides = [space.resolutions[row[0]] for row in population.tolist()] if space.resolutions else []
    first = {"arch": specs, RESOLUTION: sides} if space.resolutions else {"arch": specs}
    return _with_shares(pd.DataFrame({**first, **values, **columns}), goal)


def ranked(table: pd.DataFrame, goal: Goal) -> pd.DataFrame:
    """Sort a table best first, and add the column rank, from 1.

    For a goal of two objectives, add the column front: whether a row is on the Pareto front. These rows come
    first; of several with equal objectives only the first is on the front.
    """
    table = sorted_by(table, goal)
    if len(goal.optimise) > 1:
        table = table.assign(front=_not_dominated(table, goal))
        table = table.sort_values("front", ascending=False, kind="stable", ignore_index=True)
    return table.assign(rank=table.index + 1)[["rank", *table.columns]]


def references(
    named: Mapping[str, Architecture],
    tables: Tables,
    goal: Goal,
    found: pd.DataFrame,
    scores: Scores | None = None,
    ranks: Ranks | None = None,
    sides: bool = False,
) -> pd.DataFrame:
    """Named architectures with the columns of the candidates, and the ranks they would have.

    Args:
        tables: The stage tables of the candidates, which name the scores.
        found: The candidates.
        ranks: Gives the true ranks of rows that meet the bounds; by default they are ranked among `found`.
        sides: Whether there is a column of resolutions.

    Returns:
        name, rank, then as `candidates`. The rank is missing if a bound is not met, if the score or the rank
        is not known, or if a network of the front is better in one objective and no worse in the other.
    """
    rows = [
        {
            "name": name,
            "arch": str(reference),
            **({RESOLUTION: reference.constants().get(RESOLUTION)} if sides else {}),
            **_predicted(tables, goal, reference),
            **score(reference),
            **_peak(tables, reference),
        }
        for name, reference in named.items()
    ]
    peak = [] if tables.element_bytes is None else [PEAK]
    columns = [
        "name",
        "arch",
        *([RESOLUTION] if sides else []),
        *tables.names[len(FIGURES) :],
        *FIGURES,
        *peak,
    ]
    table = pd.DataFrame(rows, columns=None if rows else columns)
    for column, values in _scored(table["arch"], goal, scores).items():
        table.insert(2, column, values)
    limited = ("flops", *(bound.figure for bound in goal.bounds))
    meets = goal.meets({name: table[name].to_numpy() for name in limited})
    meets &= table[goal.optimise[0][0]].notna().to_numpy()
    ranked = (ranks or _among(found, goal))(table[meets])
    table.insert(1, "rank", ranked.reindex(table.index))
    return sorted_by(_with_shares(table, goal), goal)


def _predicted(tables: Tables, goal: Goal, network: Architecture) -> dict[str, Any]:
    """The sums over stages of a network that was not chosen by them, with the columns of fitted scores."""
    found: dict[str, Any] = {}
    for one in tables.sums:
        found[one.name] = one.of(network)
        if isinstance(one, FittedSum):
            objective = one.name == goal.optimise[0][0]
            columns = one.score.columns([found[one.name]], [network], objective, chosen=False)
            found |= {name: values[0] for name, values in columns.items()}
    return found


def _peak(tables: Tables, network: Architecture) -> dict[str, float]:
    """The peak memory of a network, if it has a column."""
    return {} if tables.element_bytes is None else {PEAK: peak_of(network, tables.element_bytes)}


def _among(found: pd.DataFrame, goal: Goal) -> Ranks:
    """Ranks among the candidates, or along their front."""
    keys = sort_keys(found[found["front"]] if "front" in found else found, goal)

    def ranks(table: pd.DataFrame) -> pd.Series[int]:
        places = [
            pd.NA if _beaten(row, found, goal) else bisect_left(keys, key) + 1
            for row, key in zip(table.to_dict("records"), sort_keys(table, goal), strict=True)
        ]
        return pd.Series(places, table.index, dtype="Int64")

    return ranks


def _scored(specs: pd.Series[str], goal: Goal, scores: Scores | None) -> dict[str, pd.Series[float]]:
    """The column of the score, if `scores` is given; missing values were not measured."""
    (name, _), *_ = goal.optimise
    return {} if scores is None else {name: specs.map(scores).astype(float)}


def _with_shares(table: pd.DataFrame, goal: Goal) -> pd.DataFrame:
    fractions = {
        f"{bound.figure}_share": bound.fraction(table[bound.figure])
        for bound in goal.bounds
        if bound.figure in (*COSTS, PEAK)
    }
    return table.assign(**fractions)


def sort_keys(table: pd.DataFrame, goal: Goal) -> list[tuple[float | str, ...]]:
    """The sort key of each row; the best row has the smallest."""
    columns = (_signed(table, name, MINIMIZE if ascends else MAXIMIZE) for name, ascends in goal.order)
    columns = (column.fillna(np.inf) if column.dtype == float else column for column in columns)
    return list(zip(*columns, strict=True))


def sorted_by(table: pd.DataFrame, goal: Goal) -> pd.DataFrame:
    """The rows, best first."""
    keys = sort_keys(table, goal)
    return table.iloc[sorted(range(len(table)), key=keys.__getitem__)].reset_index(drop=True)


def _not_dominated(table: pd.DataFrame, goal: Goal) -> NDArray[np.bool_]:
    """Whether each row, in the order of the first objective, is better in the second than all before it."""
    values = _signed(table, *goal.optimise[1]).to_numpy(float)
    best_before = np.minimum.accumulate(np.concatenate([[np.inf], values[:-1]]))
    kept: NDArray[np.bool_] = values < best_before
    return kept


def _beaten(figures: Mapping[Any, Any], found: pd.DataFrame, goal: Goal) -> bool:
    """Whether a candidate is better in one of two objectives and no worse in the other."""
    if len(goal.optimise) == 1:
        return False
    differences = [_signed(found, *aim) - _signed(figures, *aim) for aim in goal.optimise]
    no_worse = np.logical_and.reduce([difference <= 0 for difference in differences])
    better = np.logical_or.reduce([difference < 0 for difference in differences])
    return bool(np.any(no_worse & better))


def _signed(table: Any, figure: str, direction: str) -> Any:
    """The values of a column, negated if more is better."""
    return -table[figure] if direction == MAXIMIZE else table[figure]
