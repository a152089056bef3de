"""Processes of this machine, one of which dies at the worst moment."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress

from nas.tasks import Again, Place, Post, Processes


def end(pid: int) -> str:
    """Kill a process, and wait until it is gone."""
    os.kill(pid, signal.SIGKILL)
    with suppress(ProcessLookupError):
        while True:
            os.kill(pid, 0)
            os.sched_yield()
    return "sent by a process that has died"


class Last:
    """A result that ends the process that sent it, once it has arrived."""

    def __reduce__(self) -> tuple[object, ...]:
        return end, (os.getpid(),)


class Work:
    """Work whose first result is the last of its process."""

    def check(self) -> None:
        """Nothing is needed."""

    def prepared(self, place: Place) -> Callable[[int, Post], object]:
        """Nothing is loaded."""
        return lambda task, post: task if task else Last()


def test_a_process_that_dies_between_two_tasks() -> None:
    messages: list[tuple[int, object]] = []
    found = dict(
        Processes((Place(),)).run(Work(), [0, 1, 2], lambda: False, lambda *one: messages.append(one))
    )
    assert found == {0: "sent by a process that has died", 1: 1, 2: 2}
    assert messages == [(1, Again("its process ended with exit code -9"))]
