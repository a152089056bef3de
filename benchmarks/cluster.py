"""Trainings and tasks on a Ray cluster of three nodes on this machine, against one process.

The head node has no processors, two nodes have one each. Tasks that do nothing show what a task costs, and
what the launching process holds and writes for 10,000 networks.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import torch

import nas
import search_spaces
from benchmarks.record import save
from benchmarks.training import noise
from nas.tasks import Here, Launcher, Need, Place, Post, connected
from nas.train.config import RECIPES, TrainConfig
from nas.train.folder import TrainFolder
from nas.train.job import DONE, Epoch, Job, JobState
from nas.train.run import TrainRun
from nas.train.runtime import Execution

NETWORKS = [f"mlp:w8_d{depth}_t10" for depth in range(8, 32)]
"""24 small networks; each takes some seconds on generated points."""
SETTING: dict[str, Any] = {"dataset": "seg20", "recipe": "mlp", "device": "cpu", "threads": 1}
TASKS = 1000
RUNS = 3
MANY = 10_000
"""Networks of the simulation."""
EPOCHS = 15
"""Epochs that each of them reports."""


@dataclass(frozen=True)
class Nothing:
    """Work that does nothing with a task, and pretends to train a network for a job.

    Attributes:
        epochs: Epochs that a job reports, after each other.
    """

    epochs: int = 0

    def check(self) -> None:
        """Nothing is needed."""

    def prepared(self, place: Place) -> Callable[[Any, Post], Any]:
        """Nothing is loaded."""

        def do(task: Any, post: Post) -> Any:
            if not isinstance(task, Job):
                return task
            state = JobState("running")
            for number in range(1, self.epochs + 1):
                state = state.with_epoch(Epoch(number, 1.0, "test", 50.0, 90.0, 1.0, 100.0, 0.0, None))
                post.report(state)
            return state.with_status(DONE)

        return do


class Pretended(TrainRun):
    """A training run whose networks are not trained."""

    @contextmanager
    def _work(self, folder: TrainFolder, launcher: Launcher) -> Iterator[Any]:
        yield Nothing(EPOCHS)


def main() -> None:
    """Measure on one cluster; write the tables."""
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
        on = f"ray:{cluster.address}"
        parts = os.environ.get("PARTS", "tasks simulation trainings").split()
        if "tasks" in parts:
            save("cluster_tasks", pd.DataFrame(tasks(on)), "python -m benchmarks cluster")
        if "simulation" in parts:
            save("cluster_simulation", pd.DataFrame(simulated(on)), "python -m benchmarks cluster")
        if "trainings" in parts:
            save("cluster_trainings", pd.DataFrame(trainings(on)), "python -m benchmarks cluster")
    finally:
        cluster.shutdown()


def tasks(on: str) -> Iterator[dict[str, object]]:
    """Time of a task that does nothing, by launcher: after the first, whose workers start."""
    for run in range(RUNS):
        with connected(on, Need("cpu", 1)) as launcher:
            for name, one in (("this process", Here(Place())), ("ray", launcher)):
                start = time.perf_counter()
                list(one.run(Nothing(), [0, 1], lambda: False, lambda task, said: None))
                first = time.perf_counter() - start
                start = time.perf_counter()
                count = len(list(one.run(Nothing(), range(TASKS), lambda: False, lambda task, said: None)))
                seconds = time.perf_counter() - start
                yield {
                    "run": run,
                    "launcher": name,
                    "tasks": count,
                    "first_s": first,
                    "task_ms": seconds / count * 1e3,
                }


def simulated(on: str) -> Iterator[dict[str, object]]:
    """What a run of many networks costs the launching process: time, memory and files."""
    space = search_spaces.get("mobilenet")
    archs = tuple(map(str, nas.exact.sample(space.name, MANY, seed=0)["arch"]))
    data = noise(64, 32, 10)
    recipe = replace(RECIPES["quick"], epochs=EPOCHS, batch_size=32)
    for count in (MANY // 10, MANY):
        config = TrainConfig(archs[:count], "cifar10", "data", "quick", recipe)
        before = psutil.Process().memory_info().rss
        with tempfile.TemporaryDirectory() as path, connected(on, Need("cpu", 1)) as launcher:
            run = Pretended(config, data, Execution(torch.device("cpu"), threads=1))
            start = time.perf_counter()
            folder = TrainFolder.create(config, Path(path) / "run")
            run.run(folder, launcher=launcher)
            seconds = time.perf_counter() - start
            start = time.perf_counter()
            run._save_tables(folder)
            write = time.perf_counter() - start
            size = sum(file.stat().st_size for file in folder.path.glob("*.csv"))
            yield {
                "networks": count,
                "epochs": EPOCHS,
                "seconds": seconds,
                "write_s": write,
                "tables_mb": size / 2**20,
                "grown_mb": (psutil.Process().memory_info().rss - before) / 2**20,
                **head_memory(),
            }


def head_memory() -> dict[str, float]:
    """Resident memory of this process and of the processes of the head node, in MiB."""
    found = {"launcher_mb": psutil.Process().memory_info().rss / 2**20}
    for process in psutil.process_iter(["name", "cmdline", "memory_info"]):
        words = " ".join(process.info["cmdline"] or ())
        if "gcs_server" in words:
            found["gcs_mb"] = process.info["memory_info"].rss / 2**20
        if "_Desk" in words:
            found["desk_mb"] = process.info["memory_info"].rss / 2**20
    return found


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
