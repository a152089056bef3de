"""Jobs: states, warnings, names and summaries."""

from __future__ import annotations

import json
from dataclasses import replace

import search_spaces
from nas.train import job
from nas.train.data import Data, fitted
from nas.train.job import Accuracy, ChanceLevel, Epoch, Job, JobState, display_name


def test_suspicious_results_get_a_warning() -> None:
    epochs = [Epoch(number, 0.5 * number, "test", 80.0, 90.0, 2.0, 50.0, 0.1, None) for number in (1, 2)]
    chance = ChanceLevel(classes=10, top1=10.0, images=10_000)
    assert chance.warning(JobState("done", tuple(epochs))) == "training loss larger than in epoch 1"
    assert chance.warning(JobState("done", tuple(reversed(epochs)))) == ""
    assert chance.warning(JobState("running", tuple(epochs))) == ""
    low = replace(epochs[0], top1=10.5)
    assert chance.warning(JobState("done", (low,))) == "top-1 within noise of guessing (10.0%)"
    assert chance.warning(JobState("done", (low,), Accuracy(11.0, 50.0))) == ""


def test_states_round_trip_through_json() -> None:
    epochs = tuple(Epoch(number, 1.5, "test", 10.0 * number, 90.0, 2.0, 50.0, 0.1, None) for number in (1, 2))
    outcome = JobState("done", epochs, Accuracy(1.0, 2.0), Accuracy(3.0, 4.0), "yes", "")
    assert JobState.of_values(json.loads(json.dumps(outcome.as_values()))) == outcome
    assert JobState.of_values(JobState().as_values()) == JobState()
    assert outcome.best == epochs[1]


def test_a_summary_counts_finished_jobs_only() -> None:
    small = search_spaces.parse("mlp:mlp_8")
    epoch = Epoch(1, 1.5, "test", 50.0, 90.0, 2.0, 50.0, 0.1, 12.5)
    outcomes = {
        Job(1, small, 0): JobState("done", (epoch,)),
        Job(1, small, 1): JobState("failed", (epoch,), reason="no"),
        Job(2, small, 0): JobState(),
    }
    setting = {"dataset": "folder", "recipe": "quick", "device": "cuda", "threads": 1}
    table = job.table(outcomes, setting, ChanceLevel(2, 50.0, 100))
    assert table["gpu_memory_mb"].iloc[0] == 12.5
    summary = job.summary(table)
    assert summary["seeds"].tolist() == [1] and summary["top1_mean"].tolist() == [50.0]
    assert job.summary(table.iloc[1:]).empty


def test_accuracy_on_held_out_images_is_never_shown_as_that_on_the_test_set() -> None:
    epochs = tuple(Epoch(n, 1.5, "held_out", 60.0 - n, 90.0, 2.0, 50.0, 0.1, None) for n in (1, 2))
    one = Job(1, search_spaces.parse("mlp:mlp_8"), 0)
    setting = {"dataset": "folder", "recipe": "quick", "device": "cpu", "threads": 1}
    table = job.table({one: JobState("interrupted", epochs)}, setting, ChanceLevel(2, 50.0, 100))
    assert table[["top1", "top5", "best_top1"]].isna().all().all()
    assert table[["held_out_top1", "best_held_out_top1", "best_epoch"]].iloc[0].tolist() == [58.0, 59.0, 1]


def test_epochs_are_whole_numbers_while_other_jobs_wait() -> None:
    small = search_spaces.parse("mlp:mlp_8")
    done = JobState("done", (Epoch(1, 1.5, "held_out", 60.0, 90.0, 2.0, 50.0, 0.1, None),))
    setting = {"dataset": "folder", "recipe": "quick", "device": "cpu", "threads": 1}
    outcomes = {Job(1, small, 0): done, Job(2, small, 0): JobState()}
    table = job.table(outcomes, setting, ChanceLevel(2, 50.0, 100))
    assert table.to_csv(columns=["row", "best_epoch"], index=False) == "row,best_epoch\n1,1\n2,\n"


def test_display_names_omit_the_values_of_the_data(data: Data) -> None:
    for arch, name in {
        "mobilenet:mobilenet_v2": "mobilenet_v2",
        "mobilenet:w0.5": "w0.5_d1-2-3-4-3-3-1",
        "mlp:w8_d4_t2": "w8_d4_t2",
        "torchvision:resnet18": "resnet18",
    }.items():
        assert display_name(fitted(search_spaces.parse(arch), data)) == name
