"""Fixtures of tests that measure latency."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path

import pytest

from nas import timing

MEDIANS = ["cpu_ms", "cpu_ms_64", "onnx_ms", "onnx_ms_64"]
"""Columns of median latencies on a CPU."""


@pytest.fixture
def brief_timing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Latencies are measured briefly at any spread, in an empty folder, with a terminal of 80 columns."""
    monkeypatch.setattr(timing, "_SECONDS", 0.02)
    monkeypatch.setattr(timing, "_THRESHOLD", math.inf)
    monkeypatch.setattr(timing, "_PATIENCE", 100.0)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def no_onnxruntime(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment without onnxruntime."""
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "onnxruntime" else found(name, *rest)
    )
