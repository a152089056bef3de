"""Trainings on a Ray cluster of three nodes on this machine against one process, and tasks that do nothing.

The head node has no processors, two nodes have one each, so two idle cores should train twice as fast as one.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

import nas
from benchmarks.record import save
from nas.tasks import Here, Need, Place, Post, connected

NETWORKS = [f"mlp:w8_d{depth}_t10" for depth in range(8, 32)]
"""24 small networks; each trains some seconds on generated points."""
SETTING: dict[str, Any] = {
    "dataset": "seg20",
    "recipe": "mlp",
    "epochs": 20,
    "device": "cpu",
    "threads": 1,
}
TASKS = 1000
RUNS = int(os.environ.get("NAS_RUNS", "3"))


@dataclass(frozen=True)
class Nothing:
    """Work that does nothing with a task."""

    def check(self) -> None:
        """Nothing is needed."""

    def prepared(self, place: Place) -> Callable[[Any, Post], Any]:
        """Nothing is loaded."""
        return lambda task, post: task


@contextmanager
def three_nodes() -> Iterator[str]:
    """The value of `--on` for a cluster that runs during a block."""
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1"}
    from ray.cluster_utils import Cluster

    memory = 100 * 2**20
    cluster = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 0, "include_dashboard": False, "object_store_memory": memory},
    )
    try:
        for _ in range(2):
            cluster.add_node(num_cpus=1, object_store_memory=memory, wait=False)
        cluster.wait_for_nodes()
        yield f"ray:{cluster.address}"
    finally:
        cluster.shutdown()


def main() -> None:
    """Measure on one cluster; write a table after each part."""
    with three_nodes() as on:
        save("cluster_tasks", pd.DataFrame(tasks(on)), "python -m benchmarks cluster")
        save("cluster_trainings", pd.DataFrame(trainings(on)), "python -m benchmarks cluster")


def tasks(on: str) -> Iterator[dict[str, object]]:
    """Time of a task that does nothing, by launcher: after the first, whose workers start."""
    for run in range(RUNS):
        with connected(on, Need("cpu", 1)) as launcher:
            for name, one in (("this process", Here(Place())), ("ray", launcher)):
                start = time.perf_counter()
                list(one.run(Nothing(), [0, 1], lambda: False, lambda task, report: None))
                first = time.perf_counter() - start
                start = time.perf_counter()
                count = len(list(one.run(Nothing(), range(TASKS), lambda: False, lambda task, report: None)))
                seconds = time.perf_counter() - start
                yield {
                    "run": run,
                    "launcher": name,
                    "tasks": count,
                    "first_s": first,
                    "task_ms": seconds / count * 1e3,
                }


def trainings(on: str) -> Iterator[dict[str, object]]:
    """Seconds of 24 trainings in this process and on two nodes, alternately; the tables are compared."""
    timed = ["seconds", "images_per_second", "waiting"]
    for run in range(RUNS):
        seconds, tables = [], []
        for where in (None, on):
            with tempfile.TemporaryDirectory() as path:
                start = time.perf_counter()
                table = nas.train(NETWORKS, out=Path(path) / "run", on=where, **SETTING)
                seconds.append(time.perf_counter() - start)
                tables.append(table.drop(columns=timed))
        pd.testing.assert_frame_equal(tables[0], tables[1])
        one, two = seconds
        print(f"run {run}: {one / two:.2f} times as fast", file=sys.stderr)
        yield {"run": run, "trainings": len(NETWORKS), "one_s": one, "ray_s": two, "faster": one / two}
