"""Plans of studies: time estimates and units."""

from __future__ import annotations

from pathlib import Path

import pytest

from nas.study.cli import main
from nas.study.plan import Plan
from nas.train.loop import Training
from tests.nas.train.conftest import images

__all__ = ["images"]


def test_a_plan_tests_no_network(
    images: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tested: list[object] = []
    monkeypatch.setattr(Training, "test", lambda *arguments: tested.append(arguments))
    on = ["--dataset", "folder", "--data", str(images), "--set", "epochs=1", "batch=12", "--plan"]
    assert main(["--arch", *(f"mlp:w8_d{depth}_t4" for depth in (3, 4, 5)), *on]) == 0
    output = capsys.readouterr().out
    assert not tested and "3 networks, 3 trainings of 1 epoch: about less than 1 s" in output
    assert "less than 1 s at 20" in output and "0.0 min" not in output


def test_a_plan_of_a_training_that_diverges_shows_its_time(
    images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    on = ["--dataset", "folder", "--data", str(images), "--set", "lr=1e6", "batch=12", "--plan"]
    assert main(["--arch", *(f"mlp:w8_d{depth}_t4" for depth in (3, 4, 5)), *on]) == 0
    assert "3 trainings" in capsys.readouterr().out


def test_a_plan_has_fitting_units() -> None:
    plan = Plan(1, 1, 2, 9000.0, 60 * 1e12 * 20)
    assert str(plan) == "1 network, 1 training of 2 epochs: about 2.5 h of steps"
    assert plan.at([20, 1]) == "1.2e+15 operations: 60 s at 20, 20 min at 1 TFLOP/s"


def test_a_plan_for_several_devices_waits_for_the_last_training() -> None:
    plan = Plan(3, 3, 1, 0.0, operations=400e12, longest=200e12)
    assert plan.operations_in_turn(1) == 400e12 and plan.operations_in_turn(2) == 300e12
    assert plan.at([10], 2) == "4.0e+14 operations on 2 devices: 30 s at 10 TFLOP/s"
