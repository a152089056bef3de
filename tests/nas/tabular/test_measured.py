"""Measured scores on small tables in the published formats: values, judgement, kills and resumption."""

from __future__ import annotations

import json
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

import nas
import search_spaces
from nas import proxies
from nas.proxies import Subject
from nas.tabular.cli import main
from nas.tabular.frame import closed_forms
from nas.train.data import fitted, load
from search_spaces import RequestError
from tests.conftest import Begin, Command, refused
from tests.nas.tabular.files import accel_nasbench, macros, mbconvs, nasbench_macro
from tests.nas.train.conftest import images, write_images

__all__ = ["images"]

NAMES = ("synflow", "naswot")
FEW = {"measure": NAMES, "image_size": 8, "score_batch": 4, "resamples": 20}
ONE = {**FEW, "measure": ["naswot"]}
WORDS = ("--measure", *NAMES, "--image-size", "8", "--score-batch", "4", "--resamples", "20")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return nasbench_macro(tmp_path_factory.mktemp("data") / "macro.json", macros(60))


@pytest.fixture(scope="module")
def few_networks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return nasbench_macro(tmp_path_factory.mktemp("data") / "few.json", macros(16))


def without_seconds(table: pd.DataFrame) -> pd.DataFrame:
    return table[[name for name in table if not str(name).endswith("seconds")]]


def test_measured_scores_stand_beside_closed_forms(data: Path) -> None:
    found = nas.tabular("nasbench-macro", data, sample=40, seed=3, **FEW)
    rho, scores = found["rho"], found["scores"]
    assert set(rho["score"]) == {*closed_forms(), *NAMES}
    of_flops = rho[rho["held_equal"] == "flops"]
    assert (of_flops["n"] == 40).all() and (of_flops["bands"] == 2).all()
    assert (rho["seconds"] > 0).all() and rho["rho_low"].notna().all()
    assert set(NAMES) <= set(found["rules"]["rule"])
    assert scores["arch"].nunique() == len(scores) == 40
    for row in scores.head(3).to_dict("records"):
        network = search_spaces.parse(row["arch"])
        assert row["flops"] == network.figures().flops  # of the network as published
        subject = Subject.of_noise(replace(network, resolution=8), 4, seed=3)
        for name in NAMES:
            assert row[name] == proxies.measure(name, subject).value
    notes = " ".join(found["rho"].attrs["notes"])
    assert "40 of 60 networks are judged, drawn at random from 2 bands" in notes
    assert "(seed 3) on 4 images of 8 pixels, normal noise" in notes


def test_scores_are_measured_on_images(images: Path, few_networks: Path) -> None:
    few = {**ONE, "image_size": None, "dataset": "folder", "image_folder": images}
    scores = nas.tabular("nasbench-macro", few_networks, **few)["scores"]
    colours = load("folder", images)
    network = search_spaces.parse(scores["arch"].iloc[7])
    subject = Subject.of_data(fitted(network, colours), colours, 4, 0)
    assert scores["naswot"].iloc[7] == proxies.measure("naswot", subject).value


def test_all_networks_of_a_small_table_are_measured(tmp_path: Path) -> None:
    table = accel_nasbench(tmp_path / "files", mbconvs(9))
    found = nas.tabular("accel-nasbench", table, **{**ONE, "image_size": 32})
    assert found["rho"]["n"].iloc[0] == len(found["scores"]) == 9


def test_a_sample_of_closed_forms_alone(data: Path) -> None:
    found = nas.tabular("nasbench-macro", data, sample=40, resamples=20)
    assert found["rho"]["n"].iloc[0] == 40 and "seconds" not in found["rho"] and "scores" not in found


def test_undefined_scores_are_counted(tmp_path: Path) -> None:
    table = tmp_path / "mine.csv"
    rows = [
        f"mbconv:e1-1-1-1-1-1-{e}_d1-1-1-1-1-1-{d}_silu,{60 + e + d}" for e in (1, 4, 6) for d in (1, 2, 3)
    ]
    table.write_text("\n".join(["arch,top1", *rows]) + "\n")
    found = nas.tabular("table", table, **{**ONE, "image_size": 32})
    assert found["scores"]["naswot"].isna().all()
    assert "naswot is infinite or undefined for 9 of 9 networks" in " ".join(found["rho"].attrs["notes"])


