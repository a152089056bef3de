"""The engine `ray`: each task runs on the node of a Ray cluster that has room for it (docs/scaling.md).

Results and messages come back through Ray; what a task saves goes where all nodes see it. Ray itself retries
nothing: a task that dies with its node is handed out again here, so that messages are those of one attempt.
"""

from __future__ import annotations

import logging
import os
import pickle
import platform
import signal
import socket
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

from nas.tasks.interface import Again, Attempts, Lost, Need, OnSaid, Place, R, T, Work
from nas.tasks.local import TICK_SECONDS, Thinned
from search_spaces import RequestError
from search_spaces.errors import shown

_POLL_SECONDS = 0.2
"""Interval of polling `stop`."""
_ANSWER_SECONDS = 10.0
"""Longest wait for an answer at an address."""
_CHECK_SECONDS = 300.0
"""Longest wait for the check of a node, which starts a process there."""
_LOOK_SECONDS = 10.0
"""Interval of looking how many nodes there are."""
_LEAST_WINDOW = 8
"""Tasks handed to Ray beyond those that run: a cluster that grows by need sees them."""
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
"""The first bytes of a client of HTTP/2, which Ray speaks: the preface and empty settings."""
_SETTINGS = 4
"""Type of the frame that a server answers with, in its fourth byte."""


@contextmanager
def connected(address: str, need: Need) -> Iterator[OnRay]:
    """Connect to a cluster during a block, unless this process is connected already.

    Args:
        address: HOST:PORT of its head node; by default RAY_ADDRESS, or the cluster that runs on this machine,
            or else one that is started here for the duration of the block.
        need: What each task needs.

    Raises:
        RequestError: Ray is not installed, no cluster answers, or no node has what a task needs.
    """
    if not find_spec("ray"):
        raise RequestError("--on ray: Ray is not installed here; pip install 'zero-cost-nas[ray]'")
    if "ray" in sys.modules and sys.modules["ray"].is_initialized():
        yield OnRay.of_need(need)
        return
    address = address or os.environ.get("RAY_ADDRESS", "")
    if address and address not in ("auto", "local") and "://" not in address:
        _check_answer(address)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    import ray

    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    own = {"include_dashboard": False} if address in ("", "local") else {}
    before = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(address=address or None, **quiet, **own)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise RequestError(f"--on ray:{address}: {_line(error)}") from None
    finally:
        with suppress(ValueError):  # in another thread than the main one
            signal.signal(signal.SIGTERM, before)
    try:
        yield OnRay.of_need(need)
    finally:
        ray.shutdown()


def _check_answer(address: str) -> None:
    """Check that a server of HTTP/2 listens at an address: Ray waits for minutes where none does.

    Raises:
        RequestError: None does.
    """
    host, _, port = address.rpartition(":")
    way = "start one with: ray start --head --port 6379; or give the address of a head node"
    if not (host and port.isdigit() and 0 < int(port) < 65536):
        raise RequestError(f"--on ray:{shown(address)}: expected HOST:PORT, as ray:10.0.0.1:6379")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=_ANSWER_SECONDS) as connection:
            connection.sendall(_PREFACE)
            answer = connection.recv(9)
    except OSError as error:
        why = "no answer" if isinstance(error, TimeoutError) else error.strerror or str(error)
        raise RequestError(f"--on ray:{address}: no cluster answers there ({why}); {way}") from None
    if len(answer) < 4 or answer[3] != _SETTINGS:
        raise RequestError(f"--on ray:{address}: what answers there is no Ray cluster; {way}")


