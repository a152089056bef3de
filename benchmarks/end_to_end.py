"""Search, training, export and loading, with a few thousand images."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

from benchmarks.record import save

SEARCH = ("-m", "nas.search", "--space", "densenet", "--flops", "10M", "--trials", "500", "--out", "found")
TRAIN = (
    *("-m", "nas.train", "found/candidates.csv", "--top", "1", "--images", "3000"),
    *("--set", "epochs=5", "batch=64", "lr=0.1", "--out", "trained"),
)
EXPORT = ("-m", "nas.export", "trained", "--format", "onnx")
LOAD = ("-c", "import nas; model = nas.load('trained', row=1); model(model.example())")

DATA = "CIFAR10_FOLDER"
"""Environment variable with the folder of the images, train/CLASS/* and test/CLASS/*."""


def main() -> None:
    """Run the four commands in an empty folder, and write their times."""
    folder = Path(os.environ.get(DATA, "data")).resolve()
    if not (folder / "train").is_dir():
        sys.exit(f"error: {DATA}={folder} has no train/; set it to the folder of CIFAR-10's images")
    train = (*TRAIN, "--dataset", "folder", "--data", str(folder))
    rows = []
    with tempfile.TemporaryDirectory() as there:
        for name, command in {"search": SEARCH, "train": train, "export": EXPORT, "load": LOAD}.items():
            start = time.perf_counter()
            environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
            subprocess.run([sys.executable, *command], cwd=there, env=environment, check=True)
            rows.append({"command": name, "seconds": time.perf_counter() - start})
        trained = pd.read_csv(Path(there) / "trained" / "trained.csv").iloc[0]
    table = pd.DataFrame(rows).assign(
        arch=trained["arch"], top1=trained["top1"], images_per_second=trained["images_per_second"]
    )
    save("end_to_end", table, f"{DATA}=... python -m benchmarks end_to_end")
