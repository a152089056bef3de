"""Comparison of studies: lines across base widths with known offsets, and the command `nas compare`."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from nas.study.compare import Lines, combined, lines
from nas.study.folder import StudyFolder
from nas.study.results_cli import compare
from search_spaces import RequestError
from tests.conftest import REPOSITORY, Command, refused
from tests.nas.study.populations import FEW_RESAMPLES

STUDIES = [REPOSITORY / "results" / "gradient_flow" / f"mlp-w{width}" for width in (8, 16)]
RESULTS = REPOSITORY / "results"


@given(st.integers(0, 1000), st.floats(-5, 5), st.floats(-5, 5))
def test_offsets_of_exact_lines(seed: int, second: float, third: float) -> None:
    generator = np.random.default_rng(seed)
    mass, bases = generator.uniform(1, 5, 18), ["a"] * 6 + ["b"] * 6 + ["c"] * 6
    accuracy = 3 * mass + 7 + np.repeat([0, second, third], 6)
    found = Lines.fitted(mass, accuracy, bases)
    assert found.points["a"] == 0 == found.half["a"]
    assert [found.points["b"], found.points["c"]] == pytest.approx([second, third], abs=1e-8)
    assert max(found.half.values()) < 1e-6


def test_offsets_at_equal_masses_are_differences_of_means() -> None:
    mass, noise = np.tile([1.0, 2.0, 3.0, 4.0], 2), np.array([0.3, -0.1, 0.2, -0.4, 0.1, 0.2, -0.3, 0.4])
    accuracy = mass + noise + np.repeat([0, 5], 4)
    found = Lines.fitted(mass, accuracy, ["a"] * 4 + ["b"] * 4)
    assert found.points["b"] == pytest.approx(accuracy[4:].mean() - accuracy[:4].mean())


def test_p_values_are_uniform_under_the_null_hypothesis_and_small_otherwise() -> None:
    generator = np.random.default_rng(0)
    bases = ["a", "b", "c"] * 6
    apart = np.array([0.0, 2.0, 4.0] * 6)
    p: dict[str, list[float]] = {"one": [], "parallel": [], "apart": [], "crossing": []}
    for _ in range(300):
        mass, noise = generator.uniform(1, 5, 18), generator.normal(size=18)
        p["one"].append(Lines.fitted(mass, mass + noise, bases).p_one)
        parallel = Lines.fitted(mass, mass + apart + noise, bases)
        p["parallel"].append(parallel.p_parallel)
        p["apart"].append(parallel.p_one)
        p["crossing"].append(Lines.fitted(mass, (apart - 2) * (mass - 3) + noise, bases).p_parallel)
    assert scipy.stats.kstest(p["one"], "uniform").pvalue > 0.01
    assert scipy.stats.kstest(p["parallel"], "uniform").pvalue > 0.01
    assert np.median(p["apart"]) < 0.001 and np.median(p["crossing"]) < 0.001


def test_undetermined_offsets_are_nan() -> None:
    mass, accuracy = np.repeat([1.0, 2.0], 6), np.repeat([80.0, 90.0], 6) + np.tile([0.1, -0.1], 6)
    assert np.isnan(Lines.fitted(mass, accuracy, ["a"] * 6 + ["b"] * 6).points["b"])
    with pytest.raises(RequestError, match=r"the 4 networks to compare have one base width, a;"):
        Lines.fitted(np.arange(4.0), np.arange(4.0), ["a"] * 4)
    with pytest.raises(RequestError, match=r"4 networks of 2 base widths .*, expected at least 5"):
        Lines.fitted(np.arange(4.0), np.arange(4.0), ["a", "b"] * 2)


def test_committed_studies_are_compared() -> None:
    table = combined([StudyFolder.open(path) for path in STUDIES])
    assert table["base"].value_counts().to_dict() == {"width 8": 30, "width 16": 30}
    found = lines(table, "nn_mass").set_index("base")
    assert found["networks"].tolist() == [24, 24] and found.loc["width 8", "above"] == 0
    assert found["overlap"].all() and not lines(table, "params")["overlap"].all()
    masses = table[table["nn_mass"] > 0].groupby("base")["nn_mass"]
    pd.testing.assert_series_equal(found["least"], masses.min()[found.index], check_names=False)
    near = table[table["nn_mass"].between(28, 34)].groupby("base")["top1"].mean()
    assert found.loc["width 16", "above"] == pytest.approx(near["width 16"] - near["width 8"], abs=0.5)


def test_nas_compare(command: Command, tmp_path: Path) -> None:
    done = command("nas", "compare", *map(str, STUDIES), "--out", "both", constants=FEW_RESAMPLES)
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80 and "one line for all: p =" in done.stdout
    assert len(pd.read_csv(tmp_path / "both" / "networks.csv")) == 60
    assert pd.read_csv(tmp_path / "both" / "across_nn_mass.csv")["base"].tolist() == ["width 8", "width 16"]
    assert (tmp_path / "both" / "across.png").read_bytes().startswith(b"\x89PNG")


def test_a_missing_package_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "statsmodels", None)
    monkeypatch.setitem(sys.modules, "statsmodels.regression.linear_model", None)
    monkeypatch.chdir(tmp_path)
    assert "the comparison needs statsmodels; install it" in refused(compare, list(map(str, STUDIES)), capsys)


def test_incomparable_studies_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    eight, sixteen = map(str, STUDIES)
    longer = tmp_path / "longer"
    longer.mkdir()
    (longer / "networks.csv").write_bytes((STUDIES[0] / "networks.csv").read_bytes())
    state = (STUDIES[0] / "run.json").read_text()
    (longer / "run.json").write_text(state.replace('"epochs": 5', '"epochs": 6'))
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / "run.json").write_text(state)
    damaged = {
        "empty": "",
        "strange": "x\n1\n",
        "worded": "arch,nn_mass,params,top1\nmlp:mlp_8,1,many,3\n",
        "untrained": "arch,nn_mass,params,top1\nmlp:mlp_8,1,2,\n",
    }
    for name, text in damaged.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text(state)
        (tmp_path / name / "networks.csv").write_text(text)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "networks.csv").write_bytes((STUDIES[0] / "networks.csv").read_bytes())
    other_data = state.replace('"dataset": "fashionmnist"', '"dataset": "folder"')
    (tmp_path / "elsewhere" / "run.json").write_text(other_data)
    for arguments, message in (
        ([eight, "empty"], "networks.csv is not a table"),
        ([eight, "strange"], "has no column arch, nn_mass, params, top1"),
        ([eight, "worded"], "column params has a value that is not a number"),
        ([eight, "untrained"], "column top1 has a value that is not a number"),
        ([eight, "elsewhere"], "dataset folder and not fashionmnist"),
        ([eight, "longer"], "epochs 6 and not 5; compare studies with equal training"),
        ([eight, "begun"], "begun is not finished; go on with: nas study --resume begun"),
        ([eight, "nowhere"], "nowhere is not the folder of a study"),
        ([eight], "have one base width, width 8; expected at least two: add the folder of a study"),
        ([eight, sixteen, "--space", "mlp"], "unrecognized arguments: --space mlp"),
    ):
        assert message in refused(compare, arguments, capsys)
    assert not (tmp_path / "results").exists()


def test_studies_with_baselines_and_other_seeds_are_compared() -> None:
    one = StudyFolder.open(RESULTS / "pilot" / "equal-cost")
    found = combined([one, StudyFolder.open(RESULTS / "pilot" / "equal-cost-400M")])
    assert found["nn_mass"].isna().sum() == 2 and "torchvision" in set(found["base"])


def test_a_comparison_fits_in_80_columns(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("nas.study.stats.RESAMPLES", 20)
    cells = [str(RESULTS / "pilot" / name) for name in ("cells-k1", "cells-k2")]
    assert compare([*cells, "--out", str(tmp_path / "both")]) == 0
    output = capsys.readouterr().out
    (row,) = [line for line in output.splitlines() if "width_mult 2" in line and "M" in line]
    assert row.endswith("+3.53 ±3.30*") and max(map(len, output.splitlines()[:-1])) <= 80
