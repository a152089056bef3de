"""The default command in a fresh process: wall time, where it went, and peak memory with its helper."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
import psutil

from benchmarks.record import save

COMMAND = ("--space", "mobilenet", "--flops", "400M")
RUNS = 7


def measure(cold: bool) -> dict[str, object]:
    """One run; `cold` has the system forget all files it has read, where it lets us."""
    if cold:
        os.sync()
        Path("/proc/sys/vm/drop_caches").write_text("3")
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        start = time.perf_counter()
        process = psutil.Popen(
            [sys.executable, "-m", "nas.search", *COMMAND, "--out", str(run)], stdout=subprocess.DEVNULL
        )
        peak = 0
        while process.poll() is None:
            peak = max(peak, resident(process))
            time.sleep(0.05)
        wall = time.perf_counter() - start
        state = json.loads((run / "run.json").read_text())
    return {
        "files": "cold" if cold else "cached",
        "wall_s": wall,
        **{f"{name}_s": seconds for name, seconds in state["seconds"].items()},
        "peak_mb": peak / 2**20,
        "best": state["best"],
    }


def resident(process: psutil.Process) -> int:
    """Bytes that a process and its children hold; what they share counts more than once."""
    total = 0
    try:
        for member in (process, *process.children(recursive=True)):
            total += member.memory_info().rss
    except psutil.NoSuchProcess:
        pass
    return total


def main() -> None:
    """Measure from a cold file cache, if allowed, then several times from a warm one."""
    rows = [measure(cold=True)] if os.access("/proc/sys/vm/drop_caches", os.W_OK) else []
    rows += [measure(cold=False) for _ in range(RUNS)]
    save("default_command", pd.DataFrame(rows), "python -m benchmarks default_command")