def test_a_killed_measurement_keeps_every_network(
    begin: Begin, command: Command, tmp_path: Path, few_networks: Path
) -> None:
    given = ("nas.tabular", "nasbench-macro", "--data", str(few_networks), *WORDS)
    assert command(*given, "--out", "whole").returncode == 0
    begun, kept = begin(tmp_path, *given, "--out", "run"), tmp_path / "run" / "scores.csv"
    begun.until(lambda: kept.exists() and kept.read_bytes().count(b"\n") > 3)
    begun.send_signal(signal.SIGKILL)
    assert begun.ended().returncode == -signal.SIGKILL
    assert json.loads((tmp_path / "run" / "run.json").read_text())["status"] == "running"
    before = pd.read_csv(kept)
    assert 3 <= len(before) < 16 and not before[list(NAMES)].isna().any(axis=None)
    done = command(*given, "--resume", "run")
    assert done.returncode == 0, done.stderr
    tables, whole = nas.read(tmp_path / "run"), nas.read(tmp_path / "whole")
    pd.testing.assert_frame_equal(tables["scores"].head(len(before)), before)  # with the same seconds
    for name, table in whole.items():
        pd.testing.assert_frame_equal(without_seconds(tables[name]), without_seconds(table))
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "s: median seconds per network" in done.stdout
    again = command("nas.tabular", "--resume", "run")
    assert again.returncode == 0, again.stderr
    pd.testing.assert_frame_equal(nas.read(tmp_path / "run")["scores"], tables["scores"])


def test_an_interrupted_measurement_says_how_to_go_on(
    begin: Begin, tmp_path: Path, few_networks: Path
) -> None:
    given = ("nas.tabular", "nasbench-macro", "--data", str(few_networks), *WORDS)
    begun, kept = begin(tmp_path, *given, "--out", "run"), tmp_path / "run" / "scores.csv"
    begun.until(kept.exists)
    begun.send_signal(signal.SIGINT)
    done = begun.ended()
    assert done.returncode == 130 and "go on with: python -m nas.tabular --resume run" in done.stderr
    state = json.loads((tmp_path / "run" / "run.json").read_text())
    assert state["status"] == "interrupted" and state["batch"]


def test_a_run_is_resumed_as_it_was(
    tmp_path: Path, images: Path, few_networks: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    colours, run = tmp_path / "colours", tmp_path / "run"
    shutil.copytree(images, colours)
    few = {**ONE, "image_size": None, "dataset": "folder", "image_folder": colours}
    nas.tabular("nasbench-macro", few_networks, sample=40, out=run, **few)
    before = (run / "scores.csv").read_bytes()
    capsys.readouterr()  # a slow machine prints progress
    resume = ["--resume", str(run)]
    for words, refusal in (
        (["--score-batch", "8"], "leave out what differs: --score-batch"),
        (["--measure", "naswot", "synflow"], "leave out what differs: --measure"),
        (["--seed", "1", "--image-size", "4"], "--seed; --image-size"),
        (["ofa"], "leave out what differs: ofa"),
        (["--out", "other"], "leave out what differs: --out"),
    ):
        assert refusal in refused(main, [*resume, *words], capsys)
    moved = tmp_path / "moved"
    colours.rename(moved)
    assert "colours" in refused(main, resume, capsys)
    assert main([*resume, "--image-folder", str(moved), "--sample", "40"]) == 0
    assert "Kept in" in capsys.readouterr().out
    shutil.rmtree(moved)
    write_images(moved, each=20)
    assert "were measured on another batch" in refused(main, [*resume, "--image-folder", str(moved)], capsys)
    assert (run / "scores.csv").read_bytes() == before


def test_wrong_requests(tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ask, out = ["nasbench-macro", "--data", str(data)], tmp_path / "out"
    for words, refusal in (
        (["--measure", "zenn"], "did you mean zen"),
        (["--measure", "params"], "--measure params: it is a closed form"),
        (["--measure", "imagenet"], "--measure imagenet: it is a fitted score"),
        (["--measure", "zen", "zen"], "--measure has zen twice"),
        (["--score-batch", "8", "--threads", "2"], "--score-batch, --threads: no score is measured"),
        (["--measure", "zico", "--score-batch", "3"], "is not a whole number of at least 4"),
        (["--measure", "zen", "--sample", "10"], "at least 40"),
        (["--measure", "zen", "--dataset", "cifar"], "cifar10"),
        (["--measure", "zen", "--dataset", "cifar10", "--image-size", "8"], "has one size of its own"),
        (["--measure", "zen", "--dataset", "folder", "--image-folder", str(tmp_path / "none")], "none"),
        (["--resume", str(tmp_path / "none")], "there is no such folder"),
    ):
        assert refusal in refused(main, [*ask, *words, "--out", str(out)], capsys), refusal
        assert not out.exists()
    points = tmp_path / "points.csv"
    points.write_text("arch,top1\n" + "".join(f"mlp:w8_d{depth},{50 + depth}\n" for depth in range(3, 13)))
    asked = ["table", "--data", str(points), "--measure", "synflow", "--out", str(out)]
    assert "--image-size 8: 'mlp:w8_d3" in refused(main, [*asked, "--image-size", "8"], capsys)
    with pytest.raises(TypeError, match="measure is 'zen', expected a list"):
        nas.tabular("nasbench-macro", data, measure="zen")
    with pytest.raises(TypeError, match="did you mean image_folder"):
        nas.tabular("nasbench-macro", data, measure=["zen"], image_folders="x")
    with pytest.raises(RequestError, match="sample is 10, expected"):
        nas.tabular("nasbench-macro", data, sample=10)
