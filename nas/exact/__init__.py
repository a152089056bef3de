"""Exact answers about whole spaces: proven optima inside budgets, Pareto fronts, counts and uniform samples.

All functions take any space, by name or as a `search_spaces.Space`, and need at most a few seconds for any
size, because architectures are chains of stages. Budgets are written as on the command line ("400M",
"380M:400M"), or as a number or a tuple. Further arguments are options of `nas exact`, by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nas.arguments import takes_options

if TYPE_CHECKING:
    import pandas as pd

    from nas.bounds import Written
    from nas.exact.problem import Proven
    from nas.exact.resolutions import AnyProblem
    from search_spaces import Architecture, Space
    from search_spaces.architecture import Value

_QUERY = "nas.query:Query"
_GOAL = ("like", "minimize", "across_widths", "pareto", "score")
"""Options of what is optimised, which counts and samples have none of."""


@takes_options(_QUERY, exclude=("pareto",))
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
    score: str | None = None,
    fix: Mapping[str, Value] | None = None,
    **options: Any,
) -> pd.DataFrame:
    """The k architectures with the largest NN-Mass, or the best other score, inside budgets; or, with `like`,
    with the least cost.

    Args:
        k: Number of architectures, from 1; the result has fewer if fewer exist.
        flops, macs, params, like, minimize, across_widths, fix: As in `nas.search`.
        score: Name of a registered score that is a sum over stages, to rank by instead of NN-Mass.

    Returns:
        rank, arch, the score if it is not NN-Mass, nn_mass, flops, macs, params and the used fraction of each
        budget, best first, ranked as in a search. `attrs["gap"]` is the largest fraction by which an
        architecture outside the table could be better than the last one in it. It is 0 if the table is
        proven, and positive only for narrow bands on several costs in very large spaces.

    Raises:
        RequestError: The request is wrong, or no architecture meets the budgets.
        TypeError: An argument has a wrong type.

    >>> best("mobilenet", flops="400M")[["arch", "nn_mass"]].to_dict("records")
    [{'arch': 'mobilenet:w0.8_d2-2-5-6-5-5-3', 'nn_mass': 2785.0}]
    >>> best("mobilenet", flops="400M", score="root_params")["arch"].item()
    'mobilenet:w0.95_d2-2-3-5-3-5-2'
    """
    from nas.exact.resolutions import proven_best
    from nas.query import as_fields
    from nas.values import MOST_ROWS
    from search_spaces.errors import checked_whole

    k = checked_whole("k", k, 1, MOST_ROWS)
    values = as_fields(flops, macs, params, like, fix=fix, minimize=minimize, score=score, **options)
    problem = _problem(space, {**values, "across_widths": across_widths})
    _check_score(problem)
    return _ranked(problem, proven_best(problem, k))


@takes_options(_QUERY, exclude=("like", "minimize", "across_widths", "pareto"))
def front(
    space: str | Space,
    cost: str = "flops",
    *,
    flops: Written | None = None,
    macs: Written | None = None,
    params: Written | None = None,
    score: str | None = None,
    fix: Mapping[str, Value] | None = None,
    **options: Any,
) -> pd.DataFrame:
    """The Pareto front of NN-Mass, or of another score, against a cost; of equal networks it contains one.

    Args:
        cost: "flops", "macs", "params", or a fitted score, as "latency-zcu102" or the path of its file.

    Returns:
        As `best`, the best score first; `attrs["gap"]` is the largest fraction of the score by which the
        front could be too low at any cost.

    Raises:
        RequestError: The request is wrong, or no architecture meets the budgets.
        TypeError: An argument has a wrong type.

    >>> table = front("mlp", "params", flops="20K")
    >>> len(table), table["nn_mass"].is_monotonic_decreasing, table["params"].is_monotonic_decreasing
    (147, True, True)
    """
    from nas.exact.resolutions import proven_front
    from nas.query import as_fields, checked_axis

    checked_axis("cost", cost)
    problem = _problem(space, as_fields(flops, macs, params, fix=fix, pareto=cost, score=score, **options))
    _check_score(problem)
    return _ranked(problem, proven_front(problem))


@takes_options(_QUERY, exclude=_GOAL)
def count(
    space: str | Space,
    *,
    flops: Written | None = None,
    macs: Written | None = None,
    params: Written | None = None,
    fix: Mapping[str, Value] | None = None,
    **options: Any,
) -> int:
    """Number of different networks inside budgets; choices without effect are not counted separately.

    The count is exact in spaces of up to a million networks, and under one budget if its values lie on a grid
    of about a million levels, as in mobilenet-wide up to about 530M FLOPs. Otherwise sums are rounded to a
    grid: under one budget by a few millionths of it, under several by about a hundredth in the worst case,
    and most errors cancel. `estimate` also returns the rounding.

    Raises:
        RequestError: The request is wrong.
        TypeError: An argument has a wrong type.

    >>> count("mobilenet"), count("mobilenet", flops="400M"), count("mobilenet", flops="1M")
    (190080, 106954, 0)
    """
    return estimate(space, flops=flops, macs=macs, params=params, fix=fix, **options)[0]


@takes_options(_QUERY, exclude=_GOAL)
def estimate(
    space: str | Space,
    *,
    flops: Written | None = None,
    macs: Written | None = None,
    params: Written | None = None,
    fix: Mapping[str, Value] | None = None,
    **options: Any,
) -> tuple[int, float]:
    """`count`, and the largest fraction of a budget by which its sums were rounded: 0 if it is exact."""
    from nas.exact.resolutions import inside_of
    from nas.query import as_fields

    values = as_fields(flops, macs, params, fix=fix, **options)
    inside = inside_of(_problem(space, values, feasible=False))
    return inside.count, inside.rounding


@takes_options(_QUERY, exclude=_GOAL)
def sample(
    space: str | Space,
    n: int,
    seed: int = 0,
    *,
    flops: Written | None = None,
    macs: Written | None = None,
    params: Written | None = None,
    fix: Mapping[str, Value] | None = None,
    **options: Any,
) -> pd.DataFrame:
    """A uniform random sample, with replacement, of the networks inside budgets.

    No network is rejected if the count is exact. If sums are rounded, budgets are widened by the rounding and
    networks outside the true budgets are rejected; the sample is uniform in both cases.

    Args:
        n: Number of networks.
        seed: The same seed and versions give the same table.

    Returns:
        arch, nn_mass, flops, macs, params and the used fraction of each budget, in the order of sampling.

    Raises:
        RequestError: The request is wrong, or no architecture meets the budgets.
        TypeError: An argument has a wrong type.

    >>> table = sample("mobilenet", 100, seed=1, flops="380M:400M")
    >>> len(table), bool(table["flops"].between(380e6, 400e6).all())
    (100, True)
    """
    import numpy as np

    from nas.exact.resolutions import sampled
    from nas.query import as_fields
    from nas.ranking import figures_of
    from nas.values import MOST_DRAWN, MOST_SEED
    from search_spaces import RequestError
    from search_spaces.errors import checked_whole

    n, seed = checked_whole("n", n, 0, MOST_DRAWN), checked_whole("seed", seed, 0, MOST_SEED)
    problem = _problem(space, as_fields(flops, macs, params, fix=fix, **options))
    networks = sampled(problem, n, np.random.default_rng(seed))
    if len(networks) < n:
        raise RequestError(
            f"no network was found with {' and '.join(map(str, problem.goal.bounds))}; widen the budgets"
        )
    return figures_of(problem.space, problem.tables, problem.goal, networks)


def _problem(space: str | Space, values: Mapping[str, Any], feasible: bool = True) -> AnyProblem:
    """The problem of a space, and of further values of a query."""
    from nas.exact.resolutions import problem_of
    from nas.options import checked_values
    from nas.query import Query
    from search_spaces import Space
    from search_spaces.errors import checked_kind

    checked_kind("space", space, (str, Space), "the name of a space or a search_spaces.Space")
    name = space if isinstance(space, str) else space.name
    query = Query(**checked_values(Query, {"space": name, **values}))
    return problem_of(query, None if isinstance(space, str) else space, feasible)


def _check_score(problem: AnyProblem) -> None:
    """Check that the objectives of a problem are sums over stages, and compare its resolutions.

    Raises:
        RequestError: One is not.
    """
    from nas.bounds import COSTS
    from nas.query import check_ranks
    from search_spaces import RequestError

    for figure, _ in problem.goal.optimise:
        if figure not in problem.tables.names:
            raise RequestError(
                f"--score {figure} is no sum over stages, so that nothing can be proven; nas search --score"
                f" {figure} explores"
            )
    if problem.goal.optimise[0][0] not in COSTS:
        check_ranks(problem.goal.optimise[0][0], problem.space)


def _ranked(problem: AnyProblem, proven: Proven) -> pd.DataFrame:
    from nas.ranking import figures_of, ranked
    from search_spaces import RequestError

    if not len(proven.population):
        bounds = " and ".join(map(str, problem.goal.bounds))
        raise RequestError(
            f"no network was found with {bounds}, but some may exist; widen the budgets, or sample (--sample)"
        )
    table = ranked(figures_of(problem.space, problem.tables, problem.goal, proven.population), problem.goal)
    table.attrs["gap"] = proven.gap
    return table
