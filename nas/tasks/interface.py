"""The two sides of a task: the work that is done in workers, and the launcher that hands tasks to them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeAlias, TypeVar

T = TypeVar("T", bound=Hashable)
R = TypeVar("R")
Task_in = TypeVar("Task_in", contravariant=True)
Result_out = TypeVar("Result_out", covariant=True)

MOST_ATTEMPTS = 3
"""Attempts of a task without progress, after which it is given up."""


@dataclass(frozen=True)
class Place:
    """Where a worker works.

    Attributes:
        device: Its device, as torch names it.
        readers: Processes that read images.
    """

    device: str = "cpu"
    readers: int | None = None


@dataclass(frozen=True)
class Need:
    """What each task needs of a cluster.

    Attributes:
        device: "cpu" or "cuda"; a GPU by default if the cluster has one.
        threads: Processors of a task on CPUs.
        readers: Processes that read images.
    """

    device: str | None = None
    threads: int = 1
    readers: int | None = None


class Post(Protocol):
    """What a worker sends during a task, and asks."""

    def stop(self) -> bool:
        """Whether to save the task and end it."""

    def report(self, value: object) -> None:
        """Send an intermediate result: a task that makes progress is tried again when it dies."""

    def tick(self, value: object) -> None:
        """Send how far the task is; about one a second arrives."""


class Work(Protocol[Task_in, Result_out]):
    """What is done with each task. Work is sent to the workers: it consists of plain values."""

    def check(self) -> None:
        """Check that this machine has what the work needs; called once on each machine of a cluster.

        Raises:
            RequestError: Something is missing.
        """

    def prepared(self, place: Place) -> Callable[[Task_in, Post], Result_out]:
        """Load what all tasks need, once in each worker.

        Returns:
            A function that does a task and returns its result. Called again after an attempt that died, it
            goes on from what that attempt saved.

        Raises:
            RequestError: Something is missing.
        """


@dataclass(frozen=True)
class Lost:
    """The result of a task that was given up.

    Attributes:
        reason: Why its last attempt ended.
    """

    reason: str


@dataclass(frozen=True)
class Again:
    """Reported of a task that is tried again.

    Attributes:
        reason: Why its last attempt ended.
    """

    reason: str


OnMessage: TypeAlias = Callable[[T, object], None]
"""Called with a task and what its worker reports or ticks, or with `Again`."""


class Launcher(Protocol):
    """Hands tasks to workers."""

    @property
    def device(self) -> str:
        """Kind of device of the workers, as torch names it."""

    @property
    def at_a_time(self) -> int:
        """Number of tasks among which the processors of this machine are divided."""

    @property
    def elsewhere(self) -> bool:
        """Whether workers run on other machines, which see absolute paths and shared files alone."""

    def run(
        self, work: Work[T, R], tasks: Sequence[T], stop: Callable[[], bool], on_message: OnMessage[T]
    ) -> Iterator[tuple[T, R | Lost]]:
        """Do tasks, those first in the sequence first.

        Args:
            work: What to do with each.
            tasks: The tasks; all differ.
            stop: Polled several times a second; after True no task begins, and workers are asked to end.
            on_message: Called with what workers send.

        Yields:
            Each task that ended, with its result, in the order in which they end; not those that did not
            begin, or died, after `stop` has returned True.

        Raises:
            RequestError: A worker lacks something, or does not answer.
        """


class Attempts(Generic[T]):
    """Counts the attempts of tasks whose process or machine died, to try again those that make progress."""

    def __init__(self) -> None:
        self._deaths: Counter[T] = Counter()

    def progressed(self, task: T) -> None:
        """Note that a task has reported."""
        del self._deaths[task]

    def again(self, task: T) -> bool:
        """Note that an attempt died; returns whether to try again.

        >>> attempts = Attempts()
        >>> [attempts.again("task") for _ in range(3)]
        [True, True, False]
        """
        self._deaths[task] += 1
        return self._deaths[task] < MOST_ATTEMPTS
