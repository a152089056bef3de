"""Trainings and measurements on three nodes of Ray: the tables are those of one process, whatever dies."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest

import nas
from nas.tasks import Need, Place, Post, connected
from nas.tasks._ray_worker import own_node
from nas.train.folder import TrainFolder
from nas.train.model import Checkpoint
from tests.cluster.conftest import Nodes
from tests.conftest import Begin, Command
from tests.nas.tabular.files import macros, nasbench_macro
from tests.nas.train.conftest import SMALL, images, same

__all__ = ["images"]

pytestmark = pytest.mark.cluster

TIMED = ["seconds", "images_per_second", "waiting"]
NETWORKS = [str(SMALL), "mlp:w8_d6_t0"]
JOBS = ("row1-seed0", "row1-seed1", "row2-seed0", "row2-seed1")
EPOCHS = 40
"""So many that no training ends between its first checkpoint and a stop."""
WORDS = ["--arch", *NETWORKS, "--dataset", "folder", "--seeds", "0,1", "--epochs", str(EPOCHS)]
WORDS += ["--batch-size", "12", "--lr", "0.02"]


@pytest.fixture(scope="module")
def alone(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the run that one process trains."""
    folder = tmp_path_factory.mktemp("alone") / "run"
    settings = {
        "seeds": (0, 1),
        "epochs": EPOCHS,
        "batch_size": 12,
        "lr": 0.02,
        "threads": 1,
        "device": "cpu",
    }
    nas.train(NETWORKS, dataset="folder", data=images, out=folder, **settings)  # type: ignore[arg-type]
    return folder


def assert_equal(folder: Path, alone: Path) -> None:
    """Tables and weights are equal to the last bit."""
    tables = [pd.read_csv(one / "trained.csv").drop(columns=TIMED) for one in (folder, alone)]
    pd.testing.assert_frame_equal(*tables)
    for job in JOBS:
        one, other = (Checkpoint.load(TrainFolder.open(path).checkpoint(job)) for path in (folder, alone))
        assert same(one.weights, other.weights)


def test_nothing_is_lost_with_a_node(
    nodes: Nodes, begin: Begin, images: Path, alone: Path, tmp_path: Path
) -> None:
    extra = nodes.add()
    begun = begin(tmp_path, "nas.train", *WORDS, "--data", str(images), "--on", nodes.on, "--out", "run")
    begun.until(lambda: len(list((tmp_path / "run").glob("checkpoints/row*.pt"))) == 3)
    nodes.kill(extra)
    done = begun.ended()
    assert done.returncode == 0, done.stderr
    assert_equal(tmp_path / "run", alone)


