"""The worth of fitted scores: halves share no network, and a search finds a known best."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import search_spaces
from nas.bounds import Bound
from nas.tables import Population, StageTables
from search_spaces import MBConv
from tests.nas.tabular.files import accel_nasbench, mbconvs
from tests.results.scripts import FITTED, fitted

judge, choices, worth = map(fitted, ("judge", "choices", "worth"))
SPACE = search_spaces.get("mbconv")
CAP = (Bound("flops", most=300e6),)


def test_the_halves_have_all_networks_once(tmp_path: Path) -> None:
    top1, latency = judge.read(accel_nasbench(tmp_path / "files", mbconvs(41)))
    first, second = (set(judge.keys(half)) for half in (top1.first, top1.second))
    assert len(first) == 21 and len(second) == 20 and not first & second
    assert (first, second) == tuple(set(judge.keys(half)) for half in (latency.first, latency.second))
    assert latency.first.target.max() < 20 < top1.first.target.min()  # ms, %


def test_option_numbers_are_those_of_the_space() -> None:
    networks = mbconvs(20)
    numbers = judge.options(SPACE, pd.DataFrame([network.choices() for network in networks]))
    assert [SPACE.of_options(row) for row in numbers.tolist()] == networks


def test_trees_and_their_quality(tmp_path: Path) -> None:
    top1, _ = judge.read(accel_nasbench(tmp_path / "files", mbconvs(400)))
    trees = judge.Trees.of(top1.second, 300)
    numbers = judge.options(SPACE, top1.first.choices)
    found = judge.quality(trees(numbers), top1.first)
    assert found["r2"] > 0.5 and 0 < found["equal_flops"] <= found["rho"] + 0.2
    perfect = judge.quality(top1.first.target, top1.first)
    assert perfect["r2"] == perfect["rho"] == perfect["equal_flops"] == 1
    assert perfect["rmse"] == perfect["best_tenth"] == 0


def test_a_search_finds_the_proven_best() -> None:
    chooser = choices.Chooser.of(SPACE, [], ["root_params"])
    tables = StageTables.of(SPACE, chooser.sums)

    def value(population: Population) -> object:
        return tables.score(population)["root_params"]

    best, gap = chooser.best("root_params", CAP)
    chance = chooser.random(CAP, 50)
    inside = chooser.meets(CAP)
    assert gap == 0 and len(chance) == 50 and inside(chance).all()
    assert tables.score(chance)["flops"].min() >= choices.NEARLY * 300e6
    search = choices.Evolution(chooser.options, value, inside, size=100, generations=60)
    found = choices.judges_best(search, chance, chance[:10], range(2))
    assert found.shape == (1, 28) and inside(found).all()
    assert value(chance).max() < value(found) <= value(best)
    assert value(found) == pytest.approx(value(best), rel=0.005)
    assert (search.climbed(best) == best).all()


@pytest.mark.slow
def test_the_script_writes_tables_like_the_committed_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = accel_nasbench(tmp_path / "files.tar.gz", mbconvs(80))
    small = {"TREES": 10, "CAPS": (3e8,), "FEW_CAPS": (3e8,), "MILLISECONDS": (4.0,), "RERANKED": 20}
    small |= {"FEW": (24,), "DRAWS": 2, "GENERATIONS": 2, "SEARCHES": 1, "RANDOM": 20}
    small["DESIGNS"] = dict([*worth.DESIGNS.items()][:1])
    for name, one in small.items():
        monkeypatch.setattr(worth, name, one)
    monkeypatch.setattr(choices, "DRAWS", 4)
    monkeypatch.setattr(sys, "argv", ["worth.py", "--data", str(data), "--out", str(tmp_path / "out")])
    worth.main()
    printed = capsys.readouterr().out
    for name in ("halves", "choices", "few"):
        found, committed = (pd.read_csv(folder / f"{name}.csv") for folder in (tmp_path / "out", FITTED))
        assert list(found) == list(committed)
        assert f"{name}.csv:" in printed
    assert (tmp_path / "out" / "worth.png").read_bytes().startswith(b"\x89PNG")


def test_the_committed_tables_hold_no_trained_network() -> None:
    table = pd.read_csv(FITTED / "choices.csv")
    trained = table[table["rule"] == "best trained network"]
    assert len(trained) and trained[["arch", "flops", "params"]].isna().all(axis=None)
    gaps = table.set_index("rule")["gap"]
    assert (gaps["fitted score"] == 0).all()


def test_the_committed_choices_meet_their_caps() -> None:
    table = pd.read_csv(FITTED / "choices.csv").dropna(subset="arch").set_index("budget")
    for budget in worth.budgets(SPACE):
        rows = table.loc[budget.name]
        for bound in budget.bounds:
            column = bound.figure if bound.figure in rows else "ms_promised"
            assert bound.meets(rows[column]).all()
    assert all(isinstance(SPACE.parse(arch), MBConv) for arch in table["arch"])
    assert np.isfinite(table["judged"]).all()
