"""Launchers of this machine: this process, or a process for each place."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING, Generic

from nas.signals import interruptions
from nas.tasks.interface import Again, Attempts, Lost, OnMessage, Place, R, T, Work
from search_spaces import RequestError

if TYPE_CHECKING:
    from multiprocessing.synchronize import Event

_POLL_SECONDS = 0.2
"""Interval of polling `stop`."""
TICK_SECONDS = 1.0
"""Interval of ticks."""


@dataclass(frozen=True)
class Here:
    """The launcher that does one task after another in this process.

    Attributes:
        place: Its place.
        agreed: Whether all processes stop that do the same tasks together, from whether this one is to.
    """

    place: Place
    agreed: Callable[[bool], bool] = bool
    at_a_time: int = 1
    elsewhere: bool = False

    @property
    def device(self) -> str:
        """The device."""
        return self.place.device

    def run(
        self, work: Work[T, R], tasks: Sequence[T], stop: Callable[[], bool], on_message: OnMessage[T]
    ) -> Iterator[tuple[T, R | Lost]]:
        """Do tasks; see `nas.tasks.interface.Launcher.run`."""
        do = work.prepared(self.place)
        for task in tasks:
            if self.agreed(stop()):
                break
            yield task, do(task, _Aloud(task, stop, on_message))


@dataclass(frozen=True)
class _Aloud(Generic[T]):
    """The post within this process: nothing is sent."""

    task: T
    stop: Callable[[], bool]
    on_message: OnMessage[T]

    def report(self, value: object) -> None:
        self.on_message(self.task, value)

    tick = report


@dataclass
class _Worker(Generic[T]):
    """A process that does one task after another.

    Attributes:
        place: Its place.
        process: The process.
        connection: This end of the pipe to it.
        task: Its current task; None without one.
    """

    place: Place
    process: BaseProcess
    connection: Connection
    task: T | None = None


@dataclass(frozen=True)
class Processes:
    """The launcher with a process for each of several places.

    Attributes:
        places: The places; one may be given several times.
    """

    places: tuple[Place, ...]
    elsewhere: bool = False

    @property
    def device(self) -> str:
        """The device of the first place."""
        return self.places[0].device

    @property
    def at_a_time(self) -> int:
        """Number of places."""
        return len(self.places)

    def run(
        self, work: Work[T, R], tasks: Sequence[T], stop: Callable[[], bool], on_message: OnMessage[T]
    ) -> Iterator[tuple[T, R | Lost]]:
        """Do tasks; see `nas.tasks.interface.Launcher.run`."""
        pool = _Pool(work, deque(tasks), on_message)
        try:
            for place in self.places[: len(tasks)]:
                pool.start(place)
            while pool.busy:
                if stop():
                    pool.stop()
                for worker in pool.ready():
                    yield from pool.receive(worker)
        finally:
            pool.close()


class _Pool(Generic[T, R]):
    """The worker processes of a run.

    Args:
        work: What they do with each task.
        waiting: Tasks that no worker has yet.
        on_message: Called for each report and tick.
    """

    def __init__(self, work: Work[T, R], waiting: deque[T], on_message: OnMessage[T]) -> None:
        # The fork server has imported the modules, and has not initialised CUDA.
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([__name__, type(work).__module__])
        self._stopping = self._context.Event()
        self._work, self._waiting, self._on_message = work, waiting, on_message
        self._attempts = Attempts[T]()
        self.busy: list[_Worker[T]] = []

    def start(self, place: Place) -> None:
        """Start a worker at a place, with the next task."""
        connection, remote = self._context.Pipe()
        process = self._context.Process(target=_run_worker, args=(remote, self._work, place, self._stopping))
        process.start()
        remote.close()
        self.busy.append(_Worker(place, process, connection))
        self._send_next(self.busy[-1])

    def stop(self) -> None:
        """Let all workers end their tasks early, and start no others."""
        self._stopping.set()
        self._waiting.clear()

    def ready(self) -> list[_Worker[T]]:
        """The workers that have sent something, or died, within a short wait."""
        found = wait([worker.connection for worker in self.busy], timeout=_POLL_SECONDS)
        return [worker for worker in self.busy if worker.connection in found]

    def receive(self, worker: _Worker[T]) -> Iterator[tuple[T, R | Lost]]:
        """Take one message of a worker; yields its task if that has ended.

        Raises:
            RequestError: The worker refuses the work.
        """
        try:
            kind, value = worker.connection.recv()
        except (EOFError, OSError):  # it died, perhaps within a message
            yield from self._bury(worker)
            return
        if kind == "refused":
            raise RequestError(value)
        assert worker.task is not None
        task = worker.task
        if kind == "done":
            self._send_next(worker)
            yield task, value
            return
        if kind == "report":
            self._attempts.progressed(task)
        self._on_message(task, value)

    def _bury(self, worker: _Worker[T]) -> Iterator[tuple[T, Lost]]:
        """Replace a dead worker, if tasks wait; its own task is tried again, or yielded as lost."""
        worker.process.join()
        self.busy.remove(worker)
        if worker.task is not None and not self._stopping.is_set():
            code = worker.process.exitcode or 0
            reason = f"its process ended with exit code {code}"
            # A positive code is an error of ours, which would occur again.
            if code >= 0 or not self._attempts.again(worker.task):
                yield worker.task, Lost(reason)
            else:
                self._on_message(worker.task, Again(reason))
                self._waiting.appendleft(worker.task)
        if self._waiting:
            self.start(worker.place)

    def _send_next(self, worker: _Worker[T]) -> None:
        """Send the next task to a worker, or None, which ends it."""
        worker.task = self._waiting.popleft() if self._waiting else None
        with suppress(ConnectionError):  # it has died: the end of the pipe says so
            worker.connection.send(worker.task)

    def close(self) -> None:
        """Let all workers end; nothing more is read of them."""
        self._stopping.set()
        for worker in self.busy:
            worker.connection.close()


class Thinned:
    """Passes about one tick a second on, and each that is a whole number.

    Args:
        send: What passes it on.
    """

    def __init__(self, send: Callable[[object], None]) -> None:
        self._send, self._sent = send, 0.0

    def __call__(self, value: object) -> None:
        """Pass a tick on, or drop it."""
        now = time.monotonic()
        whole = isinstance(value, float) and value.is_integer()
        if whole or now - self._sent > TICK_SECONDS:
            self._sent = now
            self._send(value)


class _Pipe:
    """The post of a worker process."""

    def __init__(self, connection: Connection, stop: Callable[[], bool]) -> None:
        self._connection, self.stop = connection, stop
        self.tick = Thinned(lambda value: connection.send(("tick", value)))

    def report(self, value: object) -> None:
        self._connection.send(("report", value))


def _run_worker(connection: Connection, work: Work[T, R], place: Place, stopping: Event) -> None:
    """Do the tasks received, until None arrives or the parent process ends."""
    parent = os.getppid()
    with interruptions() as interrupted:

        def stop() -> bool:
            return stopping.is_set() or interrupted() or os.getppid() != parent

        try:
            do = work.prepared(place)
            post = _Pipe(connection, stop)
            while (task := connection.recv()) is not None:
                connection.send(("done", do(task, post)))
        except RequestError as error:
            connection.send(("refused", str(error)))
        except (EOFError, BrokenPipeError):  # the parent has gone
            pass