def test_an_interrupted_run_goes_on_with_checkpoints_at_a_url(
    nodes: Nodes, begin: Begin, command: Command, images: Path, alone: Path, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    where = ["--on", nodes.on, "--checkpoints", f"file://{store}"]
    begun = begin(tmp_path, "nas.train", *WORDS, "--data", str(images), *where, "--out", "run")
    begun.until(lambda: bool(list(store.glob("row*.pt"))))
    begun.send_signal(signal.SIGINT)
    stopped = begun.ended()
    assert stopped.returncode == 130 and "--resume run" in stopped.stderr, stopped.stderr
    assert "interrupted" in pd.read_csv(tmp_path / "run" / "trained.csv")["status"].tolist()
    done = command("nas.train", "--resume", "run", "--on", nodes.on)
    assert done.returncode == 0, done.stderr
    assert_equal(tmp_path / "run", alone)
    assert sorted(file.name for file in store.iterdir()) == [f"{job}.pt" for job in JOBS]


def test_a_study_and_its_scores(nodes: Nodes, command: Command, images: Path, tmp_path: Path) -> None:
    words = ["--arch", *NETWORKS, "mlp:w8_d5_t0", "--scores", "nn_mass", "synflow", "--dataset", "folder"]
    words += ["--data", str(images), "--epochs", "1", "--batch-size", "12", "--threads", "1"]
    for name, where in (("one", ["--device", "cpu"]), ("three", ["--on", nodes.on])):
        done = command("nas.study", *words, *where, "--out", name)
        assert done.returncode == 0, done.stderr
    for file in ("scores.csv", "training/trained.csv"):
        tables = [pd.read_csv(tmp_path / name / file) for name in ("one", "three")]
        timed = [name for name in tables[0] if name in TIMED or name.endswith("_seconds")]
        pd.testing.assert_frame_equal(*(table.drop(columns=timed) for table in tables))


def test_measured_scores_of_searches_and_tables(nodes: Nodes, command: Command, tmp_path: Path) -> None:
    published = nasbench_macro(tmp_path / "macro.json", macros(40))
    search = ["nas.search", "--space", "mlp", "--params", "20K", "--score", "synflow", "--trials", "12"]
    judge = ["nas.tabular", "nasbench-macro", "--data", str(published), "--measure", "naswot"]
    judge += ["--image-size", "8", "--score-batch", "4", "--resamples", "20", "--sample", "40"]
    for words, file in (
        ([*search, "--sampler", "random"], "candidates.csv"),
        ([*search, "--sampler", "tpe"], "candidates.csv"),
        (judge, "scores.csv"),
    ):
        found = []
        for number, where in enumerate(([], ["--on", nodes.on])):
            out = f"{words[0]}-{words[-1]}-{number}"
            done = command(*words, *where, "--out", out)
            assert done.returncode == 0, done.stderr
            table = pd.read_csv(tmp_path / out / file)
            found.append(table[[name for name in table if not name.endswith("_seconds")]])
        pd.testing.assert_frame_equal(*found)


def test_a_task_keeps_its_processor(nodes: Nodes) -> None:
    """Ray gives the processor of a task that waits for it in the main thread to another task."""

    class Busy:
        def check(self) -> None:
            """Nothing is needed."""

        def prepared(self, place: Place) -> Callable[[int, Post], tuple[str, float, float]]:
            def at_work(task: int, post: Post) -> tuple[str, float, float]:
                begin = time.monotonic()
                while time.monotonic() < begin + 4 and not post.stop():
                    post.tick(task)
                return own_node(), begin, time.monotonic()

            return at_work

    with connected(nodes.on, Need("cpu", 1)) as launcher:
        found = [times for _, times in launcher.run(Busy(), range(4), lambda: False, lambda task, said: None)]
    assert len(found) == 4
    for (node, _, end), (other, begin, _) in pairwise(sorted(found)):
        assert node != other or end <= begin


def test_a_stop_does_not_wait_for_room(nodes: Nodes) -> None:
    import ray

    class Never:
        def check(self) -> None:
            """Nothing is needed."""

        def prepared(self, place: Place) -> Callable[[int, Post], int]:
            return lambda task, post: task

    with connected(nodes.on, Need("cpu", 1)) as launcher:
        others = [ray.remote(num_cpus=1)(lambda: time.sleep(600)).remote() for _ in range(2)]
        while ray.available_resources().get("CPU", 0):
            pass
        polls = iter([False])
        assert not list(
            launcher.run(Never(), range(3), lambda: next(polls, True), lambda task, message: None)
        )
        for one in others:
            ray.cancel(one, force=True)


def test_a_node_of_another_version_is_named(
    nodes: Nodes, command: Command, images: Path, tmp_path: Path
) -> None:
    """Its package is in front of the one that is installed."""
    other = tmp_path / "other" / "zero_cost_nas-9.9.dist-info"
    other.mkdir(parents=True)
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: zero-cost-nas\nVersion: 9.9\n")
    node = nodes.add(env_vars={"PYTHONPATH": str(other.parent)})
    words = ["--arch", "mlp:w8_d6_t0", "--dataset", "folder", "--data", str(images), "--batch-size", "12"]
    try:
        done = command("nas.train", *words, "--on", nodes.on, "--out", "run")
    finally:
        nodes.kill(node)
    assert done.returncode == 2 and done.stderr.count("error: node ") == 1, done.stderr
    assert "has zero-cost-nas 9.9, and this machine" in done.stderr and "--resume run" in done.stderr
