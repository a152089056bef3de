"""Commands in processes of their own, forked from one that has imported what they need.

Importing torch for each of them would take most of the tests' time. They run from their first line to the
exit code all the same. That they start as `python -m` is tested where they start cold, and by the README.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import MappingProxyType

from nas import recount

REPOSITORY = Path(__file__).parent.parent

PATIENCE = 240
"""Seconds after which a command hangs."""

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(["tests.warm"])

cold_recount = recount.start_process
"""The process that recounts, as users start it."""


def environment() -> dict[str, str]:
    """The environment of a command in a terminal of 80 columns."""
    return {**os.environ, "COLUMNS": "80", "PYTHONPATH": str(REPOSITORY)}


class Begun:
    """`python -m MODULE ARGUMENTS...` under way in a folder.

    Args:
        extra: What its environment has beyond that of a terminal.
        without: Packages that cannot be imported.
    """

    def __init__(
        self,
        folder: Path,
        module: str,
        *arguments: str,
        extra: Mapping[str, str] = MappingProxyType({}),
        without: Sequence[str] = (),
    ) -> None:
        self._words = [module, *arguments]
        self._kept = tempfile.TemporaryDirectory()
        self._files = [Path(self._kept.name) / name for name in ("stdout", "stderr")]
        given = (self._words, folder, self._files, {**environment(), **extra}, tuple(without))
        self.process: BaseProcess = _SERVER.Process(target=_run, args=given)
        self.process.start()

    def send_signal(self, number: int) -> None:
        """As `kill` in a shell."""
        assert self.process.pid is not None
        os.kill(self.process.pid, number)

    def until(self, there: Callable[[], bool]) -> None:
        """Wait until something is there, or for the end of the process."""
        while not there() and self.process.exitcode is None:
            self.process.join(0.01)

    def ended(self) -> subprocess.CompletedProcess[str]:
        """What it printed and returned, once it has ended."""
        self.process.join(PATIENCE)
        code = self.process.exitcode
        self.process.kill()
        assert code is not None, f"{self._words} hangs"
        output, errors = (file.read_text() for file in self._files)
        self._kept.cleanup()
        return subprocess.CompletedProcess(self._words, code, output, errors)


def _run(
    words: list[str], folder: Path, files: Sequence[Path], environs: Mapping[str, str], without: Sequence[str]
) -> None:
    """What `python -m` does, in a process that has only been forked."""
    for number, file in enumerate(files, 1):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT), number)
    os.chdir(folder)
    os.environ.update(environs)
    if without:
        _forget(*without)
    importlib.import_module("nas.recount").start_process = warm_recount
    sys.argv = list(words)
    runpy.run_module(words[0], run_name="__main__", alter_sys=True)


def _forget(*packages: str) -> None:
    """Make packages impossible to import, and let our own be imported anew."""
    for name in list(sys.modules):
        # torch's own part for TensorBoard has imported that.
        if name.partition(".")[0] in {*packages, "nas", "search_spaces"} or "torch.utils.tensorboard" in name:
            del sys.modules[name]
    sys.modules.update(dict.fromkeys(packages))  # type: ignore[arg-type]


def warm_recount() -> subprocess.Popen[str]:
    """The process that recounts, forked from this one."""
    importlib.import_module("fvcore.nn")
    return subprocess.Popen(
        ["nas.recount"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=_recount,
    )


def _recount() -> None:
    """Recount and end, with none of the parent's files and handlers of signals."""
    code = 1
    try:
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")  # noqa: SIM115
        recount.main()
        sys.stdout.flush()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)
