"""Exact answers about whole spaces: the proven best inside budgets, whole Pareto fronts, counts and even
draws.

All work on any space, by name or as a `search_spaces.Space`, in a fraction of a second to a few seconds,
whatever its size, because its architectures are chains of stages. Budgets are written as on the command line:
"400M", "380M:400M", a number or a tuple.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from nas.exact.problem import Problem, Proven
    from nas.query import Written
    from search_spaces import Architecture, Space
    from search_spaces.architecture import Value


def best(
    space: str | Space,
    k: int = 1,
    *,
    flops: Written | None = None,
    macs: Written | None = None,
    params: Written | None = None,
    like: str | Architecture | None = None,
    minimize: str | None = None,
    across_widths: bool = False,
    fix: Mapping[str, Value] | None = None,
) -> pd.DataFrame:
    """The k architectures of the largest NN-Mass inside budgets, or with `like` those of the least cost.

    Args:
        k: How many; there may be fewer.
        flops, macs, params, like, minimize, across_widths, fix: As in `nas.search`.

    Returns:
        rank, arch, nn_mass, flops, macs, params and the share used of each budget, best first, ranked as a
        search ranks. `attrs["gap"]` is the largest share by which an architecture that is not in the table
        could be better than the last that is: 0 where the table is proven, which it is but for narrow bands
        on several costs in very large spaces.

    Raises:
        RequestError: The question makes no sense, or no architecture meets the budgets.
        TypeError: An argument is of another kind.

    >>> best("mobilenet", flops="400M")[["arch", "nn_mass"]].to_dict("records")
    [{'arch': 'mobilenet:w0.85_d2-1-2-6-5-5-3', 'nn_mass': 2811.0}]
    """
    from nas.exact.problem import proven_best
    from nas.optimize.request import MOST_ROWS
    from search_spaces import Architecture
    from search_spaces.errors import checked_kind, checked_whole

    k = checked_whole("k", k, 1, MOST_ROWS)
    checked_kind("like", like, (str, Architecture, type(None)), "a reference or spec")
    problem = _problem(
        space,
        flops,
        macs,
        params,
        fix,
        like=None if like is None else str(like),
        minimize=minimize,
        across_widths=across_widths,
    )
    return _ranked(problem, proven_best(problem, k))


def front(
    space: str | Space,
    cost: str = "flops",
    *,
    flops: Written | None = None,
    macs: Written | None = None,
    params: Written | None = None,
    fix: Mapping[str, Value] | None = None,
) -> pd.DataFrame:
    """The Pareto front of NN-Mass against a cost: all that no other matches in both. Of equals it has one.

    Returns:
        As `best`, the largest NN-Mass first; `attrs["gap"]` is the largest share of NN-Mass by which the
        front could be too low anywhere.

    Raises:
        RequestError: The question makes no sense, or no architecture meets the budgets.
        TypeError: An argument is of another kind.

    >>> table = front("mlp", "params", flops="20K")
    >>> len(table), table["nn_mass"].is_monotonic_decreasing, table["params"].is_monotonic_decreasing
    (147, True, True)
    """
    from nas.exact.problem import proven_front
    from nas.query import checked_cost

    checked_cost("cost", cost)
    problem = _problem(space, flops, macs, params, fix, pareto=cost)
    return _ranked(problem, proven_front(problem))


def count(
    space: str | Space,
    *,
    flops: Written | None = None,
    macs: Written | None = None,
    params: Written | None = None,
    fix: Mapping[str, Value] | None = None,
) -> int:
    """How many different networks lie inside budgets; choices without effect do not count twice.

    Exact in spaces of up to a million networks, and under one budget wherever its values lie on a grid of a
    million levels or so, as in mobilenet-wide up to some 530M FLOPs. Else sums are rounded to a grid: under
    one budget by a few millionths of it, under several by about a hundredth in the worst case, with errors
    that mostly cancel. `estimate` tells which.

    Raises:
        RequestError: The question makes no sense.
        TypeError: An argument is of another kind.

    >>> count("mobilenet"), count("mobilenet", flops="400M"), count("mobilenet", flops="1M")
    (594000, 372108, 0)
    """
    return estimate(space, flops=flops, macs=macs, params=params, fix=fix)[0]


def estimate(
    space: str | Space,
    *,
    flops: Written | None = None,
    macs: Written | None = None,
    params: Written | None = None,
    fix: Mapping[str, Value] | None = None,
) -> tuple[int, float]:
    """`count`, and the largest share of a budget by which its sums were rounded: 0 if it is exact."""
    from nas.exact.problem import inside_of

    inside = inside_of(_problem(space, flops, macs, params, fix, feasible=False))
    return inside.count, inside.rounding


def sample(
    space: str | Space,
    n: int,
    seed: int = 0,
    *,
    flops: Written | None = None,
    macs: Written | None = None,
    params: Written | None = None,
    fix: Mapping[str, Value] | None = None,
) -> pd.DataFrame:
    """Networks drawn from inside budgets, each as likely as any other, independently: one can come twice.

    Nothing is rejected where the count is exact. Where sums are rounded, ends are drawn from a rim wider by
    the rounding, and those not truly inside are drawn again: the draws are even all the same.

    Args:
        n: How many.
        seed: The same seed and versions give the same table.

    Returns:
        arch, nn_mass, flops, macs, params and the share used of each budget, in the order drawn.

    Raises:
        RequestError: The question makes no sense, or no architecture meets the budgets.
        TypeError: An argument is of another kind.

    >>> table = sample("mobilenet", 100, seed=1, flops="380M:400M")
    >>> len(table), bool(table["flops"].between(380e6, 400e6).all())
    (100, True)
    """
    import numpy as np

    from nas.exact.problem import inside_of
    from nas.optimize.request import MOST_DRAWN, MOST_SEED
    from nas.ranking import figures_of
    from search_spaces import RequestError
    from search_spaces.errors import checked_whole

    n, seed = checked_whole("n", n, 0, MOST_DRAWN), checked_whole("seed", seed, 0, MOST_SEED)
    problem = _problem(space, flops, macs, params, fix)
    paths = inside_of(problem).draw(n, np.random.default_rng(seed))
    if len(paths) < n:
        raise RequestError(
            f"no network to draw has {' and '.join(map(str, problem.goal.bounds))}; widen the budgets"
        )
    return figures_of(problem.space, problem.tables, problem.goal, problem.graph.population(paths))


def _problem(
    space: str | Space,
    flops: Written | None,
    macs: Written | None,
    params: Written | None,
    fix: Mapping[str, Value] | None,
    feasible: bool = True,
    **asked: Any,
) -> Problem:
    from nas.exact.problem import Problem
    from nas.query import Query, as_text
    from search_spaces import Space
    from search_spaces.errors import checked_kind

    checked_kind("space", space, (str, Space), "the name of a space or a search_spaces.Space")
    written = {"flops": flops, "macs": macs, "params": params}
    question = Query(
        space=space if isinstance(space, str) else space.name,
        budgets={cost: as_text(budget) for cost, budget in written.items() if budget is not None},
        fix={} if fix is None else fix,
        **asked,
    )
    return Problem.of(question, None if isinstance(space, str) else space, feasible)


def _ranked(problem: Problem, proven: Proven) -> pd.DataFrame:
    from nas.ranking import figures_of, ranked
    from search_spaces import RequestError

    if not len(proven.population):
        bounds = " and ".join(map(str, problem.goal.bounds))
        raise RequestError(
            f"no network was found that has {bounds}, though some may have; widen"
            " the budgets, or draw some (--sample)"
        )
    table = ranked(figures_of(problem.space, problem.tables, problem.goal, proven.population), problem.goal)
    table.attrs["gap"] = proven.gap
    return table
