"""What 10,000 networks and 100,000 trials cost the process that launches them: the tasks do nothing."""

from __future__ import annotations

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

from benchmarks.cluster import three_nodes
from benchmarks.record import save
from benchmarks.training import noise
from nas import exact
from nas.exact.problem import Problem
from nas.optimize.request import Request
from nas.optimize.study import Journal, Study
from nas.tasks import Here, Launcher, Need, Place, Post, connected
from nas.train.config import RECIPES, TrainConfig
from nas.train.folder import TrainFolder
from nas.train.job import DONE, RUNNING, Epoch, Job, JobState
from nas.train.run import TrainRun
from nas.train.runtime import Execution

NETWORKS = (100, 1000, 10_000)
EPOCHS = 15
"""Epochs that each network reports."""
TRIALS = (1000, 10_000, 100_000)
SAMPLERS = ("random", "nsga2")


@dataclass(frozen=True)
class Reports:
    """Work that reports the epochs of a training that does not take place."""

    def check(self) -> None:
        """Nothing is needed."""

    def prepared(self, place: Place) -> Callable[[Job, Post], JobState]:
        """Nothing is loaded."""

        def do(job: Job, post: Post) -> JobState:
            state = JobState(RUNNING)
            for number in range(1, EPOCHS + 1):
                state = state.with_epoch(Epoch(number, 1.0, "test", 50.0, 90.0, 1.0, 100.0, 0.0, None))
                post.report(state)
            return state.with_status(DONE)

        return do


class Pretended(TrainRun):
    """A training run whose networks are not trained."""

    @contextmanager
    def _work(self, folder: TrainFolder, launcher: Launcher) -> Iterator[Any]:
        yield Reports()


def main() -> None:
    """Simulate both; write a table after each."""
    with three_nodes() as on, connected(on, Need("cpu", 1)) as cluster:
        table = pd.DataFrame([*networks(Here(Place())), *networks(cluster)])
        save("simulation_networks", table, "python -m benchmarks simulation")
    save("simulation_trials", pd.DataFrame(trials()), "python -m benchmarks simulation")


def networks(launcher: Launcher) -> Iterator[dict[str, object]]:
    """Time, memory and files of the process that launches trainings, and memory of Ray's head node."""
    archs = tuple(map(str, exact.sample("mobilenet", NETWORKS[-1], seed=0)["arch"]))
    data = noise(128, 32, 10)
    recipe = replace(RECIPES["quick"], epochs=EPOCHS, batch_size=32)
    for count in NETWORKS:
        config = TrainConfig(archs[:count], "cifar10", "data", "quick", recipe)
        with tempfile.TemporaryDirectory() as path:
            start, used = time.perf_counter(), time.process_time()
            run = Pretended(config, data, Execution(torch.device("cpu"), threads=1))
            folder = TrainFolder.create(config, Path(path) / "run")
            run.run(folder, launcher=launcher)
            seconds, used = time.perf_counter() - start, time.process_time() - used
            start = time.process_time()
            run._save_tables(folder)
            write = time.process_time() - start
            size = sum(file.stat().st_size for file in folder.path.glob("*.*"))
            row: dict[str, object] = {
                "launcher": "ray" if launcher.elsewhere else "this process",
                "networks": count,
                "epochs": EPOCHS,
                "seconds": seconds,
                "cpu_s": used,
                "write_s": write,
                "files_mb": size / 2**20,
                **memory(),
            }
            print(row, file=sys.stderr)
            yield row


def memory() -> dict[str, float]:
    """Resident memory of this process, of Ray's control process and of the relay, in MiB."""
    found = {"launcher_mb": psutil.Process().memory_info().rss / 2**20}
    for process in psutil.process_iter(["cmdline", "memory_info"]):
        words = " ".join(process.info["cmdline"] or ())
        for name, word in (("gcs_mb", "gcs_server"), ("relay_mb", "ray::Relay")):
            if word in words and process.info["memory_info"]:
                found[name] = process.info["memory_info"].rss / 2**20
    return found


def trials() -> Iterator[dict[str, object]]:
    """Processor time and memory of a study of closed-form scores, and the size of its journal."""
    problem = Problem.of(Request("mobilenet-wide", {"flops": "400M"}))
    for sampler in SAMPLERS:
        journal = Journal()
        study = Study(problem.space, problem.tables, problem.goal, sampler, 0, journal)
        for count in TRIALS:
            before, start = study.trials, time.process_time()
            study.run(count)
            seconds = time.process_time() - start
            row: dict[str, object] = {
                "sampler": sampler,
                "trials": count,
                "trial_ms": 1e3 * seconds / (count - before),
                "journal_mb": len(journal.text()) / 2**20,
                "process_mb": psutil.Process().memory_info().rss / 2**20,
            }
            print(row, file=sys.stderr)
            yield row
