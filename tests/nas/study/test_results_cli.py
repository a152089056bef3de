"""The commands `nas report` and `nas predict` on finished studies, and `nas study --resume` of one."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from filelock import FileLock

import nas
from nas.page.cli import main as report
from nas.study.cli import main
from nas.study.results_cli import predict
from nas.train.cli import main as train
from tests.conftest import REPOSITORY, refused
from tests.nas.train.conftest import images

__all__ = ["images"]

RESULTS = REPOSITORY / "results"
COMMITTED = [
    path.parent for path in sorted(RESULTS.glob("*/*/networks.csv")) if (path.parent / "training").is_dir()
]
"""Studies that are whole: the last step writes networks.csv."""


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
def test_a_committed_study_is_reported_again_unchanged(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nas.study.stats.RESAMPLES", 20)
    monkeypatch.setattr("nas.study.selection.SHUFFLES", 1)
    shutil.copytree(RESULTS / name, tmp_path / "copy")
    before = files(tmp_path / "copy")
    assert report([str(tmp_path / "copy")]) == 0
    output = capsys.readouterr().out
    after = files(tmp_path / "copy")
    assert "Kept in" in output and after.keys() == before.keys()
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
    output = capsys.readouterr().out
    assert [output.count(f"Kept in {copy}") for copy in copies] == [1, 1]
    for name, copy in zip(names, copies, strict=True):
        before, after = files(RESULTS / name), files(copy)
        tables = [file for file in before if not file.endswith(".png")]  # pixels depend on matplotlib
        assert after.keys() == before.keys() and all(before[file] == after[file] for file in tables)


def test_incomplete_studies_are_refused(
    copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files(copy)
    (tmp_path / "empty").mkdir()
    for other, message in (
        ("nowhere", "there is no such folder; expected the folder of a search, a training, a study"),
        ("empty", "it has no run.json; expected the folder of a search"),
    ):
        assert message in refused(report, [str(copy), str(tmp_path / other)], capsys)
    assert "give --latency cpu as well" in refused(report, [str(copy), "--latency-threads", "2"], capsys)
    assert "the following arguments are required: FOLDER" in refused(report, [], capsys)
    with FileLock(copy / ".lock"):
        assert "copy is in use by" in refused(report, [str(copy)], capsys)
    (copy / ".lock").unlink(missing_ok=True)
    assert files(copy) == before
    (copy / "scores.csv").unlink()
    output = refused(report, [str(copy)], capsys)
    assert (
        f"not all networks are trained and scored; go on with: python -m nas.study --resume {copy}" in output
    )


def test_nas_predict(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = str(copy / "networks.csv")
    assert predict([str(copy), table, "--score", "params"]) == 0
    output = capsys.readouterr().out
    assert "top-1" in output or "top1" in output
    assert "--score zen is not a closed form" in refused(
        predict, [str(copy), table, "--score", "zen"], capsys
    )
    assert "there is no such file" in refused(predict, [str(copy), "none.csv"], capsys)
    assert "is not the folder of a study" in refused(predict, ["nowhere", table], capsys)
    (copy / "networks.csv").rename(copy / "other.csv")
    output = refused(predict, [str(copy), str(copy / "other.csv")], capsys)
    assert "is not finished; go on with: python -m nas.study --resume" in output


def test_a_finished_study_needs_no_data_and_keeps_its_training(
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
    message = refused(main, ["--resume", str(copy)], capsys)
    assert f"there is no such file; write it again by python -m nas.train --resume {copy}/training" in message


def test_a_study_whose_trainings_failed_says_how_they_are_tried_again(
    copy: Path, images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained = copy / "training" / "trained.csv"
    trained.write_text(trained.read_text().replace(",done,", ",failed,"))
    again = f"3 are needed: try failed ones again by python -m nas.train --resume {copy}/training"
    assert again in refused(main, ["--resume", str(copy)], capsys)
    assert train(["--resume", str(copy / "training"), "--data", str(images), "--threads", "1"]) == 0
    capsys.readouterr()
    statement(copy, capsys)


def test_a_training_folder_without_state_is_resumed(
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


def test_few_networks_have_no_intervals(study: Path) -> None:
    found = pd.read_csv(study / "correlations.csv")
    ends = [name for name in found if name.endswith(("_low", "_high"))]
    assert found[ends].isna().all(axis=None) and len(ends) == 6
    assert json.loads((study / "run.json").read_text())["test_images"] == 24


def test_a_report_without_selection_rules(
    copy: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nas.study.stats.RESAMPLES", 20)
    archs = ["torchvision:resnet18_r64_c2", *(f"mlp:w8_d{depth}_t4_i2_c2" for depth in range(3, 11))]
    trained = pd.DataFrame({"row": range(1, 10), "arch": archs, "top1": np.linspace(60, 95, 9)})
    trained = trained.assign(seconds=1.0, status="done", device="cpu", seed=0)
    trained.to_csv(copy / "training" / "trained.csv", index=False)
    mass = pd.DataFrame({"arch": archs, "nn_mass": [np.nan, *range(8)], "nn_mass_seconds": 0.0})
    mass.assign(params=np.nan, params_seconds=0.0).to_csv(copy / "scores.csv", index=False)
    output = statement(copy, capsys)
    assert "Regret of top-1" not in output and "Kept in" in output and not (copy / "rules.csv").exists()


def test_every_table_is_named_where_it_is_read_and_described(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A study that writes all its tables: it has a named network, latencies and a pair of equal NN-Mass."""
    monkeypatch.setattr("nas.study.stats.RESAMPLES", 20)
    monkeypatch.setattr("nas.study.selection.SHUFFLES", 1)
    state = json.loads((copy / "run.json").read_text())
    state["request"]["order"]["named"] = 1
    (copy / "run.json").write_text(json.dumps(state))
    archs = [f"mlp:w8_d{depth}_t4_i2_c2" for depth in range(3, 13)]
    trained = pd.DataFrame({"row": range(1, 11), "arch": archs, "top1": np.linspace(60, 95, 10)})
    trained = trained.assign(seconds=1.0, status="done", device="cpu", seed=0)
    trained.to_csv(copy / "training" / "trained.csv", index=False)
    scores = pd.DataFrame({"arch": archs, "nn_mass": 8.0, "params": range(100, 1100, 100)})
    scores.assign(nn_mass_seconds=0.0, params_seconds=0.0).to_csv(copy / "scores.csv", index=False)
    pd.DataFrame({"arch": archs, "cpu_ms": 1.0}).to_csv(copy / "latency.csv", index=False)
    assert report([str(copy)]) == 0
    written = {path.stem for path in copy.rglob("*.csv")}
    assert written >= {"correlations_drawn", "rules", "standing", "pairs", "summary"}
    assert written == nas.read(copy).keys(), "each needs a place in nas/read.py"
    page = (REPOSITORY / "docs" / "studies.md").read_text()
    named = re.findall(r"`(\w+)\.csv`", "".join(line for line in page.splitlines(True) if line[0] == "|"))
    assert {path.stem for path in copy.glob("*.csv")} <= {*named}, "each needs a row in docs/studies.md"


def test_training_warnings_are_reported(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trained = pd.read_csv(copy / "training" / "trained.csv")
    warned = ["training loss larger than in epoch 1", "", "training loss larger than in epoch 1", None]
    trained.assign(warning=warned).to_csv(copy / "training" / "trained.csv", index=False)
    output = statement(copy, capsys)
    assert "warning: training loss larger than in epoch 1: row 1 (seed 0), 3 (seed 0)\n" in output
    assert output.count("warning: ") == 1 + ("too few to judge" in output)
