"""Settings of property tests, and the commands run as users run them."""

import os
import subprocess
from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, settings

from nas import verify
from tests.processes import PATIENCE, REPOSITORY, Begun, Server, environment, warm_recount

__all__ = [
    "PATIENCE",
    "REPOSITORY",
    "Begin",
    "Begun",
    "Command",
    "environment",
    "examples",
    "number",
    "refused",
]

T = TypeVar("T")

# Few examples keep the suite quick; `make slow` runs the property tests again with many.
_PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("few", _PATIENT, max_examples=20)
settings.register_profile("many", _PATIENT, max_examples=200)
settings.load_profile("few")

verify.start_process = warm_recount

# Tests run in several processes: threads of linear algebra would wait for one another, there and in commands.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def number(few: T, many: T) -> T:
    """What applies in the current profile."""
    return many if settings.get_current_profile_name() == "many" else few


def examples(few: int, many: int) -> settings:
    """So many examples in each of the two profiles, for tests of which one takes long or says little."""
    return settings(max_examples=number(few, many))


Begin = Callable[..., Begun]
Command = Callable[..., "subprocess.CompletedProcess[str]"]

_SERVER = pytest.StashKey[Server]()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    """Set the process up that runs tests; those that hand them to others collect none."""
    if session.items:
        import torch

        torch.set_num_threads(1)  # tests run in several processes, whose threads would wait for one another
    if any("begin" in getattr(item, "fixturenames", ()) for item in session.items):
        session.config.stash[_SERVER] = Server()
    try:
        return (yield)
    finally:
        if server := session.config.stash.get(_SERVER, None):
            server.close()


@pytest.fixture(scope="session")
def begin(pytestconfig: pytest.Config) -> Begin:
    """Begin `python -m MODULE ARGUMENTS...` in a folder."""
    return partial(Begun, pytestconfig.stash[_SERVER])


@pytest.fixture
def command(begin: Begin, tmp_path: Path) -> Command:
    """Run `python -m MODULE ARGUMENTS...` in an empty folder and wait for it."""
    return lambda *words, **more: begin(tmp_path, *words, **more).ended()


def refused(
    main: Callable[[list[str]], int], arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> str:
    """What a command says of arguments that it refuses, in this process."""
    from nas.cli import run

    with pytest.raises(SystemExit) as ended:
        run(main, arguments)  # type: ignore[arg-type]
    output, errors = capsys.readouterr()
    assert ended.value.code == 2 and errors.count("\n") == 1 and not output, errors
    return errors
