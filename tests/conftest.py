"""Settings of property tests, and the commands run as users run them."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings

from nas import recount
from tests.processes import PATIENCE, REPOSITORY, Begun, environment, warm_recount

__all__ = ["PATIENCE", "REPOSITORY", "Begun", "Command", "environment", "refused"]

settings.register_profile("project", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("project")

# Tests run in several processes; threads of each would wait for one another.
torch.set_num_threads(1)
recount.start_process = warm_recount

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """Run `python -m MODULE ARGUMENTS...` in an empty folder and wait for it."""

    def run(module: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return Begun(tmp_path, module, *arguments).ended()

    return run


def refused(
    main: Callable[[list[str]], int], arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> str:
    """What a command says of arguments that it refuses, in this process."""
    from nas.command_line import run

    with pytest.raises(SystemExit) as ended:
        run(main, arguments)  # type: ignore[arg-type]
    output, errors = capsys.readouterr()
    assert ended.value.code == 2 and errors.count("\n") == 1 and not output, errors
    return errors
