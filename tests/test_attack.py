"""The attack on all commands."""

import subprocess
import sys

import pytest

from tests.processes import REPOSITORY, environment


@pytest.mark.slow
@pytest.mark.parametrize("part", ["requests", "files", "kills"])
def test_nothing_breaks(part: str) -> None:
    words = [sys.executable, "-m", "tests.attack", "--part", part, "--patience", "120"]
    done = subprocess.run(words, cwd=REPOSITORY, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
