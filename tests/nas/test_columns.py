"""Every column that is kept or printed has a title, a label and a format."""

import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import nas
from nas import proxies
from nas.columns import PERCENT, SEARCH, Column, column, known, of_search
from nas.show import show
from nas.timing import BATCHES, Latency
from nas.train.job import ChanceLevel, Job, JobState
from nas.train.job import table as table_of
from nas.values import quantity
from search_spaces import MLP
from tests.conftest import REPOSITORY

TABLES = sorted((REPOSITORY / "results").rglob("*.csv"))
PRINTED = (
    *[
        "rank",
        "name",
        "arch",
        "nn_mass",
        "flops",
        "macs",
        "params",
        "flops_share",
        "found",
        "front",
        "recounted",
        "options",
    ],
    *["recounted", "options", "row", "seed", "epochs", "top1", "status", "top1_low", "top1_high", "outside"],
    *["cpu_ms", "cpu_ms_64", "cuda_ms", "onnx_ms_64", "onnx_ms_64_low"],
    *["score", "networks", "rho", "tau", "r2", "seconds", "rule", "regret", "beaten"],
    *["base", "least", "most", "slope", "above", "above_first", "above_median"],
)


def columns_of(path: Path) -> list[str]:
    return pd.read_csv(path, nrows=0).columns.tolist()


def test_committed_tables_are_found() -> None:
    assert len(TABLES) > 80


@pytest.mark.parametrize("name", sorted({name for path in TABLES for name in columns_of(path)} | {*PRINTED}))
def test_every_column_is_known(name: str) -> None:
    found = known(name)
    assert found is not None and found.title and found.label()


def described_in(page: str) -> dict[str, str]:
    """The content of each column, by name, as the tables of columns of a page give it."""
    text = (REPOSITORY / "docs" / page).read_text()
    described: dict[str, str] = {}
    for table in re.findall(r"^\| column \|.*\n\|-.*\n((?:\|.*\n)+)", text, re.MULTILINE):
        for names, content in re.findall(r"^\| (`.*?`) \| (.*) \|$", table, re.MULTILINE):
            described |= dict.fromkeys(re.findall(r"`(.+?)`", names), content)
    return described


def test_the_page_of_searches_gives_the_meaning_of_their_columns() -> None:
    """An error shows the missing rows."""
    described = described_in("search.md")
    assert all(one.meaning for one in SEARCH.values())
    meanings = [f"| `{name}` | {one.meaning} |" for name, one in SEARCH.items()]
    on_page = {f"| `{name}` | {content} |" for name, content in described.items()}
    assert [row for row in meanings if row not in on_page] == []


@pytest.mark.parametrize("goal", [{"pareto": "flops"}, {"score": "depth"}, {"like": "mlp_8"}], ids=str)
def test_every_column_of_a_search_is_on_its_page(goal: dict[str, str], tmp_path: Path) -> None:
    bounds = {"flops": "20K", "macs": "20K", "params": "20K", "at_most": {"peak-memory": "6KB"}}
    nas.search("mlp", trials=20, top=1, out=tmp_path / "run", **goal, **bounds)  # type: ignore[arg-type]
    tables = sorted((tmp_path / "run").glob("*.csv"))
    names = {name for path in tables for name in columns_of(path)} - {goal.get("score")}
    assert len(tables) == 2 and {"name", "macs_share", "peak_memory_share"} < names
    assert sorted(names - {*described_in("search.md")}) == [], "each needs a line in SEARCH of nas/columns.py"


def test_every_column_of_trainings_is_on_their_page() -> None:
    setting = {"dataset": "seg20", "recipe": "mlp", "device": "cpu", "threads": 1}
    names = table_of({Job(1, MLP(), 0): JobState()}, setting, ChanceLevel(2, 50.0, 100)).columns
    assert [name for name in names if name not in described_in("training.md")] == []


def test_every_column_of_latencies_is_on_the_page_of_searches() -> None:
    described = described_in("search.md")
    endings = tuple(name.removeprefix("...") for name in described if name.startswith("..."))
    for engine, device in (("torch", "cpu"), ("torch", "cuda"), ("onnxruntime", "cpu")):
        for batch in BATCHES:
            names = Latency(engine, device, 1, batch, 20.0, 19.0, 22.0, 50).columns()  # type: ignore[arg-type]
            assert [name for name in names if name not in described and not name.endswith(endings)] == []


@pytest.mark.parametrize("name", proxies.names())
def test_scores_are_described_by_their_registration(name: str) -> None:
    proxy, found = proxies.get(name), column(name)
    assert (found.title, found.label()) == (proxy.title, proxy.axis)
    assert not of_search(name)
    assert column(f"{name}_seconds").title == f"{proxy.title} s"


@pytest.mark.parametrize(
    ("name", "title", "label"),
    [
        ("nn_mass", "NN-Mass", "NN-Mass"),
        ("params", "params", "parameters"),
        ("flops_share", "% FLOPs", "fraction of FLOPs budget"),
        ("top1", "top-1", "top-1 accuracy, %"),
        ("top1_std", "std top-1", "standard deviation of top-1 accuracy, %"),
        ("best_top1_mean", "mean best top-1", "mean best top-1 accuracy, %"),
        ("cpu_ms_64", "cpu\nms_64", "cpu ms 64"),
        ("zen", "zen", "Zen-score"),
        ("of_nobody", "of_nobody", "of_nobody"),
    ],
)
def test_titles_and_labels(name: str, title: str, label: str) -> None:
    assert (column(name).title, column(name).label()) == (title, label)


def test_ends_of_an_interval_are_written_as_what_they_are_of() -> None:
    assert column("top1_low").format is PERCENT and column("params_large").format is quantity


def test_values_are_written_by_the_format_of_their_column(capsys: pytest.CaptureFixture[str]) -> None:
    assert [column("flops").written(value) for value in (314_193_216, math.nan)] == ["314.2M", "-"]
    assert column("nn_mass").written(1287.0) == "1287.0" and column("rank").written(np.int64(3)) == "3"
    assert Column("x").written(0.123456) == "0.12346" and Column("x").written("text") == "text"
    show(
        pd.DataFrame({"arch": ["mlp:w8"], "flops": [399_600_000], "flops_share": [0.999], "top1": [21.789]}),
        family="mlp",
    )
    heading, _, row = capsys.readouterr().out.splitlines()
    assert heading.split() == ["arch", "FLOPs", "%", "FLOPs", "top-1"]
    assert row.split() == ["w8", "399.6M", "99%", "21.79%"]
