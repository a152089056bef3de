"""The proven part of a search: the first rows of the true ranking, or the front; the number of networks."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import pandas as pd

from nas.columns import column, is_fitted
from nas.exact.feasible_set import ROUGH
from nas.exact.resolutions import AnyProblem, inside_of, proven_best, proven_front
from nas.goal import Goal
from nas.optimize.listing import Listing, best_of_each_width, first_of_each_width
from nas.optimize.request import Request
from nas.ranking import figures_of, ranked, sort_keys, sorted_by
from nas.tables import Population

ROWS = 100
"""Number of rows of the true ranking that a search proves, if there are enough networks."""
BY_PROOF = "proof"
"""Value of the column `found` for proven rows."""


class Count(NamedTuple):
    """The number of networks inside the bounds, and the largest rounding as a fraction of a budget."""

    networks: int
    rounding: float = 0.0


@dataclass(frozen=True)
class Proof:
    """The first rows of the true ranking, or the front, and whether they are proven.

    Attributes:
        problem: The problem.
        table: rank, arch, values, fractions of budgets and found, best first; for a front its points, with
            the column front. At most `per_width` rows per base width, if that is given.
        ranking: The first rows of the true ranking, for ranks; empty for a front.
        gap: The largest fraction by which a network outside the table could be better than its last row; 0 if
            the table is proven.
        complete: Whether the table has all networks that belong in it.
        per_width: Largest number of rows per base width; no limit if not given.
        listing: All networks inside the bounds, for a small space.
    """

    problem: AnyProblem
    table: pd.DataFrame
    ranking: pd.DataFrame
    gap: float
    complete: bool
    per_width: int | None = None
    listing: Listing | None = field(default=None, repr=False)

    @classmethod
    def of(cls, request: Request, problem: AnyProblem, rows: int = ROWS) -> Proof | None:
        """Solve a problem; None for a score that is not a sum over stages.

        Args:
            request: The request of the problem.
            problem: The problem.
            rows: Number of rows to prove.
        """
        goal = problem.goal
        if any(figure not in problem.tables.names for figure, _ in goal.optimise):
            return None
        if len(goal.optimise) > 1:
            return cls._of_front(problem)
        best, listing = proven_best(problem, rows), Listing.of(problem)
        # Only certain rows are kept, unless there are none.
        certain = best.population[: best.certain] if best.certain else best.population
        ranking = _table(problem, certain)
        gap = 0.0 if best.certain else best.gap
        complete = best.gap == 0 and len(ranking) < rows
        proof = cls(problem, ranking, ranking, gap, bool(complete), listing=listing)
        if request.per_width is None or not proof.proven:
            return replace(proof, per_width=request.per_width)
        return proof._of_each_width(request, rows, request.per_width)

    @classmethod
    def _of_front(cls, problem: AnyProblem) -> Proof:
        front = proven_front(problem)
        table = _table(problem, front.population).assign(front=front.gap == 0)
        return cls(problem, table, table.head(0), front.gap, complete=bool(front.gap == 0))

    def _of_each_width(self, request: Request, rows: int, count: int) -> Proof:
        best = best_of_each_width(request, self.problem, count, rows, self.listing)
        table = first_of_each_width(_table(self.problem, best.networks), self.problem.space, count)
        if best.ranks is None:
            table = table.assign(rank=self.ranks(table))
        else:
            specs = (str(self.problem.space.of_options(row)) for row in best.networks)
            ranks = dict(zip(specs, best.ranks.tolist(), strict=True))
            table = table.assign(rank=table["arch"].map(ranks).astype("Int64"))
        return replace(self, table=table, gap=best.gap, complete=best.complete, per_width=count)

    @property
    def proven(self) -> bool:
        """Whether the table is proven."""
        return bool(self.gap == 0)

    def settles(self, rows: int) -> bool:
        """Whether the first `rows` candidates are proven, so that trials cannot change them."""
        return self.proven and (self.complete or len(self.table) >= rows)

    @property
    def of_front(self) -> bool:
        """Whether the table is a front."""
        return len(self.problem.goal.optimise) > 1

    def ranks(self, table: pd.DataFrame) -> pd.Series[int]:
        """The true ranks of networks inside the bounds; missing if unknown.

        Args:
            table: arch and values of the networks.
        """
        if self.listing is not None:
            found: list[Any] = [self.listing.rank(row, row["arch"]) for row in table.to_dict("records")]
            return pd.Series(found, table.index, dtype="Int64")
        known = sort_keys(self.ranking, self.problem.goal) if self.proven else []
        all_known = self.complete and self.per_width is None and not self.of_front
        last = len(known) if all_known else len(known) - 1
        places = (bisect_left(known, key) for key in sort_keys(table, self.problem.goal))
        found = [place + 1 if place <= last else pd.NA for place in places]
        return pd.Series(found, table.index, dtype="Int64")

    def with_explored(self, explored: pd.DataFrame) -> pd.DataFrame:
        """The proven rows and the networks found by trials.

        Args:
            explored: arch, values, fractions of budgets and found of networks inside the bounds.

        Returns:
            The rows, best first, with the true rank, missing if unknown; for a front also front, whether the
            row is a point of it. If nothing is proven, the ranks are those among the rows.
        """
        goal = self.problem.goal
        others = explored[~explored["arch"].isin(self.table["arch"])]
        if not self.proven:
            both = pd.concat([self.table, others], ignore_index=True)
            everything = ranked(both.drop(columns=["rank", "front"], errors="ignore"), goal)
        else:
            others = sorted_by(others, goal)
            others = others.assign(rank=self.ranks(others), **({"front": False} if self.of_front else {}))
            everything = pd.concat([self.table, others], ignore_index=True)
            everything = everything if self.of_front else sorted_by(everything, goal)
        if self.per_width is not None:
            everything = first_of_each_width(everything, self.problem.space, self.per_width)
        return everything.astype({"rank": "Int64"})

    def count(self) -> Count:
        """The number of networks inside the bounds."""
        if self.listing is not None:
            return Count(len(self.listing))
        if self.complete and self.per_width is None and not self.of_front:
            return Count(len(self.table))
        inside = inside_of(self.problem, ROUGH)
        return Count(max(inside.count, len(self.table)), inside.rounding)  # rounding may miss a few

    def sentence(self, shown: int, count: Count) -> str:
        """What is proven about the rows shown, in words.

        Args:
            shown: Number of rows shown.
            count: Number of networks inside the bounds.
        """
        shown = min(shown, len(self.table))
        of_all = f"of the {rounded(count.networks)} networks {_meeting(self.problem.goal)}"
        if not self.proven:
            limit = f"; none is better by more than {100 * self.gap:.2g}%" if math.isfinite(self.gap) else ""
            return f"Not proven: rows are the best found {of_all}{limit}."
        if self.of_front:
            return f"Proven: {shown:,} of the {len(self.table):,} points of the exact front {of_all}."
        name = self.problem.goal.optimise[0][0]
        by = name if is_fitted(name) else column(name).title
        if self.per_width is not None:
            of_each = "each base width" if self.complete else f"the base widths of rows 1 to {shown}"
            rows = "the first" if self.per_width == 1 else f"the first {self.per_width}"
            return f"Proven: {rows} by {by} of {of_each}, {of_all}."
        first = f"rows 1 to {shown} are the first {shown}" if shown > 1 else "row 1 is the first"
        return f"Proven: {first} by {by} {of_all}."

    def as_json(self, shown: int, count: Count) -> dict[str, Any]:
        """The proof as plain values."""
        (figure, _), *_ = self.problem.goal.optimise
        return {
            "sentence": self.sentence(shown, count),
            "proven": self.proven,
            "rows": len(self.table) if self.proven else 0,
            "complete": self.complete,
            "best": float(self.table[figure].iloc[0]) if len(self.table) else None,
            "gap": self.gap if math.isfinite(self.gap) else None,
            "meeting": count.networks,
            "rounding": count.rounding,
        }


def rounded(count: int) -> str:
    """A count in full up to a million, then with two digits.

    >>> rounded(1_551), rounded(106_954), rounded(396_833_146_141_334)
    ('1,551', '106,954', '4.0e14')
    """
    if count < 1_000_000:
        return f"{count:,}"
    mantissa, _, exponent = f"{count:.1e}".partition("e")
    return f"{mantissa}e{int(exponent)}"


def _table(problem: AnyProblem, networks: Population) -> pd.DataFrame:
    """The table of proven networks, best first."""
    table = figures_of(problem.space, problem.tables, problem.goal, networks)
    table = ranked(table, problem.goal).drop(columns="front", errors="ignore")
    return table.assign(found=BY_PROOF).astype({"rank": "Int64"})


def _meeting(goal: Goal) -> str:
    if not goal.bounds:
        return "in the space"
    budgets = all(bound.figure != "nn_mass" for bound in goal.bounds)
    return "that meet the " + (f"budget{'s' * (len(goal.bounds) > 1)}" if budgets else "bounds")
