"""The command `nas train`: interrupted, resumed, in parallel, data-parallel, and with invalid requests."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pandas as pd
import psutil
import pytest

from nas.train.cli import main
from nas.train.model import Checkpoint
from tests.conftest import PATIENCE, Begin, Begun, Command, environment, refused
from tests.nas.train.conftest import SMALL, same

ARGUMENTS = ("--dataset", "folder", "--set", "batch=12", "lr=0.05")
TIMED = ["images_per_second", "seconds", "waiting"]


def trained(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "trained.csv")


def weights(folder: Path, job: str) -> dict[str, object]:
    return dict(Checkpoint.load(folder / "checkpoints" / f"{job}.pt").weights)


@pytest.fixture(scope="module")
def whole(begin: Begin, images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an uninterrupted run of rows of a table."""
    folder = tmp_path_factory.mktemp("whole")
    pd.DataFrame({"rank": [1, 2, 3], "arch": ["mlp:mlp_16", str(SMALL), "mlp:mlp_8"]}).to_csv(
        folder / "found.csv"
    )
    given = ["found.csv", "--rows", "2,3", "--data", str(images), *ARGUMENTS, "epochs=12", "--out", "run"]
    done = begin(folder, "nas.train", *given).ended()
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("Kept in run\n") and max(map(len, done.stdout.splitlines())) <= 80
    assert done.stderr.count(" loss ") == 24 and "row 2 seed 0 epoch 12/12 loss " in done.stderr
    return folder / "run"


def test_rows_of_a_table_are_trained(whole: Path) -> None:
    assert trained(whole)["status"].eq("done").all() and trained(whole)["epochs"].eq(12).all()
    assert [arch.partition(":")[0] for arch in trained(whole)["arch"]] == ["densenet", "mlp"]
    config = json.loads((whole / "run.json").read_text())["order"]
    assert config["values"]["epochs"] == 12 and config["values"]["momentum"] == 0.9


def test_a_resumed_command_gives_the_same_table(
    begin: Begin, command: Command, whole: Path, images: Path, tmp_path: Path
) -> None:
    given = ["--arch", str(SMALL), "mlp:mlp_8", "--data", str(images), *ARGUMENTS, "epochs=12"]
    begun = begin(tmp_path, "nas.train", *given, "--out", "run")
    begun.until((tmp_path / "run" / "checkpoints" / "row1-seed0.pt").exists)
    begun.send_signal(signal.SIGTERM)
    stopped = begun.ended()
    assert stopped.returncode == 130, stopped.stderr
    assert "go on with: python -m nas.train --resume run" in stopped.stderr
    assert not trained(tmp_path / "run")["status"].eq("done").all()
    resumed = command("nas.train", "--resume", "run", "--recipe", "quick", "--set", "epochs=12")
    assert resumed.returncode == 0, resumed.stderr
    tables = [trained(folder).drop(columns=TIMED) for folder in (whole, tmp_path / "run")]
    pd.testing.assert_frame_equal(*tables)
    for job in ("row1-seed0", "row2-seed0"):
        assert same(weights(whole, job), weights(tmp_path / "run", job))


def test_the_network_of_a_killed_worker_is_tried_again(
    begin: Begin, whole: Path, images: Path, tmp_path: Path
) -> None:
    long = ["--arch", str(SMALL), "mlp:mlp_8", "--data", str(images), *ARGUMENTS, "epochs=12"]
    begun = begin(tmp_path, "nas.train", *long, "--seeds", "0,1", "--parallel", "2", "--out", "run")
    begun.until((tmp_path / "run" / "checkpoints" / "row1-seed0.pt").exists)
    named = psutil.Process(begun.pid).children(recursive=True)
    commands = [child.as_dict(["cmdline"], ad_value=[])["cmdline"] for child in named]  # [] of a zombie
    servers = [child for child, words in zip(named, commands, strict=True) if "forkserver" in " ".join(words)]
    workers = [child for server in servers[:1] for child in server.children()]
    assert len(workers) == 2
    workers[0].kill()
    done = begun.ended()
    assert done.returncode == 0, done.stderr
    table = trained(tmp_path / "run")
    assert table["status"].eq("done").all() and "its process ended with exit code -9" in done.stderr
    for job in ("row1-seed0", "row2-seed0"):
        assert same(weights(whole, job), weights(tmp_path / "run", job))


