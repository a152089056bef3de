"""The command `nas study`."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from nas.study.cli import main
from search_spaces import RequestError
from tests.conftest import Begin, Command, environment, refused
from tests.nas.study.populations import short_training
from tests.nas.train.conftest import images

__all__ = ["images"]

NEEDED_TO_REPORT = ("optuna", "fvcore", "rich", "scipy", "matplotlib", "onnxruntime")


def without_reports(images: Path) -> list[str]:
    options = ["--space", "mlp", "--fix", "width=8", "--count", "3", "--scores", "nn_mass", "--out", "study"]
    return [
        *options,
        "--dataset",
        "folder",
        "--data",
        str(images),
        "--set",
        "epochs=1",
        "batch=12",
        "lr=0.05",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--initialisations", "1" + 30 * "0"], "is too large; the most is 10,000"),
        (["--score-batch", "1000000000"], "is too large; the most is 4,096"),
        (["--count", "10000000000"], "is too large"),
        (["--out", ""], "--out ''"),
    ],
)
def test_numbers_have_bounds(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert message in refused(main, ["--space", "mlp", "--dataset", "seg20", *arguments], capsys)


def test_parallel_without_gpus_leaves_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    options = ["--arch", *(f"mlp:w8_d{depth}_t4" for depth in (3, 4, 5)), "--dataset", "seg20"]
    output = refused(main, [*options, "--device", "cpu", "--parallel"], capsys)
    assert "no GPUs here" in output and not list(tmp_path.iterdir())


def test_an_image_that_cannot_be_read_is_named(images: Path, tmp_path: Path) -> None:
    broken = shutil.copytree(images, tmp_path / "broken")
    (broken / "train" / "blue" / "001.png").write_bytes(b"not an image")
    on = ["--arch", *(f"mlp:w8_d{depth}_t4" for depth in (3, 4, 5)), *short_training(broken)]
    on += ["--cache", "disk", "--workers", "1", "--threads", "1", "--device", "cpu"]
    for end in (["--plan"], ["--out", str(tmp_path / "run")]):
        with pytest.raises(RequestError, match=r"blue/001\.png cannot be read as an image"):
            main([*on, *end])


def test_a_population_has_a_limit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--space", "mobilenet", "--count", "100000", "--draw", "uniform", "--dataset", "folder"]
    assert "'100000' is too large; the most is 10,000" in refused(main, options, capsys)


def test_torchvision_baselines_in_a_study(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    known = ["torchvision:mobilenet_v3_small_w0.35", "torchvision:mnasnet1_0_w0.25"]
    ours = [f"mobilenet:w{width}_d1-2-1-1-1-1-1" for width in (0.35, 0.5, 0.75)]
    on = ["--dataset", "folder", "--data", str(images), "--set", "epochs=1", "batch=12", "--stem-stride", "1"]
    given = ["--arch", *known, *ours, *on, "--scores", "nn_mass", "params", "synflow", "--score-batch", "4"]
    assert main([*given, "--plan"]) == 0
    planned = capsys.readouterr()
    assert "correlation of log NN-Mass and log params (3 networks with NN-Mass): 0." in planned.out
    assert "note: 5 of 5 networks were designed for 224 pixels and are trained at 8: " in planned.err
    assert main([*given, "--out", str(tmp_path / "study")]) == 0
    output = capsys.readouterr().out
    assert max(map(len, output.splitlines())) <= 80 or "Kept in" in output.splitlines()[-1]
    found = pd.read_csv(tmp_path / "study" / "correlations.csv").set_index("score")
    assert found["networks"].to_dict() == {"nn_mass": 3, "params": 5, "synflow": 5}
    table = pd.read_csv(tmp_path / "study" / "networks.csv")
    assert (
        table["arch"].str.endswith("_c3_s1").all()
        and table["nn_mass"].isna().tolist() == [True] * 2 + [False] * 3
    )
    between = pd.read_csv(tmp_path / "study" / "between.csv", index_col="score")
    assert between.notna().all().all()


def test_the_command_from_sample_to_prediction(command: Command, images: Path, tmp_path: Path) -> None:
    options = (
        "--space",
        "mlp",
        "--fix",
        "width=8",
        "--count",
        "4",
        "--scores",
        "nn_mass",
        "params",
        "naswot",
    )
    training_options = short_training(images)
    plan = command("nas.study", *options, *training_options, "--plan")
    assert plan.returncode == 0, plan.stderr
    assert "4 networks, 4 trainings of 1 epoch: about " in plan.stdout
    assert "correlation of log NN-Mass and log params" in plan.stdout and not list(tmp_path.iterdir())
    done = command("nas.study", *options, *training_options, "--out", "study")
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80 and "4 networks are too few" in done.stdout
    study = tmp_path / "study"
    found = pd.read_csv(study / "correlations.csv")
    assert sorted(found["score"]) == ["naswot", "nn_mass", "params"] and (found["networks"] == 4).all()
    assert found["rho"].notna().all() and found["rho_low"].isna().all()
    networks = pd.read_csv(study / "networks.csv")
    trained = pd.read_csv(study / "training" / "trained.csv").set_index("arch")
    assert networks["top1"].tolist() == pytest.approx(trained.loc[networks["arch"], "top1"].tolist())
    assert (study / "study.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((study / "run.json").read_text())["status"] == "finished"
    again = command("nas.study", "--resume", "study")
    assert again.returncode == 0 and again.stdout == done.stdout, again.stderr
    pd.testing.assert_frame_equal(pd.read_csv(study / "correlations.csv"), found)
    other = command("nas.study", "--resume", "study", "--recipe", "cifar", "--count", "5")
    assert (
        other.returncode == 2 and "recipe quick and not cifar; " in other.stderr and "--count" in other.stderr
    )
    predictions = command("nas", "predict", "study", "study/networks.csv")
    assert predictions.returncode == 0 and "from" in predictions.stdout, predictions.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dataset", "folder"], "give --space"),
        (["--space", "nope", "--dataset", "folder"], "unknown space 'nope'"),
        (["--space", "mlp"], "give --dataset"),
        (["--space", "mlp", "--dataset", "folder", "--scores", "x"], "unknown score 'x'; there are nn_mass"),
        (
            ["--space", "mlp", "--dataset", "folder", "--count", "2"],
            "'2' is not a whole number",
        ),
        (["--resume", "nowhere"], "nowhere is not the folder of a study"),
        (["--resume", "s", "--predict", "t.csv"], "--predict is a command of its own: nas predict STUDY"),
        (["--across=s", "t"], "--across is a command of its own: nas compare FOLDER"),
        (
            ["--arch", "mlp:mlp_8", "--dataset", "folder", "--count", "5"],
            "--count describe a sample; add --space",
        ),
        (["--space", "mlp", "--dataset", "folder", "--score", "zen"], "did you mean --scores?"),
        (
            ["--space", "mlp", "--count", "3", "--dataset", "seg20", "--images", "9"],
            "batch 256 of 9 training",
        ),
        (
            ["--space", "mlp", "--dataset", "folder", "--score-batch", "1000000000"],
            "'1000000000' is too large; the most is 4,096",
        ),
        (["--space", "mlp", "--dataset", "seg20", "--device", "cpu", "--parallel"], "as --parallel 2"),
        (["--arch", "mlp:mlp_8", "--dataset", "folder"], "1 networks: expected at least 3"),
        (["--space", "mlp", "--dataset", "seg20", "--plan", "--out", "x"], "--plan writes nothing"),
        (
            ["--space", "mlp", "--dataset", "seg20", "--named-seeds", "0,1"],
            "--named-seeds needs networks of --arch beside a sample",
        ),
    ],
)
def test_invalid_options_are_refused(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert message in refused(main, arguments, capsys) and not list(tmp_path.iterdir())


def test_it_trains_without_the_packages_of_reports(
    begin: Begin, command: Command, images: Path, tmp_path: Path
) -> None:
    bare = begin(tmp_path, "nas.study", *without_reports(images), without=NEEDED_TO_REPORT).ended()
    assert bare.returncode == 0, bare.stderr
    assert "all networks are trained; the report needs" in bare.stdout and "nas report study" in bare.stdout
    refused = begin(tmp_path, "nas", "report", "study", without=NEEDED_TO_REPORT).ended()
    assert refused.returncode == 2 and "error: the report needs " in refused.stderr
    done = command("nas", "report", "study")
    assert done.returncode == 0 and "3 networks" in done.stdout, done.stderr


@pytest.mark.slow
def test_a_new_interpreter_trains_without_the_packages_of_reports(images: Path, tmp_path: Path) -> None:
    code = f"import runpy, sys; sys.modules.update(dict.fromkeys({NEEDED_TO_REPORT!r})); "
    code += "runpy.run_module('nas.study', run_name='__main__', alter_sys=True)"
    bare = subprocess.run(
        [sys.executable, "-c", code, *without_reports(images)],
        cwd=tmp_path, env=environment(), capture_output=True, text=True,
    )  # fmt: skip
    assert bare.returncode == 0, bare.stderr
    assert "all networks are trained; the report needs" in bare.stdout and "nas report study" in bare.stdout
