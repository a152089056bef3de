"""Coverage of bootstrap intervals: counted as defined, near 95% where it is known, and as committed."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.conftest import REPOSITORY
from tests.nas.tabular.files import accel_nasbench, mbconvs

FOLDER = REPOSITORY / "results" / "tabular"
SCRIPT = importlib.util.spec_from_file_location("intervals", FOLDER / "intervals.py")
assert SCRIPT and SCRIPT.loader
intervals = importlib.util.module_from_spec(SCRIPT)
SCRIPT.loader.exec_module(intervals)


def test_intervals_are_counted() -> None:
    rho = np.array([0.4, 0.5, 0.6, 0.5])
    found = pd.DataFrame({"score": "depth", "held_equal": "flops", "n": 9, "rho": rho})
    found["rho_low"] = rho - np.array([0.1, 0.1, 0.05, 0.1])
    found["rho_high"] = rho + np.array([0.05, 0.1, 0.1, 0.1])
    row = intervals.coverage(found).iloc[0]
    assert row[["samples", "rho", "contain", "too_low", "too_high"]].tolist() == [4, 0.5, 50, 25, 25]


def test_intervals_of_independent_networks_contain_about_95_of_100() -> None:
    generator = np.random.default_rng(0)
    top1, flops = generator.standard_normal((2, 4000))
    noise = generator.standard_normal((3, 4000))
    scores = {name: top1 + noise[place] for place, name in enumerate(intervals.SCORES)}
    table = pd.DataFrame({"top1": top1, "flops": flops, **scores})
    found = intervals.coverage(intervals.of_samples(table, 100, 100, 100))
    assert len(found) == 6 and found["contain"].between(84, 100).all()


def test_the_script_writes_its_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = accel_nasbench(tmp_path / "files", mbconvs(150))
    words = ["--data", str(data), "--samples", "3", "--out", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", ["intervals.py", *words])
    monkeypatch.setattr(intervals, "SIZES", (100, 120))
    intervals.main()
    written = pd.read_csv(tmp_path / "out" / "intervals.csv")
    committed = pd.read_csv(FOLDER / "intervals.csv")
    assert written["n"].unique().tolist() == [100, 120] and list(written) == list(committed)
    assert "contain" in capsys.readouterr().out and committed["contain"].between(90, 100).all()
