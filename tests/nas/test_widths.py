"""Rows of each base width: the best there are, and no more than asked for."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nas import search
from nas.problem import Problem
from nas.question import Question
from nas.search.widths import best_of_each_width
from nas.study.bases import base_of
from search_spaces import RequestError
from tests.conftest import Command


@pytest.mark.parametrize(
    ("question", "widths"),
    [
        (Question("mobilenet", {"flops": "400M"}), 22),
        (Question("mobilenet", {"flops": "120M", "params": "2M"}), 22),
        (Question("mlp", {"params": "60K"}), None),
        (Question("resnet", {"flops": "2G"}), None),
    ],
)
def test_none_of_its_width_is_better(question: Question, widths: int | None) -> None:
    problem = Problem.of(question)
    found, proven = best_of_each_width(question, problem, 1, 1000)
    counts = [len(options) for options in problem.space.choices.values()]
    everyone = np.indices(counts).reshape(len(counts), -1).T
    figures = problem.tables.score(everyone)
    inside = problem.goal.meets(figures)
    places = [list(problem.space.choices).index(name) for name in problem.space.base]
    bases = list(map(tuple, everyone[inside][:, places].tolist()))
    best = pd.Series(figures["nn_mass"][inside]).groupby(pd.Series(bases)).max()
    masses = problem.tables.score(found)["nn_mass"]
    assert proven and problem.goal.meets(problem.tables.score(found)).all()
    assert dict(zip(map(tuple, found[:, places].tolist()), masses, strict=True)) == best.to_dict()
    assert widths is None or len(found) <= widths
    assert len(best_of_each_width(question, problem, 1, 3)[0]) == 0
    fewer, all_of_them = best_of_each_width(
        question, problem, 10**30, 2 * len(problem.space.choices[problem.space.base[0]])
    )
    assert not all_of_them and problem.goal.meets(problem.tables.score(fewer)).all()


@pytest.mark.parametrize("count", [1, 3, 6])
def test_a_search_keeps_so_many_of_each_width(count: int) -> None:
    table = search("mobilenet", flops="400M", per_width=count, trials=200, top=0)
    plain = search("mobilenet", flops="400M", per_width=10_000, trials=200, top=0)
    widths = table["arch"].map(base_of)
    assert widths.value_counts().max() <= count and widths.nunique() == 22
    proven = ": proven to be" in table.attrs["widths"]
    assert proven == (22 * count <= 100) and (not proven or len(table) == 22 * count)
    assert table["rank"].is_monotonic_increasing and table["rank"].iloc[0] == 1
    assert len(plain) > len(table) and plain["rank"].tolist() == list(range(1, len(plain) + 1))


def test_training_and_resuming_see_the_same_rows(command: Command, tmp_path: Path) -> None:
    asked = ("--space", "mlp", "--params", "60K", "--per-width", "1", "--trials", "100", "--out", "run")
    done = command("nas.search", *asked)
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "at most 1 of each base width (width), with their ranks among all: proven" in " ".join(
        done.stdout.split()
    )
    kept = pd.read_csv(tmp_path / "run" / "candidates.csv")
    assert kept["arch"].map(base_of).is_unique and np.all(np.diff(kept["rank"]) > 0)
    again = command("nas.search", "--resume", "run", "--trials", "150", "--format", "csv")
    assert again.returncode == 0, again.stderr
    assert pd.read_csv(tmp_path / "run" / "candidates.csv")["arch"].tolist() == kept["arch"].tolist()


def test_a_front_is_not_thinned_out() -> None:
    with pytest.raises(RequestError, match="thin out the front"):
        search("mlp", pareto="params", per_width=1)
    with pytest.raises(RequestError, match="per_width is 0"):
        search("mlp", per_width=0)
