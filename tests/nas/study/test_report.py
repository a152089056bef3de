"""Finished studies reported again, from their own files; and what is not concluded from too little."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from filelock import FileLock

from nas.study.cli import main
from nas.study.compare import together
from nas.study.folder import StudyFolder
from nas.study.plan import Plan
from nas.study.predict import predicted
from nas.study.report import reservation
from nas.study.results_cli import compare, predict, report
from nas.train.loop import Training
from search_spaces import MLP, DenseNet, RequestError, parse
from tests.conftest import REPOSITORY, refused
from tests.nas.train.conftest import images

__all__ = ["images"]

RESULTS = REPOSITORY / "results"
COMMITTED = [path.parent.parent for path in sorted(RESULTS.glob("*/*/training/run.json"))]


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def statement(folder: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What the command prints of a study that it goes on with."""
    assert main(["--resume", str(folder), *arguments]) == 0
    return capsys.readouterr().out


@pytest.fixture(scope="module")
def study(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished study of four networks."""
    folder = tmp_path_factory.mktemp("studies") / "study"
    given = ["--dataset", "folder", "--data", str(images), "--set", "epochs=1", "batch=12", "lr=0.02"]
    of = ["--space", "mlp", "--fix", "width=8", "--count", "4", "--scores", "nn_mass", "params"]
    assert main([*of, *given, "--threads", "1", "--out", str(folder)]) == 0
    return folder


@pytest.fixture
def copy(study: Path, tmp_path: Path) -> Path:
    """A copy of it whose data are gone, without checkpoints."""
    folder = tmp_path / "copy"
    shutil.copytree(study, folder)
    shutil.rmtree(folder / "training" / "checkpoints")
    state = json.loads((folder / "run.json").read_text())
    state["request"]["order"]["data"] = "/nowhere/colours"
    (folder / "run.json").write_text(json.dumps(state, indent=2) + "\n")
    return folder


@pytest.mark.parametrize("name", ["pilot/compression", "pilot/equal-mass"])
def test_a_committed_study_is_reported_again_as_it_is(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nas.study.stats.RESAMPLES", 20)
    monkeypatch.setattr("nas.study.selection.SHUFFLES", 1)
    shutil.copytree(RESULTS / name, tmp_path / "copy")
    before = files(tmp_path / "copy")
    assert report([str(tmp_path / "copy")]) == 0
    said = capsys.readouterr().out
    after = files(tmp_path / "copy")
    assert "Kept in" in said and after.keys() == before.keys()
    same = {path for path in before if before[path] == after[path]}
    assert same >= {path for path in before if path.startswith("training/")}
    assert same >= {"run.json", "scores.csv", "networks.csv", "between.csv", "pairs.csv"} & before.keys()
    old, new = (pd.read_csv(folder / "correlations.csv") for folder in (RESULTS / name, tmp_path / "copy"))
    exact = ["score", "networks", "rho", "tau", "r2", "seconds"]
    pd.testing.assert_frame_equal(old[exact], new[exact])


@pytest.mark.slow
@pytest.mark.parametrize("folder", COMMITTED, ids=lambda path: path.name)
def test_committed_studies_are_reported_again_byte_for_byte(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "copy")
    assert report([str(tmp_path / "copy")]) == 0
    before, after = files(folder), files(tmp_path / "copy")
    tables = [name for name in before if not name.endswith(".png")]  # pixels depend on matplotlib
    assert after.keys() == before.keys() and all(before[name] == after[name] for name in tables)


def test_two_studies_are_reported_again_byte_for_byte(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("pilot/compression", "pilot/equal-cost-400M")
    copies = [tmp_path / Path(name).name for name in names]
    for name, copy in zip(names, copies, strict=True):
        shutil.copytree(RESULTS / name, copy)
        for file in copy.glob("*.csv"):
            if file.name not in ("scores.csv", "latency.csv"):
                file.unlink()
    assert report([*map(str, copies), str(copies[0])]) == 0
    said = capsys.readouterr().out
    assert [said.count(f"Kept in {copy}") for copy in copies] == [1, 1]
    for name, copy in zip(names, copies, strict=True):
        before, after = files(RESULTS / name), files(copy)
        tables = [file for file in before if not file.endswith(".png")]  # pixels depend on matplotlib
        assert after.keys() == before.keys() and all(before[file] == after[file] for file in tables)


def test_what_cannot_be_reported_gets_one_line(
    copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files(copy)
    (tmp_path / "empty").mkdir()
    for other, said in (("nowhere", "is not the folder of a study"), ("empty", "no study was begun in it")):
        assert said in refused(report, [str(copy), str(tmp_path / other)], capsys)
    assert "give --latency cpu as well" in refused(report, [str(copy), "--latency-threads", "2"], capsys)
    assert "the following arguments are required: FOLDER" in refused(report, [], capsys)
    with FileLock(copy / ".lock"):
        assert "copy is in use by" in refused(report, [str(copy)], capsys)
    (copy / ".lock").unlink(missing_ok=True)
    assert files(copy) == before
    (copy / "scores.csv").unlink()
    said = refused(report, [str(copy)], capsys)
    assert f"networks are left to score or to train; go on with: python -m nas.study --resume {copy}" in said


def test_predictions_of_a_study_are_shown(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = str(copy / "networks.csv")
    assert predict([str(copy), table, "--score", "params"]) == 0
    said = capsys.readouterr().out
    assert "top-1" in said or "top1" in said
    assert "--score zen needs a network" in refused(predict, [str(copy), table, "--score", "zen"], capsys)
    assert "there is no such file" in refused(predict, [str(copy), "none.csv"], capsys)
    assert "is not the folder of a study" in refused(predict, ["nowhere", table], capsys)
    (copy / "networks.csv").rename(copy / "other.csv")
    said = refused(predict, [str(copy), str(copy / "other.csv")], capsys)
    assert "is not finished; go on with: python -m nas.study --resume" in said


def test_a_finished_study_needs_no_data_and_leaves_its_training_alone(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files(copy)
    for name in ("correlations.csv", "networks.csv", "study.png"):
        (copy / name).unlink()
    assert "4 networks are too few to judge scores by" in statement(copy, capsys)
    assert files(copy) == before
    state = json.loads((copy / "run.json").read_text())
    (copy / "run.json").write_text(json.dumps({**state, "status": "running"}))
    statement(copy, capsys)  # trained, but not reported on: as where the report was left for another machine
    assert json.loads((copy / "run.json").read_text())["status"] == "finished"
    assert {name: content for name, content in files(copy).items() if name != "run.json"} == {
        name: content for name, content in before.items() if name != "run.json"
    }


def test_a_finished_study_without_its_tables_is_not_trained_again(
    copy: Path, images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scores = pd.read_csv(copy / "scores.csv")
    scores.iloc[:2].to_csv(copy / "scores.csv", index=False)
    trained = files(copy / "training")
    assert "nowhere" in refused(main, ["--resume", str(copy)], capsys)
    statement(copy, capsys, "--data", str(images))  # the missing scores are measured, nothing is trained
    assert len(pd.read_csv(copy / "networks.csv")) == 4 and files(copy / "training") == trained
    seedless = (copy / "training" / "trained.csv").read_bytes().replace(b",seed,", b",[[]],", 1)
    for damage in (b"\xff\xfe\0", b"row,arch\n1,x\n", b"", b'"', seedless):
        (copy / "training" / "trained.csv").write_bytes(damage)
        assert "trained.csv" in refused(main, ["--resume", str(copy)], capsys)
    (copy / "training" / "trained.csv").unlink()
    os.mkfifo(copy / "training" / "trained.csv")
    assert "not a regular file" in refused(main, ["--resume", str(copy)], capsys)
    (copy / "training" / "trained.csv").unlink()
    assert "trained.csv: there is no such file" in refused(main, ["--resume", str(copy)], capsys)


def test_a_training_that_was_half_made_is_taken_up(
    copy: Path, images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(copy / "training")
    (copy / "training" / "checkpoints").mkdir(parents=True)
    state = json.loads((copy / "run.json").read_text())
    (copy / "run.json").write_text(json.dumps({**state, "status": "running"}))
    statement(copy, capsys, "--data", str(images), "--threads", "1")
    assert (pd.read_csv(copy / "training" / "trained.csv")["status"] == "done").all()


def test_a_study_in_use_is_refused(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = files(copy)
    with FileLock(copy / ".lock"):
        assert "copy is in use by" in refused(main, ["--resume", str(copy)], capsys)
    assert {name: content for name, content in files(copy).items() if name != ".lock"} == before


def test_few_networks_are_not_judged_by(study: Path) -> None:
    found = pd.read_csv(study / "correlations.csv")
    ends = [name for name in found if name.endswith(("_low", "_high"))]
    assert found[ends].isna().all(axis=None) and len(ends) == 6
    assert json.loads((study / "run.json").read_text())["test_images"] == 24


def table(accuracy: list[float], deviation: float = np.nan, seeds: int = 1) -> pd.DataFrame:
    archs = [f"mlp:w8_d{depth}_t4_c10" for depth in range(3, 3 + len(accuracy))]
    return pd.DataFrame({"arch": archs, "top1": accuracy, "top1_std": deviation, "seeds": seeds})


def test_what_chance_explains_is_told_from_what_it_does_not() -> None:
    near_chance = [9.5, 10.9, 10.2, 9.9, 10.4, 10.0, 10.6, 9.7]
    apart = [20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0]
    alike = [70.1, 70.3, 69.9, 70.0, 70.2, 69.8, 70.1, 70.0]
    assert "7 networks are too few" in reservation(table(apart[:7]), 10_000)
    assert "no network is better than chance, 10% of 1,000 test images" in reservation(
        table(near_chance), 1_000
    )
    assert "by chance (test images and seeds)" in reservation(table(alike), 1_000)
    assert "by chance (test images and seeds)" in reservation(table(apart, 40.0, 2), 10_000)
    assert not reservation(table(apart), 1_000) and not reservation(table(apart, 2.0, 2), None)
    assert not reservation(table(alike), 10_000_000) and not reservation(table(alike), None)


def test_no_rule_is_no_fault(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    archs = ["torchvision:resnet18_r64_c2", *(f"mlp:w8_d{depth}_t4_i2_c2" for depth in range(3, 11))]
    trained = pd.DataFrame({"row": range(1, 10), "arch": archs, "top1": np.linspace(60, 95, 9)})
    trained = trained.assign(seconds=1.0, status="done", device="cpu", seed=0)
    trained.to_csv(copy / "training" / "trained.csv", index=False)
    mass = pd.DataFrame({"arch": archs, "nn_mass": [np.nan, *range(8)], "nn_mass_seconds": 0.0})
    mass.assign(params=np.nan, params_seconds=0.0).to_csv(copy / "scores.csv", index=False)
    said = statement(copy, capsys)
    assert "Regret of top-1" not in said and "Kept in" in said and not (copy / "rules.csv").exists()


def test_known_networks_and_other_seeds_go_together() -> None:
    one = StudyFolder.open(RESULTS / "pilot" / "equal-cost")
    found = together([one, StudyFolder.open(RESULTS / "pilot" / "equal-cost-400M")])
    assert found["nn_mass"].isna().sum() == 2 and "torchvision" in set(found["base"])


def test_across_fits_in_80_columns(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("nas.study.stats.RESAMPLES", 20)
    cells = [str(RESULTS / "pilot" / name) for name in ("cells-k1", "cells-k2")]
    assert compare([*cells, "--out", str(tmp_path / "both")]) == 0
    said = capsys.readouterr().out
    (row,) = [line for line in said.splitlines() if "width_mult 2" in line and "M" in line]
    assert row.endswith("+3.53 ±3.30*") and max(map(len, said.splitlines()[:-1])) <= 80


def test_predictions_follow_the_networks_of_the_space() -> None:
    archs = ["torchvision:resnet18_r32_c2", *(f"mlp:w8_d{depth}_t8_c2" for depth in range(3, 8))]
    known = pd.DataFrame({"arch": archs, "params": np.nan, "top1": [99.0, 10.0, 20.0, 30.0, 40.0, 50.0]})
    known["params"] = [1e7, *np.exp(np.arange(1.0, 6.0))]
    found = predicted([MLP(depth=4, links=8), parse("torchvision:resnet18")], known, "params")
    assert found["arch"].iloc[0] == "mlp:w8_d4_t8_c2"
    at = float(np.log(found["params"].iloc[0]))
    assert found["top1"].iloc[0] == pytest.approx(10 * at) and np.isnan(found["top1"].iloc[1])
    with pytest.raises(RequestError, match="networks of mlp and densenet; predict networks of one space"):
        predicted([MLP(), DenseNet()], known, "params")
    with pytest.raises(RequestError, match="is no torchvision or mlp"):
        predicted([DenseNet()], known, "params")


def test_a_plan_tests_nothing(
    images: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tested: list[object] = []
    monkeypatch.setattr(Training, "test", lambda *arguments: tested.append(arguments))
    on = ["--dataset", "folder", "--data", str(images), "--set", "epochs=1", "batch=12", "--plan"]
    assert main(["--arch", *(f"mlp:w8_d{depth}_t4" for depth in (3, 4, 5)), *on]) == 0
    said = capsys.readouterr().out
    assert not tested and "3 networks, 3 trainings of 1 epoch: about less than 1 s" in said
    assert "less than 1 s at 20" in said and "0.0 min" not in said


def test_a_plan_is_in_fitting_units() -> None:
    plan = Plan(1, 1, 2, 9000.0, 60 * 1e12 * 20)
    assert str(plan) == "1 network, 1 training of 2 epochs: about 2.5 h of steps"
    assert plan.at([20, 1]) == "1.2e+15 operations: 60 s at 20, 20 min at 1 TFLOP/s"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--initialisations", "1" + 30 * "0"], "is too large; the most is 10000"),
        (["--score-batch", "1000000000"], "is too large; the most is 4096"),
        (["--count", "10000000000"], "is too large"),
        (["--out", ""], "--out ''"),
    ],
)
def test_numbers_have_bounds(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert said in refused(main, ["--space", "mlp", "--dataset", "seg20", *arguments], capsys)


def test_parallel_without_gpus_leaves_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = ["--arch", *(f"mlp:w8_d{depth}_t4" for depth in (3, 4, 5)), "--dataset", "seg20"]
    told = refused(main, [*asked, "--device", "cpu", "--parallel"], capsys)
    assert "no GPUs here" in told and not list(tmp_path.iterdir())


def test_what_is_suspicious_about_trainings_is_reported(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained = pd.read_csv(copy / "training" / "trained.csv")
    warned = ["training loss larger than in epoch 1", "", "training loss larger than in epoch 1", None]
    trained.assign(warning=warned).to_csv(copy / "training" / "trained.csv", index=False)
    said = statement(copy, capsys)
    assert "warning: training loss larger than in epoch 1: row 1 (seed 0), 3 (seed 0)\n" in said
    assert said.count("warning: ") == 1 + ("too few to judge" in said)
