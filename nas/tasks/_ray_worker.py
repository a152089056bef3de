"""The worker's side of the engine `ray`: a task in a process of Ray, and the relay to the launcher."""

from __future__ import annotations

import pickle
import platform
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from nas.tasks.interface import Place, T, Work
from nas.tasks.local import TICK_SECONDS, Thinned
from search_spaces import RequestError


def versions() -> dict[str, str]:
    """Versions that must be the same on all nodes, by package."""
    found = {"Python": platform.python_version()}
    for name in ("zero-cost-nas", "torch"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # a checkout that is not installed
            found[name] = "none"
    return found


def nodes() -> list[dict[str, Any]]:
    """The living nodes, as Ray describes them."""
    import ray

    return [node for node in ray.nodes() if node["Alive"]]


def own_node() -> str:
    """The node of this process."""
    import ray

    found: str = ray.get_runtime_context().get_node_id()
    return found


class Relay:
    """The actor between workers and launcher: messages one way, the wish to stop the other way.

    Messages stay bytes here: their classes would import torch, which takes half a gigabyte.
    """

    def __init__(self) -> None:
        self._reports: list[tuple[tuple[int, int], str, bytes]] = []
        self._begun: set[tuple[int, int]] = set()
        self._ended = False

    def begin(self, key: tuple[int, int]) -> bool:
        """Whether an attempt may begin."""
        if not self._ended:
            self._begun.add(key)
        return not self._ended

    def send(self, key: tuple[int, int], kind: str, value: bytes) -> None:
        self._reports.append((key, kind, value))

    def take(self) -> list[tuple[tuple[int, int], str, bytes]]:
        reports, self._reports = self._reports, []
        return reports

    def end(self) -> set[tuple[int, int]]:
        """Let no further attempt begin; gives those that have begun."""
        self._ended = True
        return self._begun

    def ended(self) -> bool:
        return self._ended


class _RelayedPost:
    """The post of a worker of Ray, which a relay passes on.

    Args:
        relay: The actor that takes messages.
        key: Numbers of the task and the attempt.
        waits: The thread that waits for Ray: while the main thread does, Ray gives its CPUs to another task.
    """

    def __init__(self, relay: Any, key: tuple[int, int], waits: Executor) -> None:
        self._relay, self._key, self._waits = relay, key, waits
        self._asked: Future[bool] | None = None
        self._last: Any = None
        self._asked_at, self._stop = time.monotonic(), False
        self.tick = Thinned(lambda value: self._send("tick", value))

    def _send(self, kind: str, value: object) -> None:
        self._last = self._relay.send.remote(self._key, kind, pickle.dumps(value))

    def report(self, value: object) -> None:
        self._send("report", value)

    def stop(self) -> bool:
        import ray

        if self._asked is None and time.monotonic() - self._asked_at > TICK_SECONDS / 2:
            self._asked = self._waits.submit(ray.get, self._relay.ended.remote())
        if self._asked is not None and self._asked.done():
            with suppress(ray.exceptions.RayError):
                self._stop = self._asked.result()
            self._asked, self._asked_at = None, time.monotonic()
        return self._stop

    def delivered(self) -> None:
        """Wait until all reports have arrived: the launcher gets them before the result."""
        import ray

        if self._last is not None:
            with suppress(ray.exceptions.RayError):
                self._waits.submit(ray.get, self._last).result()


@lru_cache(maxsize=1)
def _prepared(reference: Any, place: Place, waits: Executor) -> Callable[[Any, Any], Any]:
    """The work at a reference, prepared once in each process of Ray."""
    import ray

    work: Work[Any, Any] = waits.submit(ray.get, reference).result()
    return work.prepared(place)


@lru_cache(maxsize=1)
def _waiting_thread() -> Executor:
    """One thread of this process, for what waits."""
    return ThreadPoolExecutor(1)


def do(
    sent: list[Any], expected: Mapping[str, str], place: Place, relay: Any, key: tuple[int, int], task: T
) -> tuple[str, Any]:
    """Do a task in a process of Ray; returns how it ended, as `nas.tasks.ray` does."""
    import ray

    waits = _waiting_thread()
    try:
        with suppress(ray.exceptions.RayError):  # the relay restarts
            if not waits.submit(ray.get, relay.begin.remote(key)).result():
                return "", None
        if (own := versions()) != expected:
            raise RequestError(f"it has {own}, and the launching machine {dict(expected)}; install the same")
        post = _RelayedPost(relay, key, waits)
        result = _prepared(sent[0], _with_readers(place), waits)(task, post)
        post.delivered()
    except RequestError as error:
        return "refused", f"node {platform.node()} ({ray.util.get_node_ip_address()}): {error}"
    return "done", result


def _with_readers(place: Place) -> Place:
    """A place with the processors of its node divided among its GPUs, unless readers are given."""
    if place.readers is not None:
        return place
    own = next(node["Resources"] for node in nodes() if node["NodeID"] == own_node())
    return Place(place.device, max(int(own.get("CPU", 1) // max(own.get("GPU", 1), 1)), 1))
