"""Studies put together, and pairs of equal NN-Mass: what they find in tables whose answer is known."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from nas import score
from nas.study.compare import Lines, lines, together
from nas.study.folder import StudyFolder
from nas.study.population import drawn
from nas.study.results_cli import compare
from nas.study.stats import APART, SAME_MASS, Difference, mean_interval, paired
from search_spaces import RequestError
from tests.conftest import REPOSITORY, Command, refused

STUDIES = [REPOSITORY / "results" / "gradient_flow" / f"mlp-w{width}" for width in (8, 16)]


def networks(archs: list[str], top1: list[float], std: float = 0.1, seeds: int = 2) -> pd.DataFrame:
    figures = pd.DataFrame([score(arch) for arch in archs])[["nn_mass", "params"]]
    return pd.concat([pd.Series(archs, name="arch"), figures], axis=1).assign(
        top1=top1, top1_std=std, seeds=seeds
    )


@given(st.integers(0, 1000), st.floats(-5, 5), st.floats(-5, 5))
def test_offsets_of_exact_lines_are_found(seed: int, second: float, third: float) -> None:
    generator = np.random.default_rng(seed)
    mass, bases = generator.uniform(1, 5, 18), ["a"] * 6 + ["b"] * 6 + ["c"] * 6
    accuracy = 3 * mass + 7 + np.repeat([0, second, third], 6)
    found = Lines.fitted(mass, accuracy, bases)
    assert found.points["a"] == 0 == found.half["a"]
    assert [found.points["b"], found.points["c"]] == pytest.approx([second, third], abs=1e-8)
    assert max(found.half.values()) < 1e-6


def test_offsets_are_the_difference_of_means_where_masses_are_the_same() -> None:
    mass, noise = np.tile([1.0, 2.0, 3.0, 4.0], 2), np.array([0.3, -0.1, 0.2, -0.4, 0.1, 0.2, -0.3, 0.4])
    accuracy = mass + noise + np.repeat([0, 5], 4)
    found = Lines.fitted(mass, accuracy, ["a"] * 4 + ["b"] * 4)
    assert found.points["b"] == pytest.approx(accuracy[4:].mean() - accuracy[:4].mean())


def test_chances_are_even_where_the_hypothesis_holds_and_small_where_it_does_not() -> None:
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


def test_what_the_networks_do_not_settle_is_not_said() -> None:
    mass, accuracy = np.repeat([1.0, 2.0], 6), np.repeat([80.0, 90.0], 6) + np.tile([0.1, -0.1], 6)
    assert np.isnan(Lines.fitted(mass, accuracy, ["a"] * 6 + ["b"] * 6).points["b"])
    with pytest.raises(RequestError, match=r"4 networks of 1 base width\(s\)"):
        Lines.fitted(np.arange(4.0), np.arange(4.0), ["a"] * 4)


def test_committed_studies_go_together() -> None:
    table = together([StudyFolder.open(path) for path in STUDIES])
    assert table["base"].value_counts().to_dict() == {"width 8": 30, "width 16": 30}
    found = lines(table, "nn_mass").set_index("base")
    assert found["networks"].tolist() == [24, 24] and found.loc["width 8", "above"] == 0
    assert found["overlap"].all() and not lines(table, "params")["overlap"].all()
    masses = table[table["nn_mass"] > 0].groupby("base")["nn_mass"]
    pd.testing.assert_series_equal(found["least"], masses.min()[found.index], check_names=False)
    near = table[table["nn_mass"].between(28, 34)].groupby("base")["top1"].mean()
    assert found.loc["width 16", "above"] == pytest.approx(near["width 16"] - near["width 8"], abs=0.5)


def test_pairs_have_one_mass_and_two_sizes() -> None:
    archs = [f"mlp:{spec}_i2_c2" for spec in ("w8_d4_t99", "w8_d16_t2", "w16_d16_t99", "w8_d32_t2")]
    table = networks(archs, [80.0, 82.0, 90.0, 83.0])
    table["nn_mass"] = [32.0, 32.5, 32.0, 40.0]
    (row,) = paired(table).to_dict("records")
    assert (row["arch_small"], row["arch_large"]) == (archs[0], archs[1])  # not the one of another width
    assert row["times"] >= APART and row["difference"] == pytest.approx(2)
    assert row["error"] == pytest.approx(0.1)  # two deviations of 0.1 over two seeds each
    assert "the larger of a pair has +2.00 points more" in str(Difference.of(paired(table)))
    table["nn_mass"] = [32.0, 32.7, 32.0, 40.0]
    assert paired(table).empty
    table["nn_mass"] = 32.0
    (row,) = paired(table).to_dict("records")  # three of one width: none is in two pairs
    assert (row["arch_small"], row["arch_large"]) == (archs[0], archs[3])
    table["nn_mass"] = 0.0
    assert paired(table).empty


def test_the_interval_of_a_mean() -> None:
    mean, half = mean_interval(np.array([1.0, 2.0, 3.0]))
    assert mean == 2 and half == pytest.approx(4.302653 / np.sqrt(3))
    assert np.isnan(mean_interval(np.array([1.0]))[1])


def test_drawn_pairs_are_pairs() -> None:
    fix = {"width_mult": 2, "op": "conv3x3"}
    table = drawn("densenet", 10, "pairs", 0, {}, fix)
    small, large = table.iloc[::2].reset_index(), table.iloc[1::2].reset_index()
    assert table["arch"].is_unique and len(table) == 10
    assert (large["params"] / small["params"] >= APART).all()
    assert ((large["nn_mass"] / small["nn_mass"] - 1).abs() <= SAME_MASS).all()
    assert small["nn_mass"].is_monotonic_increasing and small["nn_mass"].max() > 1.3 * small["nn_mass"].min()
    assert len(paired(table.assign(top1=1.0, top1_std=0.0, seeds=2))) == 5
    several = drawn("densenet", 12, "pairs", 0, {}, {"op": "conv3x3"})
    assert len(paired(several.assign(top1=1.0, top1_std=0.0, seeds=2))) == 6  # each of one base width
    with pytest.raises(RequestError, match="--count 5: pairs need an even number"):
        drawn("densenet", 5, "pairs", 0, {}, fix)
    with pytest.raises(RequestError, match="there are 0 pairs of one base width"):
        drawn("densenet", 4, "pairs", 0, {"params": "4M:4.4M"}, fix)


def test_the_command_puts_studies_together(command: Command, tmp_path: Path) -> None:
    done = command("nas", "compare", *map(str, STUDIES), "--out", "both")
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


def test_what_does_not_go_together_gets_one_line(
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
    for arguments, said in (
        ([eight, "empty"], "networks.csv is not a table"),
        ([eight, "strange"], "has no column arch, nn_mass, params, top1"),
        ([eight, "worded"], "column params has something that is no number"),
        ([eight, "untrained"], "column top1 has something that is no number"),
        ([eight, "elsewhere"], "dataset folder and not fashionmnist"),
        ([eight, "longer"], "epochs 6 and not 5; put together studies that trained alike"),
        ([eight, "begun"], "begun is not finished; go on with: nas study --resume begun"),
        ([eight, "nowhere"], "nowhere is not the folder of a study"),
        ([eight], "of 1 base width(s): expected at least two"),
        ([eight, sixteen, "--space", "mlp"], "unrecognized arguments: --space mlp"),
    ):
        assert said in refused(compare, arguments, capsys)
    assert not (tmp_path / "results").exists()
