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
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any, Generic

from nas.tasks._ray_worker import Relay, do, nodes, own_node, versions
from nas.tasks.interface import Again, Attempts, Lost, Need, OnMessage, Place, R, T, Work
from search_spaces import RequestError

_POLL_SECONDS = 0.2
"""Interval of polling `stop`."""
_ANSWER_SECONDS = 10.0
"""Longest wait for an answer at an address."""
_CHECK_SECONDS = 300.0
"""Longest wait for the check of a node, which starts a process there."""
_LOOK_SECONDS = 10.0
"""Interval of looking how many nodes there are."""
_LEAST_WINDOW = 8
"""Fewest tasks with Ray at a time, so that a cluster that grows by need sees that it is to grow."""
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
    named = f"--on ray:{address}" if address else "--on ray"
    if not address and (address := os.environ.get("RAY_ADDRESS", "")):
        named = f"--on ray with RAY_ADDRESS={address}"
    if address and address not in ("auto", "local") and "://" not in address:
        _check_answer(address, named)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("RAY_raylet_start_wait_time_s", "120")  # busy machines need more than its 30
    import ray

    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    own = {"include_dashboard": False} if address in ("", "local") else {}
    before = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(address=address or None, **quiet, **own)
    except Exception as error:  # of many kinds, and plain ones where a node does not start in time
        raise RequestError(f"{named}: {_line(error).rstrip('.')}; see `ray status`, or try again") from None
    finally:
        with suppress(ValueError):  # in another thread than the main one
            signal.signal(signal.SIGTERM, before)
    try:
        yield OnRay.of_need(need)
    finally:
        ray.shutdown()


