"""Commands in processes of their own, forked from one that has imported what they need.

Importing torch for each of them would take most of the tests' time. They run from their first line to the
exit code all the same. That they start as `python -m` is tested where they start cold, and by the README.
"""

from __future__ import annotations

import gc
import importlib
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import NoReturn

import pytest

from nas.verify import start_process

REPOSITORY = Path(__file__).parent.parent

PATIENCE = 240
"""Seconds after which a command hangs."""

IMPORTED = (
    "filelock",
    "fvcore.nn",
    "matplotlib.backends.backend_agg",
    "matplotlib.figure",
    "nas.export",
    "nas.optimize.run",
    "nas.show",
    "nas.train.work",
    "nas.train.progress",
    "optuna",
    "rich.progress",
    "scipy.stats",
    "torch.utils.tensorboard.writer",
    "torchvision.transforms.v2",
)
"""What commands import."""

_CONTEXT = multiprocessing.get_context("fork")

cold_recount = start_process
"""The process that recounts, as users start it."""


def environment() -> dict[str, str]:
    """The environment of a command in a terminal of 80 columns."""
    return {**os.environ, "COLUMNS": "80", "PYTHONPATH": str(REPOSITORY)}


@dataclass(frozen=True)
class Order:
    """A command to run in a folder.

    Attributes:
        words: The module and its arguments.
        files: Where its output and its errors go.
        environment: What it finds in `os.environ`.
        without: Packages that it cannot import.
        anew: Whether it imports our own packages itself, those in its folder first.
        constants: Values of constants of our modules, such as nas.optimize.run._LEAST_PAUSE.
    """

    words: tuple[str, ...]
    folder: Path
    files: tuple[Path, Path]
    environment: dict[str, str]
    without: tuple[str, ...]
    anew: bool
    constants: dict[str, object]


class Server:
    """A process that commands are forked from: this one, as it is before the first test.

    Later it would not do: torch computes no gradients in a process whose parent has done so.
    """

    def __init__(self) -> None:
        with warnings.catch_warnings(action="ignore"):
            for name in IMPORTED:
                importlib.import_module(name)
        gc.collect()
        gc.freeze()  # what no collection touches stays shared between the processes
        self._orders, orders = _CONTEXT.Pipe()
        self._news, news = _CONTEXT.Pipe(duplex=False)
        self._codes: dict[int, int] = {}
        if not (pid := os.fork()):
            self._orders.close()
            self._news.close()
            _serve(orders, news)
        gc.unfreeze()
        self._pid = pid
        orders.close()
        news.close()

    def close(self) -> None:
        """End it, and what it still runs."""
        self._orders.close()
        os.waitpid(self._pid, 0)

    def begin(self, order: Order) -> int:
        """Run a command; returns the number of its process."""
        self._orders.send(order)
        pid: int = self._orders.recv()
        self._codes.pop(pid, None)
        return pid

    def ended(self, pid: int, patience: float) -> int | None:
        """The exit code of a process, if it ends within some seconds."""
        end = time.monotonic() + patience
        while pid not in self._codes and self._news.poll(max(end - time.monotonic(), 0)):
            ended, code = self._news.recv()
            self._codes[ended] = code
        return self._codes.get(pid)


