"""Saves tables of measurements, with the command, the machine and the versions."""

from __future__ import annotations

import json
import os
import platform
from datetime import date
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pandas as pd

from nas.files import write_whole
from nas.runs import processor

FOLDER = Path("results/benchmarks")
PACKAGES = ("optuna", "torch", "onnxruntime", "numpy", "pandas", "fvcore")


def save(name: str, table: pd.DataFrame, command: str, folder: Path = FOLDER) -> None:
    """Write a table as CSV, and the command, machine and versions as JSON; print the table."""
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / f"{name}.csv", table.to_csv(index=False, float_format="%.6g"))
    facts = {
        "command": command,
        "date": date.today().isoformat(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "gpu": gpu(),
        **{package: version(package) for package in PACKAGES if find_spec(package)},
    }
    write_whole(folder / f"{name}.json", json.dumps(facts, indent=2) + "\n")
    print(table.to_string(index=False), flush=True)


def gpu() -> str | None:
    """Name of the GPU; None if there is none."""
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else None
