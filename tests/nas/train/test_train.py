"""Training end to end on real files: what is learnt, what is kept, what is refused."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch

import search_spaces
from nas.train import checkpoint
from nas.train.data import Data, load
from nas.train.fit import fitted
from nas.train.folder import TrainFolder
from nas.train.loop import DivergedError, Training
from nas.train.order import Order
from nas.train.recipe import RECIPES, Recipe
from nas.train.run import TrainRun
from search_spaces import DenseNet, RequestError
from tests.conftest import Command, environment
from tests.nas.train.conftest import CLASSES, SIDE, write_images

CPU = torch.device("cpu")
SMALL = DenseNet(width_mult=1, depths=(2, 2, 2), links=(0, 0, 0))
RECIPE = Recipe(epochs=3, batch=12, lr=0.05, weight_decay=5e-4, warmup=0.5, mixup=0.2, average=0.9, erase=0.5)


@pytest.fixture(scope="session")
def data(images: Path) -> Data:
    """The data set in memory."""
    return load("folder", images)


def training(data: Data, recipe: Recipe = RECIPE, seed: int = 0) -> Training:
    return Training(fitted(SMALL, data), data, recipe, seed, CPU)


def same(one: object, other: object) -> bool:
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)  # type: ignore[arg-type]
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)  # type: ignore
    if isinstance(one, list | tuple):
        return all(same(*pair) for pair in zip(one, other, strict=True))  # type: ignore[call-overload]
    return one == other


def weights(made: Training) -> dict[str, object]:
    return {name: value for name, value in made.state().items() if name != "seconds"}


def test_the_data_are_the_files(data: Data) -> None:
    assert data.classes == CLASSES and (data.side, data.channels) == (SIDE, 3)
    assert len(data.train) == 72 and len(data.test) == 24
    assert data.train.labels.bincount().tolist() == [24, 24, 24]


def test_a_network_learns(data: Data) -> None:
    made = training(data, replace(RECIPE, epochs=6, mixup=0, erase=0, average=0))
    epochs = [made.run_epoch() for _ in range(6)]
    assert epochs[-1] is not None and epochs[-1].top1 > 80
    assert epochs[-1].top5 == 100 and epochs[-1].images_per_second > 0


@pytest.mark.parametrize("stop_after", [1, 4, 6, 11])
def test_a_stopped_training_goes_on_bit_for_bit(data: Data, tmp_path: Path, stop_after: int) -> None:
    unbroken = training(data)
    expected = [unbroken.run_epoch() for _ in range(3)]

    stopped, steps = training(data), iter(range(1, 100))
    epochs = []
    while stopped.epoch < 3 and (epoch := stopped.run_epoch(lambda: next(steps) >= stop_after)) is not None:
        epochs.append(epoch)
    checkpoint.save(tmp_path / "state.pt", stopped.state())
    torch.manual_seed(99)
    resumed = training(data, seed=0)
    resumed.take_up(checkpoint.load(tmp_path / "state.pt", CPU))
    while resumed.epoch < 3:
        epoch = resumed.run_epoch()
        assert epoch is not None
        epochs.append(epoch)
    assert same(weights(resumed), weights(unbroken))
    figures = [(epoch.train_loss, epoch.top1, epoch.top5) for epoch in epochs if epoch]
    assert figures == [(epoch.train_loss, epoch.top1, epoch.top5) for epoch in expected if epoch]


def test_seeds_differ_and_repeat(data: Data) -> None:
    first, again, other = (training(data, seed=seed) for seed in (0, 0, 1))
    for made in (first, again, other):
        made.run_epoch()
    assert same(weights(first), weights(again)) and not same(weights(first), weights(other))


def test_a_loss_that_is_no_number_ends_the_training(data: Data) -> None:
    with pytest.raises(DivergedError, match="in epoch 1; try a smaller lr"):
        wild = replace(RECIPE, lr=1e6, warmup=0, epochs=1)
        Training(fitted(search_spaces.MLP(depth=6), data), data, wild, 0, CPU).run_epoch()


def test_a_holdout_is_even_and_repeats(data: Data) -> None:
    split = data.hold_out(0.25, seed=0)
    assert split.held_out is not None
    assert split.held_out.labels.bincount().tolist() == [6, 6, 6] and len(split.train) == 54
    assert torch.equal(split.held_out.pixels, data.hold_out(0.25, seed=0).held_out.pixels)  # type: ignore
    with pytest.raises(RequestError, match="too few to hold some out"):
        data.hold_out(0.001, seed=0)


def order(images: Path, *archs: str, **changes: object) -> Order:
    made = Order(archs, "folder", str(images), "quick", replace(RECIPE, epochs=2))
    return replace(made, **changes)


def test_one_failure_does_not_stop_the_next(images: Path, tmp_path: Path) -> None:
    asked = order(images, "mlp:mlp_8", str(SMALL))
    run = TrainRun(asked, CPU)
    folder = TrainFolder.create(asked, tmp_path / "run")
    (folder.path / "checkpoints" / ".row1-seed0.pt.unfinished").mkdir()  # the first cannot be written
    run.run(folder)
    assert run.table["status"].tolist() == ["failed", "done"]
    assert "row1-seed0.pt" in run.table["reason"].iloc[0]
    assert pd.read_csv(folder.summary)["row"].tolist() == [2]


def test_a_diverged_network_is_a_line_in_the_table(images: Path, tmp_path: Path) -> None:
    asked = order(images, "mlp:w8_d6_t0", values=replace(RECIPE, epochs=1, lr=1e6, warmup=0), seeds=(0, 1))
    run = TrainRun(asked, CPU)
    run.run(TrainFolder.create(asked, tmp_path / "run"))
    kept = pd.read_csv(tmp_path / "run" / "trained.csv")
    assert kept["status"].tolist() == ["failed"] * 2 and kept["reason"].str.contains("smaller lr").all()
    assert len(kept["arch"].unique()) == 1


def test_a_checkpoint_with_code_is_refused(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return (os.system, ("touch " + str(tmp_path / "ran"),))

    path = tmp_path / "evil.pt"
    path.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(RequestError, match=r"evil\.pt is no checkpoint"):
        checkpoint.load(path, CPU)
    torch.save({"model": Evil()}, path)
    with pytest.raises(RequestError, match=r"evil\.pt is no checkpoint"):
        checkpoint.load(path, CPU)
    assert not (tmp_path / "ran").exists()


ARGUMENTS = ("--dataset", "folder", "--set", "batch=12", "lr=0.05")


def test_the_command_trains_rows_of_a_table(command: Command, tmp_path: Path, images: Path) -> None:
    pd.DataFrame({"rank": [1, 2], "arch": [str(SMALL), "mlp:mlp_8"]}).to_csv(tmp_path / "found.csv")
    given = ("found.csv", "--top", "2", "--data", str(images), "--seeds", "0,1", "--holdout", "0.25")
    done = command("nas.train", *given, *ARGUMENTS, "epochs=2", "--out", "run")
    assert done.returncode == 0, done.stderr
    trained = pd.read_csv(tmp_path / "run" / "trained.csv")
    assert trained["status"].eq("done").all() and trained["epochs"].eq(2).all()
    assert trained["seed"].tolist() == [0, 1, 0, 1] and trained["held_out_best_top1"].notna().all()
    fit = search_spaces.parse(trained["arch"].iloc[0])
    assert (fit.constants()["resolution"], fit.constants()["num_classes"]) == (SIDE, 3)
    assert trained["params"].iloc[0] == fit.figures().params
    summary = pd.read_csv(tmp_path / "run" / "summary.csv")
    means = trained.groupby("row")["top1"].mean()
    assert summary["seeds"].tolist() == [2, 2] and summary["top1_mean"].tolist() == pytest.approx(
        means.tolist()
    )
    assert len(pd.read_csv(tmp_path / "run" / "curves.csv")) == 8
    asked = json.loads((tmp_path / "run" / "run.json").read_text())["order"]
    assert asked["values"]["epochs"] == 2 and asked["values"]["momentum"] == 0.9


def test_an_interrupted_command_goes_on_to_the_same_table(tmp_path: Path, images: Path) -> None:
    given = [sys.executable, "-m", "nas.train", "--arch", str(SMALL), "mlp:mlp_8", "--data", str(images)]
    given += [*ARGUMENTS, "epochs=12"]
    whole = subprocess.run([*given, "--out", "whole"], cwd=tmp_path, env=environment(), capture_output=True)
    assert whole.returncode == 0, whole.stderr
    process = subprocess.Popen(
        [*given, "--out", "run"], cwd=tmp_path, env=environment(), stderr=subprocess.PIPE, text=True
    )
    while not list((tmp_path / "run" / "checkpoints").glob("*.pt")) and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate()
    assert process.returncode == 130, errors
    assert "go on with: python -m nas.train --resume run" in errors
    before = pd.read_csv(tmp_path / "run" / "trained.csv")
    assert before["status"].iloc[0] == "interrupted" or before["status"].iloc[1] != "done"
    again = subprocess.run(
        [sys.executable, "-m", "nas.train", "--resume", "run"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert again.returncode == 0, again.stderr
    differing = ["images_per_second", "seconds"]
    tables = [
        pd.read_csv(tmp_path / name / "trained.csv").drop(columns=differing) for name in ("whole", "run")
    ]
    pd.testing.assert_frame_equal(*tables)
    for job in ("row1-seed0", "row2-seed0"):
        states = [
            checkpoint.load(tmp_path / name / "checkpoints" / f"{job}.pt", CPU)["training"]
            for name in ("whole", "run")
        ]
        assert same(states[0]["model"], states[1]["model"])


def test_training_needs_neither_optuna_nor_fvcore() -> None:
    code = "import sys, nas.train.run, nas.train.__main__; print({'optuna', 'fvcore'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr


HAND = ["--arch", "mlp:mlp_8", "--dataset", "folder"]
NONSENSE = {
    "nothing to train": (["--dataset", "folder"], "give a table to train rows of, or --arch"),
    "no data set": (["--arch", "mlp:mlp_8"], "give --dataset"),
    "unknown data set": (["--arch", "mlp:mlp_8", "--dataset", "cifar"], "unknown data set 'cifar'"),
    "no such table": (["none.csv", "--dataset", "folder"], "none.csv: there is no such file"),
    "unknown recipe": ([*HAND, "--recipe", "quik"], "did you mean quick?"),
    "unknown value": ([*HAND, "--set", "lrr=1"], "did you mean lr?"),
    "not a pair": ([*HAND, "--set", "lr"], "is not NAME=VALUE"),
    "a value out of range": ([*HAND, "--set", "epochs=0"], "epochs is 0"),
    "no images": ([*HAND, "--data", "."], "expected ./train/CLASS"),
    "rows of no number": (["t.csv", "--rows", "1,x", "--dataset", "folder"], "'x' is not a whole number"),
    "not downloaded": (["--arch", "mlp:mlp_8", "--dataset", "cifar10"], "add --download"),
    "not a run": (["--resume", "nowhere"], "nowhere is not the folder of a training"),
    "a size that is fixed": (
        ["--arch", "mlp:mlp_8", "--dataset", "cifar10", "--image-size", "9"],
        "leave it out",
    ),
}


@pytest.mark.parametrize(("arguments", "said"), NONSENSE.values(), ids=NONSENSE)
def test_nonsense_gets_one_line(command: Command, arguments: list[str], said: str) -> None:
    done = command("nas.train", *arguments)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr and done.stderr.count("\n") == 1


def test_what_is_wrong_with_a_folder_is_named(images: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(images, broken)
    shutil.rmtree(broken / "test" / "red")
    with pytest.raises(RequestError, match=r"class 'red' is in train/ and not in test/"):
        load("folder", broken)
    write_images(tmp_path / "small", each=3, side=4)
    with pytest.raises(RequestError, match="resolution is 4, expected a whole number of at least 5"):
        fitted(SMALL, load("folder", tmp_path / "small"))
    with pytest.raises(RequestError, match="has rows 1 to 1, not 2"):
        pd.DataFrame({"arch": ["mlp:mlp_8"]}).to_csv(tmp_path / "t.csv")
        from nas.train.chosen import from_table

        from_table(tmp_path / "t.csv", None, [2])


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_are_whole(name: str, data: Data) -> None:
    made = training(data, replace(RECIPES[name], epochs=1, batch=24))
    assert made.run_epoch() is not None