def _serve(orders: Connection, news: Connection) -> NoReturn:
    """Run what is ordered, each in a process of its own, until nobody orders any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    running = {}
    try:
        while True:
            for ready in wait([orders, *running]):
                if ready is orders:
                    process = _CONTEXT.Process(target=_run, args=(orders.recv(),))
                    process.start()
                    running[process.sentinel] = process
                    orders.send(process.pid)
                else:
                    process = running.pop(ready)
                    process.join()
                    news.send((process.pid, process.exitcode))
    except EOFError:
        for process in running.values():
            process.kill()
            process.join()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(0)


def _run(order: Order) -> None:
    """What `python -m` does, in a process that has only been forked."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, file in enumerate(order.files, 1):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT), number)
    _standard_streams()
    os.chdir(order.folder)
    os.environ.clear()
    os.environ.update(order.environment)
    sys.path.insert(0, str(order.folder))
    if order.anew:
        _forget("nas", "search_spaces")
    if order.without:
        _forget(*order.without)
        sys.modules.update(dict.fromkeys(order.without))  # type: ignore[arg-type]
    for name, value in order.constants.items():
        module, _, constant = name.rpartition(".")
        pytest.MonkeyPatch().setattr(importlib.import_module(module), constant, value)
    importlib.import_module("nas.verify").start_process = warm_recount
    if not hasattr(sys.modules.get(order.words[0]), "__path__"):
        sys.modules.pop(order.words[0], None)  # runpy warns of a module that is imported already
    sys.modules.pop(f"{order.words[0]}.__main__", None)
    sys.argv = list(order.words)
    runpy.run_module(order.words[0], run_name="__main__", alter_sys=True)


def _standard_streams() -> None:
    """Let Python use the process's own files, not those of pytest's."""
    sys.stdin = sys.__stdin__ = open(0, closefd=False)  # type: ignore[misc]  # noqa: SIM115
    sys.stdout = sys.__stdout__ = open(1, "w", closefd=False)  # type: ignore[misc]  # noqa: SIM115
    sys.stderr = sys.__stderr__ = open(2, "w", buffering=1, closefd=False)  # type: ignore[misc]  # noqa: SIM115


def _forget(*packages: str) -> None:
    """Take packages for not yet imported."""
    for name in list(sys.modules):
        # torch's own part for TensorBoard has imported that.
        if name.partition(".")[0] in packages or name.startswith("torch.utils.tensorboard"):
            del sys.modules[name]


class Begun:
    """`python -m MODULE ARGUMENTS...` running in a folder.

    Args:
        extra: What its environment has beyond that of a terminal.
        without: Packages that it cannot import.
        anew: Whether it imports our own packages itself, those in its folder first.
        constants: Values of constants of our modules, such as nas.optimize.run._LEAST_PAUSE.
    """

    def __init__(
        self,
        server: Server,
        folder: Path,
        *words: str,
        extra: Mapping[str, str] | None = None,
        without: Sequence[str] = (),
        anew: bool = False,
        constants: Mapping[str, object] | None = None,
    ) -> None:
        self._server, self._kept = server, tempfile.TemporaryDirectory()
        files = (Path(self._kept.name) / "stdout", Path(self._kept.name) / "stderr")
        environs = {**environment(), **(extra or {})}
        anew = anew or bool(without)
        self._order = Order(words, folder, files, environs, tuple(without), anew, dict(constants or {}))
        self.pid = server.begin(self._order)

    def send_signal(self, number: int) -> None:
        """As `kill` in a shell, unless it has ended."""
        if self._server.ended(self.pid, 0) is None:
            os.kill(self.pid, number)

    def until(self, there: Callable[[], bool]) -> None:
        """Wait until something is there, or for the end of the process."""
        while not there() and self._server.ended(self.pid, 0.01) is None:
            pass

    def ended(self) -> subprocess.CompletedProcess[str]:
        """What it printed and returned, once it has ended."""
        code = self._server.ended(self.pid, PATIENCE)
        if code is None:
            self.send_signal(signal.SIGKILL)
        output, errors = (file.read_text() for file in self._order.files)
        self._kept.cleanup()
        assert code is not None, f"{self._order.words} hangs: {errors}"
        return subprocess.CompletedProcess(self._order.words, code, output, errors)


def warm_recount() -> subprocess.Popen[str]:
    """The process that recounts, forked from this one."""
    importlib.import_module("fvcore.nn")
    return subprocess.Popen(
        ["nas.verify"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=_recount,
    )


def _recount() -> NoReturn:
    """Recount and end, with none of the parent's files and handlers of signals."""
    code = 1
    try:
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        _standard_streams()
        importlib.import_module("nas.verify").main()
        sys.stdout.flush()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)
