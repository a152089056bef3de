"""The default command in a new process: time to its table, wall time, time per phase, and peak memory.

The speed of a machine varies over time, so the table also has ratios to the import time of torch and fvcore,
measured before and after each run.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from threading import Event, Thread

import pandas as pd
import psutil

import search_spaces
from benchmarks.record import save

SPACE = "mobilenet"
COMMAND = ("-m", "nas.search", "--space", SPACE, "--flops", "400M")
IMPORT = ("-W", "ignore", "-c", "import torch, fvcore.nn")
RUNS = 7

_CACHES = Path("/proc/sys/vm/drop_caches")
_EVERY = 0.02
"""Seconds between two measurements of memory."""


def measure(cold: bool) -> dict[str, object]:
    """Measure a run, and the imports before and after it; `cold` empties the file cache before each."""
    before = import_seconds(cold)
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        if cold:
            drop_file_cache()
        start = time.perf_counter()
        process = psutil.Popen(
            [sys.executable, *COMMAND, "--out", str(run)], stdout=subprocess.PIPE, text=True
        )
        peak = Peak(process)
        table = wait_for_table(process, start)
        code = process.wait()
        wall = time.perf_counter() - start
        peak_bytes = peak.stop()
        if code:
            sys.exit(f"error: the command ended with exit code {code}")
        state = json.loads((run / "run.json").read_text())
    baseline = (before + import_seconds(cold)) / 2
    return {
        "files": "cold" if cold else "cached",
        "table_s": table,
        "wall_s": wall,
        "baseline_s": baseline,
        "table_ratio": table / baseline,
        "wall_ratio": wall / baseline,
        **{f"{name}_s": seconds for name, seconds in state["seconds"].items()},
        "peak_mb": peak_bytes / 2**20,
        "best": state["best"],
    }


def import_seconds(cold: bool) -> float:
    """Wall time of a process that imports torch and fvcore."""
    if cold:
        drop_file_cache()
    start = time.perf_counter()
    subprocess.run([sys.executable, *IMPORT], stderr=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def drop_file_cache() -> None:
    """Empty the file cache of the system."""
    os.sync()
    _CACHES.write_text("3")


def wait_for_table(process: psutil.Popen, start: float) -> float:
    """Read the output of a search; seconds until the last row of its table, which is a reference."""
    names = search_spaces.get(SPACE).references
    table = float("nan")
    for line in process.stdout:
        _, *words = line.split() or [""]
        if words and words[0] in names:
            table = time.perf_counter() - start
    return table


class Peak:
    """Samples the memory of a process and its children, and keeps the maximum."""

    def __init__(self, process: psutil.Popen) -> None:
        self._process, self._peak, self._done = process, 0, Event()
        self._thread = Thread(target=self._watch)
        self._thread.start()

    def stop(self) -> int:
        """Stop sampling; returns the maximum in bytes."""
        self._done.set()
        self._thread.join()
        return self._peak

    def _watch(self) -> None:
        while not self._done.wait(_EVERY):
            self._peak = max(self._peak, resident(self._process))


def resident(process: psutil.Process) -> int:
    """Resident memory of a process and its children, in bytes; shared pages count more than once."""
    total = 0
    try:
        for member in (process, *process.children(recursive=True)):
            total += member.memory_info().rss
    except psutil.Error:  # a process has ended
        pass
    return total


def main() -> None:
    """Measure with a cold file cache, if permitted, then several times with a warm one."""
    rows = [measure(cold=True)] if os.access(_CACHES, os.W_OK) else []
    rows += [measure(cold=False) for _ in range(RUNS)]
    save("default_command", pd.DataFrame(rows), "python -m benchmarks default_command")
