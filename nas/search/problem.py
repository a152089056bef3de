"""A request made concrete: the space, its stage tables and a goal that some network may meet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from nas.feasibility import check
from nas.search.goal import Goal
from nas.search.request import Request
from nas.stage_tables import StageTables
from search_spaces import Space


@dataclass(frozen=True)
class Problem:
    """What there is to solve.

    Attributes:
        request: What was asked for.
        space: The space, with choices pinned and constants set.
        goal: What to look for.
        tables: The figures of the space's stages.
    """

    request: Request
    space: Space
    goal: Goal
    tables: StageTables

    @classmethod
    def of(cls, request: Request) -> Self:
        """Resolve a request.

        Raises:
            RequestError: It makes no sense, or no network meets its bounds.
        """
        space, goal = request.resolve()
        tables = StageTables.of(space)
        check(space, tables, goal.bounds)
        return cls(request, space, goal, tables)