def test_a_run_without_results_exits_with_1(command: Command, images: Path) -> None:
    wild = ["--set", "batch=12", "lr=1e6", "epochs=1"]
    done = command("nas.train", "--arch", "mlp:w8_d6_t0", "--dataset", "folder", "--data", str(images), *wild)
    assert done.returncode == 1 and "failed: the loss is" in done.stderr
    assert done.stderr.endswith("no network was trained to the end\n")


def in_two_processes(begin: Begin, folder: Path, *arguments: str) -> list[Begun]:
    """A command in two processes, with the environment of torchrun."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    common = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    return [
        begin(folder, "nas.train", *arguments, extra={**common, "RANK": rank, "LOCAL_RANK": rank})
        for rank in ("0", "1")
    ]


def compare_with_one_process(whole: Path, run: Path) -> None:
    """Equal weights up to rounding for a network without batch norm, since the batches are equal."""
    one, two = trained(whole), trained(run)
    assert two["device"].tolist() == ["2 x cpu"] * 2 and two["status"].eq("done").all()
    assert two["train_loss"].iloc[1] == pytest.approx(one["train_loss"].iloc[1], rel=1e-3)
    assert two["top1"].iloc[1] == one["top1"].iloc[1]
    assert two["top1"].iloc[0] == pytest.approx(one["top1"].iloc[0], abs=15)


def test_two_processes_train_one_network_and_resume(
    begin: Begin, whole: Path, images: Path, tmp_path: Path
) -> None:
    given = ["--arch", str(SMALL), "mlp:mlp_8", "--data", str(images), *ARGUMENTS, "epochs=12"]
    begun = in_two_processes(begin, tmp_path, *given, "--out", "run")
    begun[0].until((tmp_path / "run" / "checkpoints" / "row1-seed0.pt").exists)
    for process in begun:
        process.send_signal(signal.SIGTERM)
    for process in begun:
        process.ended()
    assert json.loads((tmp_path / "run" / "run.json").read_text())["status"] == "interrupted"
    first, second = (process.ended() for process in in_two_processes(begin, tmp_path, "--resume", "run"))
    assert first.returncode == second.returncode == 0, first.stderr + second.stderr
    assert first.stdout.count("Kept in run") == 1 and first.stderr.count("row 2 seed 0 epoch 12/12") == 1
    assert not second.stdout and "epoch" not in second.stderr
    compare_with_one_process(whole, tmp_path / "run")


@pytest.mark.slow
def test_torchrun_trains_one_network_in_two_processes(whole: Path, images: Path, tmp_path: Path) -> None:
    given = ["--arch", str(SMALL), "mlp:mlp_8", "--data", str(images), *ARGUMENTS, "epochs=12"]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]

    def begin(*arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*launcher, "-m", "nas.train", *arguments],
            cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    process = begin(*given, "--out", "run")
    there = tmp_path / "run" / "checkpoints" / "row1-seed0.pt"
    while not there.exists() and process.poll() is None:
        os.sched_yield()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=PATIENCE)
    assert json.loads((tmp_path / "run" / "run.json").read_text())["status"] == "interrupted"
    process = begin("--resume", "run")
    output, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, errors
    assert output.count("Kept in run") == 1 and errors.count("row 2 seed 0 epoch 12/12") == 1
    compare_with_one_process(whole, tmp_path / "run")


ABSENT = ("optuna", "fvcore", "rich", "matplotlib", "tensorboard")


def test_training_needs_no_optional_package(begin: Begin, images: Path, tmp_path: Path) -> None:
    """The packages of `ABSENT` cannot be imported in the process."""
    arguments = ["--arch", "mlp:mlp_8", "--data", str(images), *ARGUMENTS, "epochs=1", "--out", "run"]
    done = begin(tmp_path, "nas.train", *arguments, without=ABSENT).ended()
    assert done.returncode == 0, done.stderr
    assert "w8_d12_t10" in done.stdout and trained(tmp_path / "run")["status"].tolist() == ["done"]
    assert not list((tmp_path / "run").glob("*.png")) and not (tmp_path / "run" / "tensorboard").exists()


@pytest.mark.slow
def test_a_new_interpreter_needs_no_optional_package(images: Path, tmp_path: Path) -> None:
    arguments = ["--arch", "mlp:mlp_8", "--data", str(images), *ARGUMENTS, "epochs=1", "--out", "run"]
    code = f"import runpy, sys; sys.modules.update(dict.fromkeys({ABSENT!r}))"
    code += "; runpy.run_module('nas.train', run_name='__main__', alter_sys=True)"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=tmp_path, env=environment(), capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "w8_d12_t10" in done.stdout and trained(tmp_path / "run")["status"].tolist() == ["done"]


BASE = ["--arch", "mlp:mlp_8", "--dataset", "folder"]
INVALID = {
    "nothing to train": (["--dataset", "folder"], "give a table to train rows of, or --arch"),
    "rows without a table": ([*BASE, "--top", "3"], "--top and --rows choose rows of a table"),
    "no data set": (["--arch", "mlp:mlp_8"], "give --dataset"),
    "unknown data set": (["--arch", "mlp:mlp_8", "--dataset", "cifar"], "(did you mean cifar10?)"),
    "an unknown cache": ([*BASE, "--cache", "dsk"], "(did you mean disk?)"),
    "an option of earlier versions": ([*BASE, "--holdout", "0.1"], "--holdout is --val-fraction now"),
    "a value given in two ways": (
        [*BASE, "--epochs", "3", "--set", "epochs=5"],
        "--epochs 3 and --set epochs=5 are the same; give one of them",
    ),
    "an unknown optimizer": ([*BASE, "--set", "optimizer=adam"], "did you mean adamw?"),
    "a flip that is not a boolean": ([*BASE, "--set", "flip=yes"], "'yes' is not true or false"),
    "a network for a table": (["mlp:mlp_8", "--dataset", "seg20"], "give networks by --arch mlp:mlp_8"),
    "no such table": (["none.csv", "--dataset", "folder"], "none.csv: there is no such file"),
    "unknown recipe": ([*BASE, "--recipe", "quik"], "did you mean quick?"),
    "unknown value": ([*BASE, "--set", "lrr=1"], "did you mean lr?"),
    "not a pair": ([*BASE, "--set", "lr"], "is not NAME=VALUE"),
    "a value out of range": ([*BASE, "--set", "epochs=0"], "epochs: '0' is not a whole number of at least 1"),
    "no images": ([*BASE, "--data", "."], "expected ./train/CLASS"),
    "invalid rows": (
        ["t.csv", "--rows", "1,x", "--dataset", "folder"],
        "'x' is not a whole number",
    ),
    "a range of rows": (
        ["t.csv", "--rows", "2-9999", "--dataset", "folder"],
        "'2-9999' is not a whole number of at least 1; join whole numbers by commas, as 1,4",
    ),
    "not downloaded": (["--arch", "mlp:mlp_8", "--dataset", "cifar10"], "add --download"),
    "not a run": (["--resume", "nowhere"], "nowhere is not the folder of a training"),
    "a size that is fixed": (
        ["--arch", "mlp:mlp_8", "--dataset", "cifar10", "--image-size", "9"],
        "leave it out",
    ),
    "no such device": ([*BASE, "--device", "tpu"], "--device 'tpu': expected cpu, cuda"),
    "a GPU that is not there": ([*BASE, "--device", "cuda:99"], "--device cuda:99: torch sees"),
    "a seed twice": ([*BASE, "--seeds", "0,0"], "'0,0' repeats a number; give each once"),
    "a large seed": ([*BASE, "--seeds", "9223372036854775808"], "is too large"),
    "a value given twice": ([*BASE, "--set", "lr=1", "lr=2"], "--set gives lr twice"),
    "a tiny alpha": (
        [*BASE, "--set", "mixup=1e-300"],
        "mixup: '1e-300' is not 0, or a number from 0.001 to 100",
    ),
    "a file for a folder": ([*BASE, "--data", __file__], "expected"),
    "a file for a set": (["--arch", "mlp:mlp_8", "--dataset", "cifar10", "--data", __file__], "cifar10 in"),
    "zero minutes": ([*BASE, "--checkpoint-minutes", "0"], "'0' is not a number of minutes"),
    "infinite minutes": ([*BASE, "--checkpoint-minutes", "inf"], "'inf' is not a number of minutes"),
    "a fraction of nan": (
        [*BASE, "--val-fraction", "nan"],
        "'nan' is not a number from 0 to below 1",
    ),
    "a fraction in another script": (
        [*BASE, "--val-fraction", "\uff10.\uff11"],
        "is not a number from 0 to below",
    ),
    "all images held out": ([*BASE, "--val-fraction", "1"], "'1' is not a number from 0 to below 1"),
    "a stem stride in another script": ([*BASE, "--stem-stride", "\uff11"], "is not a whole number"),
    "a useless stem stride": (
        [*BASE, "--stem-stride", "1"],
        "none of these networks has a stem of another",
    ),
    "a stem stride of 3": ([*BASE, "--stem-stride", "3"], "invalid choice: 3"),
    "too many readers": ([*BASE, "--workers", "1000000"], "'1000000' is too large; the most is 1,024"),
    "too many at a time": ([*BASE, "--parallel", "1000000"], "'1000000' is too large; the most is 1,024"),
    "a huge image": ([*BASE, "--image-size", "100000"], "'100000' is too large; the most is 4,096"),
    "too many images": ([*BASE, "--images", "9" * 30], "is too large"),
    "a long value": ([*BASE, "--set", "lr=" + "9" * 5000 + "x"], "999…999"),
    "digits in another script": ([*BASE, "--set", "epochs=\u0663"], "is not a whole number"),
    "parallel without a number": ([*BASE, "--parallel", "--device", "cpu"], "as --parallel 2"),
}


@pytest.mark.parametrize(("arguments", "message"), INVALID.values(), ids=INVALID)
def test_an_invalid_request_gets_one_line(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert message in refused(main, arguments, capsys)


@pytest.mark.parametrize("dataset", ["folder", "cifar10"])
def test_the_data_are_checked_before_a_table_is_parsed(
    dataset: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The spec in the table is invalid, but the error is about the data."""
    (tmp_path / "found.csv").write_text("arch\nnone\n")
    words = [str(tmp_path / "found.csv"), "--dataset", dataset, "--data", str(tmp_path / "nowhere")]
    assert str(tmp_path / "nowhere") in refused(main, words, capsys)
    assert "'none'" in refused(main, [*words, "--download"], capsys)


def test_an_invalid_request_exits_with_2(command: Command) -> None:
    done = command("nas.train", "--arch", "mlp:mlp_8", "--dataset", "cifar")
    assert done.returncode == 2 and done.stdout == ""
    assert (
        done.stderr.startswith("error: argument --dataset: invalid choice: 'cifar'")
        and done.stderr.count("\n") == 1
    )


RESUMED = (
    (["--recipe", "cifar"], "recipe quick and not cifar"),
    (["--set", "lr=0.1"], "lr 0.05 and not 0.1"),
    (["--seeds", "0,1"], "seeds 0 and not 0,1"),
    (["--arch", "mlp:mlp_16"], "archs densenet:"),
    (["--out", "x"], "leave out --out"),
)


def test_resuming_with_other_values_is_refused(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, message in RESUMED:
        assert message in refused(main, ["--resume", str(whole), *arguments], capsys)