@dataclass(frozen=True)
class OnRay:
    """The launcher of a Ray cluster.

    Attributes:
        device: Kind of device of the workers.
        resources: What a task asks for, as options of Ray's tasks.
        place: Where a worker works, but for its readers.
    """

    device: str
    resources: Mapping[str, int]
    place: Place
    at_a_time: int = 1
    elsewhere: bool = True

    @classmethod
    def of_need(cls, need: Need) -> OnRay:
        """The launcher for tasks that need something.

        Raises:
            RequestError: No node has it.
        """
        nodes = _nodes()
        most = {
            name: max((node["Resources"].get(name, 0) for node in nodes), default=0)
            for name in ("CPU", "GPU")
        }
        device = need.device or ("cuda" if most["GPU"] >= 1 else "cpu")
        if device not in ("cpu", "cuda"):
            raise RequestError(f"--device {device}: Ray chooses the GPU of each task; give cuda or cpu")
        if device == "cuda" and most["GPU"] < 1:
            raise RequestError(f"--device cuda: none of {len(nodes)} nodes has a GPU; give --device cpu")
        if device == "cpu" and most["CPU"] < need.threads:
            raise RequestError(
                f"--threads {need.threads}: the largest of {len(nodes)} nodes has {most['CPU']:g} CPUs; give"
                f" at most that"
            )
        if device == "cuda":
            return cls(device, {"num_gpus": 1, "num_cpus": 1}, Place(device, need.readers))
        return cls(device, {"num_cpus": need.threads}, Place(device, need.readers or need.threads))

    def run(
        self, work: Work[T, R], tasks: Sequence[T], stop: Callable[[], bool], on_said: OnSaid[T]
    ) -> Iterator[tuple[T, R | Lost]]:
        """Do tasks; see `nas.tasks.interface.Launcher.run`."""
        import ray

        if not tasks:
            return
        sent, expected = ray.put(work), _versions()
        self._check_nodes(sent, expected)
        desk = (
            ray.remote(num_cpus=0, max_restarts=-1)(_Desk)
            .options(scheduling_strategy=_on(_own_node()))
            .remote()
        )
        do = ray.remote(max_retries=0, **self.resources)(_do)
        waiting, attempts = deque(enumerate(tasks)), Attempts[T]()
        running: dict[Any, tuple[int, T]] = {}
        current: dict[int, Any] = {}
        stopping, looked, window = False, float("-inf"), 0
        try:
            while running or waiting:
                if not stopping and stop():
                    stopping = True
                    waiting.clear()
                    desk.end.remote()
                if time.monotonic() - looked > _LOOK_SECONDS:
                    looked, window = time.monotonic(), self._window()
                while waiting and len(running) < window:
                    number, task = waiting.popleft()
                    current[number] = current.get(number, -1) + 1
                    running[
                        do.remote([sent], expected, self.place, desk, (number, current[number]), task)
                    ] = (
                        number,
                        task,
                    )
                ready, _ = ray.wait(list(running), timeout=_POLL_SECONDS) if running else ([], [])
                for (number, attempt), kind, value in _taken(desk):
                    if current.get(number) == attempt:
                        if kind == "report":
                            attempts.progressed(tasks[number])
                        on_said(tasks[number], value)
                for reference in ready:
                    number, task = running.pop(reference)
                    result = self._result(reference)
                    if isinstance(result, Again):
                        if not stopping and attempts.again(task):
                            on_said(task, result)
                            waiting.appendleft((number, task))
                            continue
                        result = Lost(result.reason)
                    del current[number]
                    yield task, result
        finally:
            for reference in running:
                with suppress(Exception):
                    ray.cancel(reference, force=True)
            ray.kill(desk)

    def _window(self) -> int:
        """How many tasks are with Ray at a time: twice those that can run, so that no node waits."""
        import ray

        resource, each = ("GPU", 1) if self.device == "cuda" else ("CPU", self.resources["num_cpus"])
        return max(2 * int(ray.cluster_resources().get(resource, 0) // each), _LEAST_WINDOW)

    def _result(self, reference: Any) -> Any:
        """The result of a task that ended; `Again` if it died.

        Raises:
            RequestError: Its worker lacks something.
        """
        import ray

        try:
            refused, result = ray.get(reference)
        except ray.exceptions.RayTaskError as error:
            traceback.print_exception(error)
            return Lost(_line(error.cause if isinstance(getattr(error, "cause", None), Exception) else error))
        except ray.exceptions.OutOfMemoryError:
            return Again("its node ran out of memory")
        except ray.exceptions.RayError as error:
            return Again(f"its node or its process died ({type(error).__name__})")
        if refused:
            raise RequestError(refused)
        return result

    def _check_nodes(self, sent: Any, expected: Mapping[str, str]) -> None:
        """Check each node that tasks can run on.

        Raises:
            RequestError: One has other versions, or lacks what the work needs; the message names it.
        """
        import ray

        # Sent by value, as a function within a function is: the node may lack this package.
        def probe(sent: list[Any], expected: dict[str, str]) -> str:
            import platform
            from importlib.metadata import PackageNotFoundError, version

            for name, here in expected.items():
                try:
                    there = platform.python_version() if name == "Python" else version(name)
                    if name == "zero-cost-nas":
                        import nas.tasks.ray  # noqa: F401
                except (PackageNotFoundError, ImportError):
                    return f"{name} is not installed; pip install '{name}=={here}' there"
                if there != here:
                    return f"it has {name} {there}, and this machine {here}; install the same version on both"
            import ray

            from search_spaces import RequestError

            try:
                ray.get(sent[0]).check()
            except RequestError as error:
                return str(error)
            return ""

        resource, least = ("GPU", 1) if self.device == "cuda" else ("CPU", self.resources["num_cpus"])
        nodes = [node for node in _nodes() if node["Resources"].get(resource, 0) >= least]
        asked = {
            ray.remote(num_cpus=0, max_retries=0)(probe)
            .options(scheduling_strategy=_on(node["NodeID"]))
            .remote([sent], dict(expected)): node
            for node in nodes
        }
        answered, silent = ray.wait(list(asked), num_returns=len(asked), timeout=_CHECK_SECONDS)
        for reference in answered:
            node = _named(asked[reference])
            try:
                fault = ray.get(reference)
            except ray.exceptions.RayTaskError as error:
                raise RequestError(f"{node}: {_line(error)}") from None
            except ray.exceptions.RayError:  # it died meanwhile
                continue
            if fault:
                raise RequestError(f"{node}: {fault}")
        if silent:
            node = _named(asked[silent[0]])
            raise RequestError(f"{node} does not answer within {_CHECK_SECONDS:.0f} s; see `ray status`")


def _versions() -> dict[str, str]:
    """Versions that must be the same on all nodes, by package."""
    found = {"Python": platform.python_version()}
    for name in ("zero-cost-nas", "torch"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # a checkout that is not installed
            found[name] = "none"
    return found


def _nodes() -> list[dict[str, Any]]:
    import ray

    return [node for node in ray.nodes() if node["Alive"]]


def _named(node: Mapping[str, Any]) -> str:
    """A node in words."""
    return f"node {node['NodeManagerHostname']} ({node['NodeManagerAddress']})"


def _own_node() -> str:
    import ray

    found: str = ray.get_runtime_context().get_node_id()
    return found


def _on(node: str) -> Any:
    """The strategy that runs a task on a node."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return NodeAffinitySchedulingStrategy(node, soft=False)


def _line(error: BaseException) -> str:
    """The last line of an error, which says what it is."""
    lines = str(error).strip().splitlines() or [repr(error)]
    return lines[-1].strip()


def _taken(desk: Any) -> list[tuple[tuple[int, int], str, object]]:
    """What workers have said since the last time; nothing while the desk restarts."""
    import ray

    try:
        found: list[tuple[tuple[int, int], str, bytes]] = ray.get(desk.take.remote())
    except ray.exceptions.RayError:
        return []
    return [(key, kind, pickle.loads(value)) for key, kind, value in found]


class _Desk:
    """The actor between workers and launcher: messages one way, the wish to stop the other way.

    Messages stay bytes here: their classes would import torch, which takes half a gigabyte.
    """

    def __init__(self) -> None:
        self._said: list[tuple[tuple[int, int], str, bytes]] = []
        self._ended = False

    def tell(self, key: tuple[int, int], kind: str, value: bytes) -> None:
        self._said.append((key, kind, value))

    def take(self) -> list[tuple[tuple[int, int], str, bytes]]:
        said, self._said = self._said, []
        return said

    def end(self) -> None:
        self._ended = True

    def ended(self) -> bool:
        return self._ended


class _Mail:
    """The post of a worker of Ray."""

    def __init__(self, desk: Any, key: tuple[int, int]) -> None:
        self._desk, self._key = desk, key
        self._asked: Any = None
        self._told: Any = None
        self._heard, self._stop = time.monotonic(), False
        self.tick = Thinned(lambda value: self._tell("tick", value))

    def _tell(self, kind: str, value: object) -> None:
        self._told = self._desk.tell.remote(self._key, kind, pickle.dumps(value))

    def report(self, value: object) -> None:
        self._tell("report", value)

    def stop(self) -> bool:
        import ray

        if self._asked is None and time.monotonic() - self._heard > TICK_SECONDS / 2:
            self._asked = self._desk.ended.remote()
        if self._asked is not None and ray.wait([self._asked], timeout=0)[0]:
            with suppress(ray.exceptions.RayError):
                self._stop = ray.get(self._asked)
            self._asked, self._heard = None, time.monotonic()
        return self._stop

    def delivered(self) -> None:
        """Wait until what was told has arrived: the launcher hears it before the result."""
        import ray

        if self._told is not None:
            with suppress(ray.exceptions.RayError):
                ray.get(self._told)


@lru_cache(maxsize=1)
def _prepared(reference: Any, place: Place) -> Callable[[Any, Any], Any]:
    """The work at a reference, prepared once in each process of Ray."""
    import ray

    work: Work[Any, Any] = ray.get(reference)
    return work.prepared(place)


def _do(
    sent: list[Any], expected: Mapping[str, str], place: Place, desk: Any, key: tuple[int, int], task: T
) -> tuple[str, Any]:
    """Do a task in a process of Ray; returns why it is refused, or the result."""
    import ray

    try:
        if (own := _versions()) != expected:
            raise RequestError(f"it has {own}, and the launching machine {dict(expected)}; install the same")
        mail = _Mail(desk, key)
        result = _prepared(sent[0], _with_readers(place))(task, mail)
        mail.delivered()
    except RequestError as error:
        return f"node {platform.node()} ({ray.util.get_node_ip_address()}): {error}", None
    return "", result


def _with_readers(place: Place) -> Place:
    """A place with the processors of its node divided among its GPUs, unless readers are given."""
    if place.readers is not None:
        return place
    own = next(node["Resources"] for node in _nodes() if node["NodeID"] == _own_node())
    return Place(place.device, max(int(own.get("CPU", 1) // max(own.get("GPU", 1), 1)), 1))
