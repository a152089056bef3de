"""Settings of property tests, and the commands run as users run them."""

import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings

settings.register_profile("project", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("project")

# Tests run in several processes; threads of each would wait for one another.
torch.set_num_threads(1)

REPOSITORY = Path(__file__).parent.parent

Command = Callable[..., "subprocess.CompletedProcess[str]"]


def environment() -> dict[str, str]:
    """The environment of a command in a terminal of 80 columns."""
    return {**os.environ, "COLUMNS": "80", "PYTHONPATH": str(REPOSITORY)}


# Commands are forked from a process that has imported what they need: importing torch for each of them would
# take most of the tests' time. They run in processes of their own all the same, from their first line to the
# exit code. That they run as `python -m` is tested where they are interrupted or killed, and by the README.
_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(["tests.warm"])

PATIENCE = 240
"""Seconds after which a command hangs."""


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """Run `python -m MODULE ARGUMENTS...` in an empty folder and wait for it."""

    def run(module: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        with tempfile.TemporaryDirectory() as folder:
            files = [Path(folder) / name for name in ("stdout", "stderr")]
            process = _SERVER.Process(target=_run, args=(module, arguments, tmp_path, *files))
            process.start()
            process.join(PATIENCE)
            hangs = process.exitcode is None
            process.kill()
            assert not hangs, f"{module} {arguments} hangs"
            output, errors = (file.read_text() for file in files)
        return subprocess.CompletedProcess([module, *arguments], process.exitcode or 0, output, errors)

    return run


def _run(module: str, arguments: tuple[str, ...], folder: Path, stdout: Path, stderr: Path) -> None:
    """What `python -m` does, in a process that has only been forked."""
    for number, file in ((1, stdout), (2, stderr)):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT), number)
    os.chdir(folder)
    os.environ.update(environment())
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def refused(
    main: Callable[[list[str]], int], arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> str:
    """What a command says of arguments that it refuses, in this process."""
    from nas.command_line import run

    with pytest.raises(SystemExit) as ended:
        run(main, arguments)  # type: ignore[arg-type]
    errors = capsys.readouterr().err
    assert ended.value.code == 2 and errors.count("\n") == 1, errors
    return errors
