"""Settings of property tests, and the commands run as users run them."""

import os
import subprocess
import sys
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


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """Run `python -m MODULE ARGUMENTS...` in an empty folder and wait for it."""

    def run(module: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", module, *arguments],
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run
