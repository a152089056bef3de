"""Estimates of what further blocks add: known effects are found, and the script writes what it estimates."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nas.study.stats import Values
from nas.tabular.correlation import Resamples
from nas.tabular.frame import scored
from search_spaces import MBConv
from tests.conftest import REPOSITORY
from tests.nas.tabular.files import accel_nasbench, mbconvs

FOLDER = REPOSITORY / "results" / "tabular"
SCRIPT = importlib.util.spec_from_file_location("skips", FOLDER / "skips.py")
assert SCRIPT and SCRIPT.loader
skips = importlib.util.module_from_spec(SCRIPT)
SCRIPT.loader.exec_module(skips)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    found: pd.DataFrame = skips.networks(
        accel_nasbench(tmp_path_factory.mktemp("data") / "files", mbconvs(200))
    )
    return found


def of_choices(table: pd.DataFrame, points: dict[str, float]) -> Values:
    return sum(
        (weight * table[name].to_numpy(float) for name, weight in points.items()), np.zeros(len(table))
    )


def test_a_block_has_the_flops_that_it_adds(table: pd.DataFrame) -> None:
    networks = mbconvs(200)[:5]
    for place, network in enumerate(networks):
        for stage in skips.STAGES:
            depths = [depth + (number == stage) for number, depth in enumerate(network.depths, 1)]
            larger = MBConv(network.expansions, network.kernels, tuple(depths), network.se)
            added = larger.figures().flops - network.figures().flops
            assert table.loc[place, f"block_flops_{stage}"] == added


def test_known_effects_are_found(table: pd.DataFrame) -> None:
    effects = {f"expansion_{stage}": 0.5 * stage for stage in skips.STAGES} | {"se_3": 1.0, "kernel_2": -0.2}
    first = {stage: 0.1 * stage for stage in skips.STAGES}
    top1 = of_choices(table, effects)
    for stage, points in first.items():
        depth = table[f"depth_{stage}"]
        top1 += points * (depth >= 2) + points / 2 * (depth >= 3) + points / 4 * (depth >= 4)
    found = skips.gains(table.assign(top1=top1), Resamples.of(len(table), 4)).set_index(["stage", "block"])
    assert found["flops"].isna().sum() == 0 and len(found) == 7 * 2 + 1 + 2
    for stage, points in first.items():
        for block in (2, 3, 4) if stage == 6 else (2, 3):
            row = found.loc[(str(stage), block)]
            added = points / 2 ** (block - 2)
            assert row[["points", "points_low", "points_high"]].to_numpy() == pytest.approx(added)
            assert row["per_10m"] == pytest.approx(1e7 * added / table[f"block_flops_{stage}"].mean())
    pooled = found.loc[(skips.POOLED, 2)]
    assert pooled["points"] == pytest.approx(0.4)  # the mean of 0.2 to 0.6
    assert pooled["ratio"] == pytest.approx(2) and found.loc[(skips.POOLED, 3), "ratio"] == 1


def test_effects_that_are_not_determined_are_unknown(table: pd.DataFrame) -> None:
    few = table.iloc[:30]  # fewer networks than coefficients
    assert skips.gains(few, Resamples.of(30, 3))["points"].isna().all()


def test_percentiles_by_the_stages_without_a_skip() -> None:
    depths = [(1, *[1] * without, *[2] * (5 - without), 1) for without in range(6) for _ in range(3)]
    table = pd.DataFrame({f"depth_{stage}": [each[stage - 1] for each in depths] for stage in skips.STAGES})
    table = table.assign(
        flops=1.0, top1=[-sum(each) for each in depths], nn_mass=[sum(each) for each in depths]
    )
    found = skips.lacking(table, Resamples.of(len(table), 4)).set_index(["among", "lacking"])
    rows = found.loc[skips.ANY]
    assert rows["networks"].to_dict() == {
        **{str(number): 3 for number in range(6)},
        **{"1 to 5": 15, "stage 2": 15, "stage 3": 12, "stage 4": 9, "stage 5": 6, "stage 6": 3},
    }
    assert rows.loc["0", "percentile"] == pytest.approx(100 * 1 / 17)  # the other two are equal
    assert rows.loc["5", "percentile"] == pytest.approx(100 * 16 / 17)
    assert rows.loc["1 to 5", "percentile"] == pytest.approx(np.mean(100 * np.array([4, 7, 10, 13, 16]) / 17))
    assert found.loc[skips.MOST, "networks"].to_dict() == {"0": 3, "1": 3, "1 to 5": 3, "stage 2": 3}


def test_samples_are_those_with_large_expansions(table: pd.DataFrame) -> None:
    large = scored(mbconvs(1)).assign(
        **{f"{name}_{stage}": 6 for name in ("expansion", "se") for stage in skips.STAGES}
    )
    every = pd.concat([table, large, large.assign(**{f"se_{stage}": 0 for stage in range(1, 6)})])
    sizes = {name: len(sample) for name, sample in skips.samples(every)}
    assert sizes[skips.EVERYTHING] == 202
    expanded = (table.filter(regex=r"expansion_[2-7]").min(axis=1) >= 4).sum()
    assert sizes[skips.EXPANDED] == expanded + 2
    assert 1 <= sizes[skips.NEAREST] <= expanded + 1


def test_the_script_writes_tables_like_the_committed_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    near = [MBConv((1, *[6] * 6), each.kernels, each.depths, (False,) * 7) for each in mbconvs(40)]
    data = accel_nasbench(tmp_path / "files.tar.gz", [*near, *mbconvs(40, seed=1)])
    monkeypatch.setattr(sys, "argv", ["skips.py", "--data", str(data), "--out", str(tmp_path / "out")])
    monkeypatch.setattr(skips, "RESAMPLES", 5)
    skips.main()
    for name in ("skips", "lacking"):
        found, committed = (pd.read_csv(folder / f"{name}.csv") for folder in (tmp_path / "out", FOLDER))
        assert list(found) == list(committed)
        assert set(found["sample"]) == set(committed["sample"])
    assert (tmp_path / "out" / "skips.png").read_bytes().startswith(b"\x89PNG")
    assert "third blocks of stages 2 to 6 = 1" in capsys.readouterr().out


def test_the_committed_tables_hold_intervals() -> None:
    gained, ranked = (pd.read_csv(FOLDER / f"{name}.csv") for name in ("skips", "lacking"))
    for table, names in ((gained, ("points", "per_10m", "ratio")), (ranked, ("percentile",))):
        for name in names:
            assert table[name].between(table[f"{name}_low"], table[f"{name}_high"]).all()
