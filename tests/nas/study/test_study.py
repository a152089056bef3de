"""Studies: which networks are drawn, what is said of scores, and the command from draw to prediction."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st

from nas import proxies, score
from nas.study.cli import main
from nas.study.population import drawn
from nas.study.predict import line_at, predicted
from nas.study.report import correlations, joined
from nas.study.scores import scored
from nas.study.stats import kendall, r_squared, spearman, with_interval
from nas.train.data import Data, fitted
from search_spaces import MLP, RequestError, ResNet
from tests.conftest import Begin, Command, environment, refused
from tests.nas.train.conftest import data, images

__all__ = ["data", "images"]


def correlation(table: pd.DataFrame) -> float:
    return abs(float(np.corrcoef(np.log(table["nn_mass"]), np.log(table["params"]))[0, 1]))


def test_a_spread_population_sets_mass_and_size_apart() -> None:
    fix = {"width_mult": 2, "op": "conv3x3"}
    spread, uniform = (drawn("densenet", 24, how, 0, {}, fix) for how in ("spread", "uniform"))
    for table in (spread, uniform):
        assert len(table) == 24 and table["arch"].is_unique and table["arch"].str.contains("k2_").all()
        assert table["params"].tolist() == [score(arch)["params"] for arch in table["arch"]]
    assert correlation(spread) < 0.1 < correlation(uniform)
    for figure in ("nn_mass", "params"):
        assert spread[figure].max() / spread[figure].min() > 2
    assert drawn("densenet", 24, "spread", 0, {}, fix).equals(spread)
    assert not drawn("densenet", 24, "spread", 1, {}, fix).equals(spread)


def test_populations_keep_budgets_and_say_where_they_are_too_small() -> None:
    table = drawn("mobilenet", 10, "uniform", 3, {"flops": "380M:400M"}, {})
    assert table["flops"].between(380e6, 400e6).all()
    with pytest.raises(RequestError, match="different networks were drawn; widen the budgets"):
        drawn("mlp", 500, "uniform", 0, {}, {"width": 8, "depth": 4})


def test_scores_and_trainings_take_the_threads_that_were_measured_once(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    measured = []

    def seconds(*given: object) -> dict[int, float]:
        measured.append(given)
        return {1: 1.0, 2: 2.0, 3: 3.0}

    proxies.register("threads_of_torch", "network")(lambda subject: torch.get_num_threads())
    monkeypatch.setattr("nas.train.runtime.seconds_a_step", seconds)
    asked = ["--arch", "mlp:w8_d3_t2", "mlp:w8_d4_t2", "mlp:w8_d5_t2", "--dataset", "folder"]
    asked += ["--data", str(images), "--set", "epochs=1", "batch=12", "--scores", "threads_of_torch"]
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        assert main([*asked, "--out", str(tmp_path / "study")]) == 0
        assert len(measured) == 1
        capsys.readouterr()
        torch.set_num_threads(3)
        assert main([*asked, "--plan"]) == 0
    finally:
        del proxies.registry._proxies["threads_of_torch"]
        torch.set_num_threads(before)
    said = " ".join(capsys.readouterr().out.split())
    assert "of steps on cpu with 1 thread, tests" in said and len(measured) == 2
    scores = pd.read_csv(tmp_path / "study" / "scores.csv")
    trained = pd.read_csv(tmp_path / "study" / "training" / "trained.csv")
    assert scores["threads_of_torch"].tolist() == trained["threads"].tolist() == [1, 1, 1]


def test_a_population_has_a_limit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["--space", "mobilenet", "--count", "100000", "--draw", "uniform", "--dataset", "folder"]
    assert "'100000' is too large; the most is 10000" in refused(main, asked, capsys)


def test_statistics_of_known_values() -> None:
    up, down = np.array([1.0, 2.0, 3.0, 4.0]), np.array([9.0, 8.0, 4.0, 1.0])
    assert spearman(up, up) == kendall(up, up) == 1 and r_squared(up, 3 - 2 * up) == pytest.approx(1)
    assert spearman(up, down) == kendall(up, down) == -1
    swapped = np.array([1.0, 3.0, 2.0, 4.0])  # one of six pairs is in another order
    assert kendall(up, swapped) == pytest.approx(4 / 6) and spearman(up, swapped) == pytest.approx(0.8)
    assert all(math.isnan(statistic(np.ones(4), up)) for statistic in (spearman, kendall, r_squared))
    assert math.isnan(r_squared(np.array([1.0, -np.inf, 2.0]), up[:3]))


@given(st.integers(0, 1000))
def test_intervals_hold_the_value(seed: int) -> None:
    generator = np.random.default_rng(seed)
    values = generator.normal(size=(2, 12))
    found = with_interval(r_squared, values[0], values[0] + values[1])
    assert 0 <= found.low <= found.high <= 1 and found.low <= found.value + 0.2


def test_more_networks_make_narrower_intervals() -> None:
    generator = np.random.default_rng(0)
    accuracy = generator.normal(size=200)
    noisy = accuracy + generator.normal(size=200)
    few, many = (with_interval(spearman, noisy[:n], accuracy[:n]) for n in (12, 200))
    assert many.high - many.low < few.high - few.low


def test_the_line_is_that_of_least_squares_and_its_interval_holds_new_networks() -> None:
    generator = np.random.default_rng(0)
    held = 0
    for _ in range(400):
        score_, noise = generator.uniform(0, 10, 13), generator.normal(0, 2, 13)
        accuracy = 3 * score_ + 5 + noise
        (row,) = line_at(score_[12:], score_[:12], accuracy[:12]).to_dict("records")
        known = scipy.stats.linregress(score_[:12], accuracy[:12])
        assert row["top1"] == pytest.approx(known.intercept + known.slope * score_[12])
        held += int(row["top1_low"] <= accuracy[12] <= row["top1_high"])
    assert 0.92 <= held / 400 <= 0.98
    ends = np.array([score_[:12].min(), score_[:12].max(), 11.0, -1.0])
    assert line_at(ends, score_[:12], accuracy[:12])["outside"].tolist() == [False, False, True, True]


def test_scores_are_kept_one_by_one(data: Data, tmp_path: Path) -> None:
    networks = [fitted(MLP(depth=depth), data) for depth in (3, 4, 5)]
    names = proxies.names()
    asked = iter([False, True])
    first = scored(networks, data, names, 8, (0,), tmp_path / "scores.csv", lambda: next(asked))
    assert len(first) == 1
    whole = scored(networks, data, names, 8, (0,), tmp_path / "scores.csv")
    assert whole["arch"].tolist() == list(map(str, networks))
    again, other, both = (
        scored(networks, data, names, 8, seeds, tmp_path / f"{len(seeds)}{seeds[0]}.csv")[list(names)]
        for seeds in ((0,), (1,), (0, 1))
    )
    pd.testing.assert_frame_equal(whole[list(names)], again)
    pd.testing.assert_frame_equal(both, (again + other) / 2)


def test_a_perfect_score_is_found(tmp_path: Path) -> None:
    accuracy = [10.0, 30.0, 20.0, 50.0, 40.0]
    archs = [f"mlp:w8_d{depth}_t4" for depth in range(3, 8)]
    trained = pd.DataFrame(
        {"arch": archs * 2, "status": ["done"] * 9 + ["failed"], "top1": [*accuracy, *accuracy[:4], 0.0]}
    )
    scores = pd.DataFrame(
        {"arch": archs, "naswot": accuracy, "naswot_seconds": 1.0, "zen": 5.0, "zen_seconds": 0.5}
    )
    table = joined(trained, scores)
    assert table["top1"].tolist() == accuracy and table["seeds"].tolist() == [2, 2, 2, 2, 1]
    found = correlations(table, ("zen", "naswot")).set_index("score")
    assert found.index[0] == "naswot" and found.loc["naswot", ["rho", "tau", "r2"]].tolist() == pytest.approx(
        [1, 1, 1]
    )
    masses = pd.DataFrame({"nn_mass": [0.0, 1.0, 10.0], "top1": [5.0, 1.0, 2.0], "nn_mass_seconds": 0.0})
    (row,) = correlations(masses, ("nn_mass",)).to_dict("records")
    assert (row["networks"], row["r2_networks"], row["r2"]) == (3, 2, pytest.approx(1))
    assert row["rho"] == pytest.approx(-0.5)  # a network without links counts by its rank
    assert math.isnan(found.loc["zen", "rho"]) and found.loc["naswot", "networks"] == 5


def test_a_score_that_some_networks_lack_is_compared_over_the_others() -> None:
    archs = ["torchvision:resnet18", *(f"mlp:w8_d{depth}_t4" for depth in range(3, 7))]
    table = pd.DataFrame({"arch": archs, "nn_mass": [np.nan, 1.0, 2.0, 3.0, 4.0], "params": range(1, 6)})
    table = table.assign(top1=[50.0, 10.0, 20.0, 30.0, 40.0], nn_mass_seconds=0.0, params_seconds=0.0)
    found = correlations(table, ("params", "nn_mass")).set_index("score")
    assert found["networks"].to_dict() == {"nn_mass": 4, "params": 5}
    assert found.loc["nn_mass", "rho"] == pytest.approx(1) and found.loc["params", "rho"] == pytest.approx(0)
    with pytest.raises(RequestError, match="--score nn_mass: 1 networks of the study have one; 3 are needed"):
        predicted([MLP()], table[["arch", "nn_mass", "top1"]].iloc[[1, 0, 0]], "nn_mass")


def test_known_networks_are_studied_beside_ours(
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
    assert "note: 5 of 5 networks were laid out for 224 pixels and are trained at 8: " in planned.err
    assert main([*given, "--out", str(tmp_path / "study")]) == 0
    said = capsys.readouterr().out
    assert max(map(len, said.splitlines())) <= 80 or "Kept in" in said.splitlines()[-1]
    found = pd.read_csv(tmp_path / "study" / "correlations.csv").set_index("score")
    assert found["networks"].to_dict() == {"nn_mass": 3, "params": 5, "synflow": 5}
    table = pd.read_csv(tmp_path / "study" / "networks.csv")
    assert (
        table["arch"].str.endswith("_c3_s1").all()
        and table["nn_mass"].isna().tolist() == [True] * 2 + [False] * 3
    )
    between = pd.read_csv(tmp_path / "study" / "between.csv", index_col="score")
    assert between.notna().all().all()


def test_predictions_say_where_they_reach_beyond_what_is_known() -> None:
    archs = [f"mlp:w8_d{depth}_t8" for depth in range(3, 13)]
    mass = np.array([score(arch)["nn_mass"] for arch in archs])
    table = pd.DataFrame({"arch": archs, "nn_mass": mass, "top1": 20 * np.log(mass)})
    asked = [MLP(depth=5, links=8), MLP(depth=30, links=64)]
    found = predicted(asked, table, "nn_mass")
    assert found["outside"].tolist() == [False, True]
    assert found["top1"].iloc[0] == pytest.approx(20 * np.log(mass[2]))
    assert predicted([MLP(width=16, depth=5, links=4)], table, "nn_mass")[
        "outside"
    ].all()  # another base width
    with pytest.raises(RequestError, match="no line goes through 10 networks of 1 different scores"):
        predicted(asked, table.assign(nn_mass=7.0), "nn_mass")
    with pytest.raises(RequestError, match="the study has no score params; it has nn_mass"):
        predicted(asked, table, "params")
    with pytest.raises(RequestError, match="unknown score 'foo'"):
        predicted(asked, table, "foo")
    with pytest.raises(RequestError, match="is no mlp"):
        predicted([ResNet()], table, "nn_mass")
    with pytest.raises(RequestError, match="--score zen needs a network; predict by one of nn_mass, params"):
        predicted(asked, table, "zen")


def test_the_command_from_draw_to_prediction(command: Command, images: Path, tmp_path: Path) -> None:
    asked = ("--space", "mlp", "--fix", "width=8", "--count", "4", "--scores", "nn_mass", "params", "naswot")
    given_ = ("--dataset", "folder", "--data", str(images), "--set", "epochs=1", "batch=12", "lr=0.02")
    plan = command("nas.study", *asked, *given_, "--plan")
    assert plan.returncode == 0, plan.stderr
    assert "4 networks, 4 trainings of 1 epoch: about " in plan.stdout
    assert "correlation of log NN-Mass and log params" in plan.stdout and not list(tmp_path.iterdir())
    done = command("nas.study", *asked, *given_, "--out", "study")
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
    ("arguments", "said"),
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
            "--count say what is drawn; add --space",
        ),
        (["--space", "mlp", "--dataset", "folder", "--score", "zen"], "did you mean --scores?"),
        (
            ["--space", "mlp", "--count", "3", "--dataset", "seg20", "--images", "9"],
            "batch 256 of 9 training",
        ),
        (
            ["--space", "mlp", "--dataset", "folder", "--score-batch", "1000000000"],
            "'1000000000' is too large; the most is 4096",
        ),
        (["--space", "mlp", "--dataset", "seg20", "--device", "cpu", "--parallel"], "as --parallel 2"),
        (["--arch", "mlp:mlp_8", "--dataset", "folder"], "1 networks: expected at least 3"),
        (["--space", "mlp", "--dataset", "seg20", "--plan", "--out", "x"], "--plan keeps nothing"),
        (
            ["--space", "mlp", "--dataset", "seg20", "--named-seeds", "0,1"],
            "--named-seeds sets networks named by --arch apart",
        ),
    ],
)
def test_nonsense_gets_one_line(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert said in refused(main, arguments, capsys) and not list(tmp_path.iterdir())


NEEDED_TO_REPORT = ("optuna", "fvcore", "rich", "scipy", "matplotlib", "onnxruntime")


def without_reports(images: Path) -> list[str]:
    asked = ["--space", "mlp", "--fix", "width=8", "--count", "3", "--scores", "nn_mass", "--out", "study"]
    return [*asked, "--dataset", "folder", "--data", str(images), "--set", "epochs=1", "batch=12", "lr=0.05"]


def test_it_trains_where_reports_cannot_be_made(
    begin: Begin, command: Command, images: Path, tmp_path: Path
) -> None:
    bare = begin(tmp_path, "nas.study", *without_reports(images), without=NEEDED_TO_REPORT).ended()
    assert bare.returncode == 0, bare.stderr
    assert "all are trained; the report needs" in bare.stdout and "nas report study" in bare.stdout
    refused = begin(tmp_path, "nas", "report", "study", without=NEEDED_TO_REPORT).ended()
    assert refused.returncode == 2 and "error: the report needs " in refused.stderr
    done = command("nas", "report", "study")
    assert done.returncode == 0 and "3 networks" in done.stdout, done.stderr


@pytest.mark.slow
def test_a_new_interpreter_trains_where_reports_cannot_be_made(images: Path, tmp_path: Path) -> None:
    code = f"import runpy, sys; sys.modules.update(dict.fromkeys({NEEDED_TO_REPORT!r})); "
    code += "runpy.run_module('nas.study', run_name='__main__', alter_sys=True)"
    bare = subprocess.run(
        [sys.executable, "-c", code, *without_reports(images)],
        cwd=tmp_path, env=environment(), capture_output=True, text=True,
    )  # fmt: skip
    assert bare.returncode == 0, bare.stderr
    assert "all are trained; the report needs" in bare.stdout and "nas report study" in bare.stdout
