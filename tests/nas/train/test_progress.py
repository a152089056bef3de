"""Progress of trainings: lines at regular intervals."""

from __future__ import annotations

import threading

import pytest

from nas.train import progress
from nas.train.job import Job
from tests.nas.train.conftest import SMALL
from tests.processes import PATIENCE


@pytest.mark.parametrize(
    ("reached", "expected"),
    [
        (None, "preparing, "),
        (0.25, "row 1 seed 0 epoch 1/3: 25%"),
        (1.0, "row 1 seed 0 epoch 1/3: testing"),
        (1.25, "row 1 seed 0 epoch 2/3: 25%"),
    ],
)
def test_progress_lines_appear_at_regular_intervals(
    reached: float | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the first step, within an epoch, during a test, and within a later epoch of a resumed one."""
    lines: list[str] = []
    enough = threading.Event()

    def record(line: str, **given: object) -> None:
        lines.append(line)
        if len(lines) >= 2:
            enough.set()

    monkeypatch.setattr(progress, "print", record, raising=False)
    with progress.progress_display(3, every=0.001) as display:
        if reached is not None:
            display.on_step(Job(1, SMALL, 0), reached)
            lines.clear()
            enough.clear()  # it may be set by earlier lines
        assert enough.wait(PATIENCE)
    assert any(line.startswith(expected) for line in lines)
