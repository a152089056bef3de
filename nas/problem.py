"""A question made concrete: the space, its stage tables and a goal that some network may meet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from nas.exact.graph import Graph
from nas.exact.paths import Paths
from nas.feasibility import check
from nas.goal import Goal
from nas.question import Question
from nas.stage_tables import StageTables
from search_spaces import Space


@dataclass(frozen=True)
class Problem:
    """What there is to solve.

    Attributes:
        space: The space, with choices pinned and constants set.
        goal: What to look for.
        tables: The figures of the space's stages.
        graph: Its networks as paths, for what is proven about them.
        few: All networks inside the goal's bounds, where these are so narrow that they leave few; else none.
    """

    space: Space
    goal: Goal
    tables: StageTables
    graph: Graph
    few: Paths | None = None

    @classmethod
    def of(cls, question: Question, space: Space | None = None, feasible: bool = True) -> Self:
        """Resolve a question.

        Args:
            space: The space to ask, if it is not the one registered under the name.
            feasible: Refuse bounds that no network meets.

        Raises:
            RequestError: It makes no sense, or no network meets its bounds.
        """
        space, goal = question.resolve(space)
        tables = StageTables.of(space)
        graph = Graph.of(tables)
        few = check(space.name, graph, goal.bounds) if feasible else None
        return cls(space, goal, tables, graph, few)
