"""Networks inside narrow limits, by meet in the middle: beginnings of paths are joined with ends.

If few networks of a large space lie inside, a partial path does not show whether it can end inside, and
`paths.follow` would have to keep too many. But a path consists of a beginning, a cell of a middle step and an
end, and there are far fewer beginnings and ends than paths (Horowitz and Sahni, "Computing partitions with
applications to the knapsack problem", 1974).

Why no path is missed. Let a limit allow sums from `least` to `most`, and let a cell and an end use `used` of
it. A beginning that uses b fits if and only if b <= y <= b + width, with y = most - used and width = most -
least. `Buckets` finds all beginnings that may fit; they are compared with the limits in whole numbers.

A beginning or an end is discarded only if no completion lies inside a limit or, by the bound of `Relaxation`,
reaches a floor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from nas.exact.buckets import Buckets, matched
from nas.exact.graph import Graph, Limit, Step
from nas.exact.paths import Objective, Paths, Ways, fitting
from nas.exact.relaxation import Relaxation

_BEGINNINGS, _ENDS, _QUERIES = 1 << 25, 1 << 22, 1 << 30
"""Maximum numbers of beginnings, ends, and pairs of a cell and an end for which a join is tried."""
_ROOMS = (1 << 14, 1 << 16, 1 << 18, 1 << 20, 1 << 22, _BEGINNINGS)
"""Maximum number of beginnings in successive attempts; those with the largest bounds are used."""
_WIDENED = 16
"""Growth of the range of values from one attempt to the next; the last attempt covers the whole range."""
_QUERIES_PER_BLOCK, _QUERIES_AT_ONCE = 1 << 14, 1 << 20
_MOST_MATCHES = 1 << 26
"""A join with more matches than this is abandoned."""


class TooManyError(Exception):
    """A join is too large to be worthwhile."""


@dataclass(frozen=True)
class Cut:
    """A graph divided at a middle step.

    Attributes:
        graph: The graph.
        back: The reversed graph.
        middle: Index of the step between beginnings and ends.
    """

    graph: Graph
    back: Graph
    middle: int

    @classmethod
    def of(cls, graph: Graph) -> Self:
        """The division with the least work.

        Raises:
            TooManyError: Every division is too large.
        """
        back = Graph(graph.tables, tuple(map(_reversed, reversed(graph.steps))))
        ends = [float(ways.sum()) for ways in _ways_on(graph)]
        beginnings = [float(ways.sum()) for ways in reversed(_ways_on(back))]
        work = {
            middle: 16 * beginnings[middle] + ends[middle]
            for middle in range(1, len(graph.steps))
            if beginnings[middle] <= _BEGINNINGS
            and ends[middle] <= _QUERIES
            and max(beginnings[middle - 1], ends[middle + 1]) <= _ENDS
        }
        if not work:
            raise TooManyError
        return cls(graph, back, min(work, key=work.__getitem__))


def _reversed(step: Step) -> Step:
    """The reversed step; its `numbers` are the indices of the cells in the step."""
    order = np.argsort(step.leaving, kind="stable")
    return Step(
        entering=step.leaving[order],
        leaving=step.entering[order],
        leaving_states=len(step.starts) - 1,
        starts=np.searchsorted(step.leaving[order], np.arange(step.leaving_states + 1)),
        figures=step.figures[order],
        numbers=order,
    )


def _ways_on(graph: Graph) -> list[NDArray[np.float64]]:
    """For each state, before each step and after the last, the number of paths from there to the end."""
    found = [np.ones(graph.steps[-1].leaving_states)]
    for step in reversed(graph.steps):
        found.append(np.add.reduceat(found[-1][step.leaving], step.starts[:-1]))
    return found[::-1]


def best(
    graph: Graph,
    objective: Objective,
    limits: Sequence[Limit],
    k: int,
    relaxation: Relaxation,
    least: float = -np.inf,
) -> tuple[Paths, float]:
    """The k best paths inside limits, and the bound, as in `optimum.Optimum`.

    Args:
        relaxation: The relaxation of the objective under these limits.
        least: A known lower bound on the value of the k-th best path.

    Raises:
        TooManyError: The join is too large.
    """
    cut = Cut.of(graph)
    begun = _listed(graph, relaxation, limits, Paths.start(graph), cut.middle - 1, least)
    ways = Ways.on(graph.steps[cut.middle - 1], cut.middle - 1, relaxation)
    span = relaxation.bound - float(graph.completions(objective.of_cells(graph), np.minimum)[0].item())
    for left, room in reversed(list(enumerate(reversed(_ROOMS)))):
        lowest = relaxation.bound - span / _WIDENED**left if left else -np.inf
        floor = max(ways.counts(begun, least, room)[1], least, lowest)
        within = [*limits, *objective.between(graph, floor, relaxation.bound + relaxation.slack)]
        if not within:
            break
        kept = _Best(objective, k, graph, floor)
        for paths in _Join.of(cut, relaxation, within, begun, kept.reached).paths():
            kept.add(paths)
        if len(kept.paths) >= k or floor == least:
            return kept.paths, kept.floor
    raise TooManyError


def listed(graph: Graph, limits: Sequence[Limit], most: int) -> Paths:
    """All paths inside limits.

    Args:
        most: Maximum number of paths.

    Raises:
        TooManyError: There are more paths, or the join is too large.
    """
    if any(limit.empty for limit in limits):
        return Paths.none(graph)
    if not limits:
        raise TooManyError
    cut = Cut.of(graph)
    unpriced = Relaxation.at(graph, graph.figure(0), limits, np.zeros(len(limits)))
    begun = _listed(graph, unpriced, limits, Paths.start(graph), cut.middle - 1, -np.inf)
    found, count = [Paths.none(graph)], 0
    for paths in _Join.of(cut, unpriced, limits, begun, lambda: -np.inf).paths():
        found.append(paths)
        count += len(paths)
        if count > most:
            raise TooManyError
    return Paths.joined(*found)


class _Best:
    """The k best of the paths added to it, and all that equal the last.

    Attributes:
        paths: The paths, best first.
        floor: Paths with smaller values are ignored.
    """

    def __init__(self, objective: Objective, k: int, graph: Graph, floor: float) -> None:
        self._objective, self._k, self.floor = objective, k, floor
        self.paths = Paths.none(graph)

    def reached(self) -> float:
        """The current floor."""
        return self.floor

    def add(self, paths: Paths) -> None:
        """Add paths."""
        paths = paths.take(self._objective.of_paths(paths) >= self.floor)
        self.paths = self._objective.first(self.paths.joined(paths), self._k)
        if len(self.paths) >= self._k:
            self.floor = float(self._objective.of_paths(self.paths)[self._k - 1])


def _listed(
    graph: Graph, relaxation: Relaxation, limits: Sequence[Limit], paths: Paths, steps: int, floor: float
) -> Paths:
    """All continuations of empty paths by some steps that may end inside limits and reach a floor."""
    for number in range(steps):
        ways = Ways.on(graph.steps[number], number, relaxation)
        counts = ways.reaching(paths, floor - relaxation.slack)
        paths = fitting(ways.followed(paths, counts), number + 1, limits)
    return paths


@dataclass(frozen=True)
class _Beginnings:
    """Paths that reach one state before the middle step.

    Attributes:
        which: Index of the path that each one continues.
        cells: The cell by which it continues this path.
        used: What it uses of the limits, one row per limit.
        priced: Its sum of priced values.
        extent: The minimum and the maximum of `used`, one row per limit.
        largest: The largest priced value.
    """

    which: NDArray[np.intp]
    cells: NDArray[np.intp]
    used: NDArray[np.int64]
    priced: NDArray[np.float64]
    extent: NDArray[np.int64]
    largest: float


@dataclass(frozen=True)
class _Queries:
    """Pairs of a cell of the middle step and an end, and the keys of the beginnings that would fit."""

    keys: NDArray[np.int64]
    cells: NDArray[np.intp]
    ends: NDArray[np.intp]

    @classmethod
    def joined(cls, every: Sequence[_Queries]) -> Self:
        """Concatenate several batches."""
        keys, cells, ends = zip(*((some.keys, some.cells, some.ends) for some in every), strict=True)
        return cls(np.concatenate(keys), np.concatenate(cells), np.concatenate(ends))


@dataclass(frozen=True)
class _Join:
    """Beginnings and ends to be joined.

    Attributes:
        cut: The division of the graph.
        relaxation: The prices of cells.
        limits: The limits that sums must meet.
        begun: The paths that beginnings continue by one step.
        ends: Paths from the end back to the middle step, sorted by state, then by `sorted_by`.
        starts: Index of the first end of each state, then the number of ends.
        uses: What the ends use of the limits, one row per limit.
        sorted_by: Index of the limit by whose use ends are sorted; None: by descending priced value.
        floor: Gives the value to reach, which may increase during the join.
    """

    cut: Cut
    relaxation: Relaxation
    limits: Sequence[Limit]
    begun: Paths
    ends: Paths
    starts: NDArray[np.intp]
    uses: NDArray[np.int64]
    sorted_by: int | None
    floor: Callable[[], float]

    @classmethod
    def of(
        cls,
        cut: Cut,
        relaxation: Relaxation,
        limits: Sequence[Limit],
        begun: Paths,
        floor: Callable[[], float],
    ) -> Self:
        """Make the join, with the ends that can be part of a result."""
        backwards = zip(cut.back.steps, reversed(relaxation.priced), strict=True)
        priced = [values[step.numbers] for step, values in backwards]
        behind = replace(relaxation, priced=priced, ahead=cut.back.completions(priced, np.maximum))
        within = [limit.on(cut.back) for limit in limits]
        start = Paths.start(cut.graph, cut.graph.steps[-1].leaving_states)
        steps = len(cut.graph.steps) - cut.middle - 1
        ends = _listed(cut.back, behind, within, start, steps, floor())
        sorted_by = None
        if floor() == -np.inf and limits and len(ends):
            # Sort by the limit that beginnings can balance least: it excludes most ends for a cell.
            balanced = [(limit.high[steps + 1] - limit.low[steps + 1]).max() for limit in within]
            spans = [np.ptp(ends.figures[:, limit.column]) for limit in limits]
            sorted_by = int(np.argmax(np.array(spans) / np.maximum(balanced, 1)))
        order = -ends.priced if sorted_by is None else ends.figures[:, limits[sorted_by].column]
        ends = ends.take(np.lexsort((order, ends.states)))
        starts = np.searchsorted(ends.states, np.arange(cut.graph.steps[cut.middle].leaving_states + 1))
        uses = np.ascontiguousarray(ends.figures[:, [limit.column for limit in limits]].T)
        return cls(cut, relaxation, limits, begun, ends, starts, uses, sorted_by, floor)

    def paths(self) -> Iterator[Paths]:
        """Yield all paths inside the limits that reach the floor, and some that do not reach it.

        Raises:
            TooManyError: There are too many matches to compare with the limits.
        """
        matches = 0
        for state in range(len(self.relaxation.ahead[self.cut.middle])):
            begun = self._beginnings(state)
            if begun is None:
                continue
            buckets = Buckets.of(self.limits, begun.used)
            keys, whose = buckets.entries(begun.used)
            for queries in self._queries(state, begun, buckets, keys):
                for first, which in matched(keys, whose, queries.keys, buckets):
                    matches += len(first)
                    if matches > _MOST_MATCHES:
                        raise TooManyError
                    yield self._inside(begun, first, queries.cells[which], queries.ends[which])

    def _beginnings(self, state: int) -> _Beginnings | None:
        """The beginnings that reach a state and may end inside the limits and at the floor, if any exist."""
        number = self.cut.middle - 1
        ways = Ways.on(self.cut.graph.steps[number], number, self.relaxation).leading_to(state)
        counts = ways.reaching(self.begun, self.floor() - self.relaxation.slack)
        which, cells = ways.taken(self.begun, counts)
        used = np.zeros((len(self.limits), len(which)), np.int64)
        kept = np.ones(len(which), bool)
        for limit, values in zip(self.limits, used, strict=True):
            values += self.begun.figures[which, limit.column] + ways.step.figures[cells, limit.column]
            kept &= limit.reachable(self.cut.middle, np.full(len(values), state), values)
        if not kept.any():
            return None
        which, cells, used = which[kept], cells[kept], used[:, kept]
        priced = self.begun.priced[which] + ways.priced[cells]
        extent = np.stack([used.min(axis=1), used.max(axis=1)], axis=1)
        return _Beginnings(which, cells, used, priced, extent, float(priced.max()))

    def _queries(
        self, state: int, begun: _Beginnings, buckets: Buckets, keys: NDArray[np.int64]
    ) -> Iterator[_Queries]:
        """Yield pairs of a cell from a state and an end for which a fitting beginning may exist."""
        step = self.cut.graph.steps[self.cut.middle]
        first, second = buckets.table(buckets.first(keys)), buckets.table(buckets.second(keys))
        waiting, count = [], 0
        for cells, ends in self._some(state, begun):
            left = [
                np.subtract.outer(
                    self.limits[number].ends[1] - step.figures[cells, self.limits[number].column],
                    self.uses[number, ends],
                ).ravel()
                for number in buckets.numbers
            ]
            wanted = buckets.keys(left)
            hits = np.flatnonzero(first[buckets.first(wanted)])
            hits = hits[second[buckets.second(wanted[hits])]]
            which, place = np.divmod(hits, ends.stop - ends.start)
            waiting.append(_Queries(wanted[hits], cells[which], ends.start + place))
            count += len(hits)
            if count >= _QUERIES_AT_ONCE:
                yield _Queries.joined(waiting)
                waiting, count = [], 0
        if waiting:
            yield _Queries.joined(waiting)

    def _some(self, state: int, begun: _Beginnings) -> Iterator[tuple[NDArray[np.intp], slice]]:
        """Yield blocks of cells from a state, with the ends that may fit them."""
        step = self.cut.graph.steps[self.cut.middle]
        every = np.arange(step.starts[state], step.starts[state + 1])
        every = every[np.argsort(step.leaving[every], kind="stable")]
        for cells in np.split(every, np.flatnonzero(np.diff(step.leaving[every])) + 1):
            first, last = self.starts[step.leaving[cells[0]] : step.leaving[cells[0]] + 2].tolist()
            blocks = -(-len(cells) * (last - first) // _QUERIES_PER_BLOCK)
            for block in np.array_split(cells, min(max(blocks, 1), len(cells))):
                ends = self._ends(block, first, last, begun)
                for start in range(ends.start, ends.stop, _QUERIES_AT_ONCE):
                    yield block, slice(start, min(start + _QUERIES_AT_ONCE, ends.stop))

    def _ends(self, cells: NDArray[np.intp], first: int, last: int, begun: _Beginnings) -> slice:
        """The ends from `first` to `last` that may fit one of the cells and some beginning."""
        step, place = self.cut.graph.steps[self.cut.middle], self.sorted_by
        if place is None:
            priced = self.relaxation.priced[self.cut.middle][cells].max()
            reach = self.relaxation.constant + self.relaxation.slack + begun.largest + priced
            fits = np.searchsorted(-self.ends.priced[first:last], reach - self.floor(), side="right")
            return slice(first, first + int(fits))
        used = step.figures[cells, self.limits[place].column]
        least, most = self.limits[place].ends
        lowest = least - used.max() - begun.extent[place, 1]
        highest = most - used.min() - begun.extent[place, 0]
        start, stop = np.searchsorted(self.uses[place, first:last], [lowest, highest + 1]).tolist()
        return slice(first + start, first + stop)

    def _inside(
        self, begun: _Beginnings, first: NDArray[np.intp], cells: NDArray[np.intp], last: NDArray[np.intp]
    ) -> Paths:
        """The complete paths of beginnings, cells and ends that lie inside the limits, each once."""
        graph, middle = self.cut.graph, self.cut.middle
        inside = np.ones(len(first), bool)
        for number, limit in enumerate(self.limits):
            sums = begun.used[number, first] + graph.steps[middle].figures[cells, limit.column]
            sums += self.uses[number, last]
            inside &= (sums >= limit.least) & (sums <= limit.most)
        # Two keys of a beginning may collide; then its matches are found twice.
        triples = np.unique(np.stack([first[inside], cells[inside], last[inside]]), axis=1)
        first, cells, last = triples
        which, before = begun.which[first], begun.cells[first]
        steps_back = list(zip(self.cut.back.steps, self.ends.cells[last].T, strict=False))
        columns = [*self.begun.cells[which].T, before, cells]
        columns += [step.numbers[taken] for step, taken in reversed(steps_back)]
        parts = (
            self.begun.figures[which],
            graph.steps[middle - 1].figures[before],
            graph.steps[middle].figures[cells],
            self.ends.figures[last],
        )
        priced = begun.priced[first] + self.relaxation.priced[middle][cells] + self.ends.priced[last]
        whole = np.column_stack(columns).astype(np.int32)
        return Paths(whole, graph.steps[-1].leaving[whole[:, -1]], np.sum(parts, axis=0), priced)