def _check_answer(address: str, named: str) -> None:
    """Check that a server of HTTP/2 listens at an address: Ray waits for minutes where none does.

    Args:
        address: The address.
        named: How the user gave it.

    Raises:
        RequestError: None does.
    """
    host, _, port = address.rpartition(":")
    way = "start one with: ray start --head --port 6379; or give the address of a head node"
    if not (host and port.isdigit() and 0 < int(port) < 65536):
        raise RequestError(f"{named}: expected HOST:PORT, as ray:10.0.0.1:6379")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=_ANSWER_SECONDS) as connection:
            connection.sendall(_PREFACE)
            answer = connection.recv(9)
    except OSError as error:
        why = "no answer" if isinstance(error, TimeoutError) else error.strerror or str(error)
        raise RequestError(f"{named}: no cluster answers there ({why}); {way}") from None
    if len(answer) < 4 or answer[3] != _SETTINGS:
        raise RequestError(f"{named}: what answers there is no Ray cluster; {way}")


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
        found = nodes()
        most = {
            name: max((node["Resources"].get(name, 0) for node in found), default=0)
            for name in ("CPU", "GPU")
        }
        device = need.device or ("cuda" if most["GPU"] >= 1 else "cpu")
        if device not in ("cpu", "cuda"):
            raise RequestError(f"--device {device}: Ray chooses the GPU of each task; give cuda or cpu")
        if device == "cuda" and most["GPU"] < 1:
            raise RequestError(f"--device cuda: none of {len(found)} nodes has a GPU; give --device cpu")
        if device == "cpu" and most["CPU"] < need.threads:
            raise RequestError(
                f"--threads {need.threads}: the largest of {len(found)} nodes has {most['CPU']:g} CPUs; give"
                f" at most that"
            )
        if device == "cuda":
            return cls(device, {"num_gpus": 1, "num_cpus": 1}, Place(device, need.readers))
        return cls(device, {"num_cpus": need.threads}, Place(device, need.readers or need.threads))

    def run(
        self, work: Work[T, R], tasks: Sequence[T], stop: Callable[[], bool], on_message: OnMessage[T]
    ) -> Iterator[tuple[T, R | Lost]]:
        """Do tasks; see `nas.tasks.interface.Launcher.run`."""
        import ray

        if not tasks:
            return
        sent, expected = ray.put(work), versions()
        self._check_nodes(sent, expected)
        own = _on(own_node())
        relay = ray.remote(num_cpus=0, max_restarts=-1)(Relay).options(scheduling_strategy=own).remote()
        send = ray.remote(max_retries=0, **self.resources)(do)
        unfinished: _Unfinished[T] = _Unfinished(
            lambda *key_and_task: send.remote([sent], expected, self.place, relay, *key_and_task)
        )
        unfinished.waiting.extend(enumerate(tasks))
        refusal, looked, window = "", float("-inf"), 0
        try:
            while unfinished.running or unfinished.waiting:
                if not unfinished.ending and (refusal or stop()):
                    for reference in unfinished.end(relay):  # others may hold the room for hours
                        ray.cancel(reference)
                if time.monotonic() - looked > _LOOK_SECONDS:
                    looked, window = time.monotonic(), self._window()
                unfinished.send(window)
                if not unfinished.running:
                    continue
                ready, _ = ray.wait(list(unfinished.running), timeout=_POLL_SECONDS)
                for key, kind, value in _taken(relay):
                    unfinished.hear(key, kind, value, on_message)
                for reference in ready:
                    task, kind, value = unfinished.ended(reference, on_message)
                    if kind == "done":
                        yield task, value
                    refusal = refusal or (value if kind == "refused" else "")
            if refusal:
                raise RequestError(refusal)
        finally:
            for reference in unfinished.running:
                with suppress(Exception):
                    ray.cancel(reference, force=True)
            ray.kill(relay)

    def _window(self) -> int:
        """How many tasks are with Ray at a time: twice those that can run, so that no node waits."""
        import ray

        resource, each = ("GPU", 1) if self.device == "cuda" else ("CPU", self.resources["num_cpus"])
        return max(2 * int(ray.cluster_resources().get(resource, 0) // each), _LEAST_WINDOW)

    def _check_nodes(self, sent: Any, expected: Mapping[str, str]) -> None:
        """Check each node that tasks can run on.

        Raises:
            RequestError: One has other versions, or lacks what the work needs; the message names it.
        """
        import ray

        # Sent by value, as a function within a function is: the node may lack this package.
        def probe(sent: list[Any], expected: dict[str, str]) -> str:

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
        asked_of = [node for node in nodes() if node["Resources"].get(resource, 0) >= least]
        asked = {
            ray.remote(num_cpus=0, max_retries=0)(probe)
            .options(scheduling_strategy=_on(node["NodeID"]))
            .remote([sent], dict(expected)): node
            for node in asked_of
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


class _Unfinished(Generic[T]):
    """The tasks of a run that have not ended.

    Args:
        hand_out: Hands out an attempt, given by the numbers of task and attempt, and the task.

    Attributes:
        waiting: Tasks that are not with Ray, with their numbers.
        running: Number, task and number of the attempt, by Ray's reference to the result.
        ending: Whether no further task begins.
    """

    def __init__(self, hand_out: Callable[[tuple[int, int], T], Any]) -> None:
        self._hand_out = hand_out
        self.waiting: deque[tuple[int, T]] = deque()
        self.running: dict[Any, tuple[int, T]] = {}
        self.ending = False
        self._current: dict[int, tuple[int, T]] = {}
        self._attempts = Attempts[T]()

    def end(self, relay: Any) -> list[Any]:
        """Let no further task begin; gives Ray's references of those that wait for room."""
        import ray

        self.ending = True
        self.waiting.clear()
        try:
            begun = ray.get(relay.end.remote())
        except ray.exceptions.RayError:  # it restarts, and does not know
            return []
        keys = {one: (number, self._current[number][0]) for one, (number, _) in self.running.items()}
        return [one for one, key in keys.items() if key not in begun]

    def send(self, window: int) -> None:
        """Hand tasks to Ray until it has so many."""
        while self.waiting and len(self.running) < window:
            number, task = self.waiting.popleft()
            attempt = self._current.get(number, (-1, task))[0] + 1
            self._current[number] = (attempt, task)
            self.running[self._hand_out((number, attempt), task)] = (number, task)

    def hear(self, key: tuple[int, int], kind: str, value: object, on_message: OnMessage[T]) -> None:
        """Pass on what the worker of an attempt reported, unless there is a later one."""
        number, attempt = key
        current, task = self._current.get(number, (None, None))
        if task is not None and current == attempt:
            if kind == "report":
                self._attempts.progressed(task)
            on_message(task, value)

    def ended(self, reference: Any, on_message: OnMessage[T]) -> tuple[T, str, Any]:
        """Take in an attempt that ended.

        Returns:
            The task; "done" with its result, "refused" with the reason, or "" if it goes on or did not begin.
        """
        number, task = self.running.pop(reference)
        kind, value = _result_of(reference)
        if kind == "died":
            if self.ending:
                return task, "", None
            if self._attempts.again(task):
                on_message(task, Again(value))
                self.waiting.appendleft((number, task))
                return task, "", None
            kind, value = "done", Lost(value)
        del self._current[number]
        return task, kind, value


def _result_of(reference: Any) -> tuple[str, Any]:
    """How an attempt ended: done, refused, died, or "" if it did not begin; with its result or reason."""
    import ray

    try:
        found: tuple[str, Any] = ray.get(reference)
        return found
    except ray.exceptions.RayTaskError as error:
        traceback.print_exception(error)
        cause = getattr(error, "cause", None)
        return "done", Lost(_line(cause if isinstance(cause, Exception) else error))
    except ray.exceptions.OutOfMemoryError:
        return "died", "its node ran out of memory"
    except ray.exceptions.RayError as error:
        return "died", f"its node or its process died ({type(error).__name__})"


def _named(node: Mapping[str, Any]) -> str:
    """A node in words."""
    return f"node {node['NodeManagerHostname']} ({node['NodeManagerAddress']})"


def _on(node: str) -> Any:
    """The strategy that runs a task on a node."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return NodeAffinitySchedulingStrategy(node, soft=False)


def _line(error: BaseException) -> str:
    """The last line of an error, which says what it is."""
    lines = str(error).strip().splitlines() or [repr(error)]
    return lines[-1].strip()


def _taken(relay: Any) -> list[tuple[tuple[int, int], str, object]]:
    """What workers have reported since the last time; nothing while the relay restarts."""
    import ray

    try:
        found: list[tuple[tuple[int, int], str, bytes]] = ray.get(relay.take.remote())
    except ray.exceptions.RayError:
        return []
    return [(key, kind, pickle.loads(value)) for key, kind, value in found]
