"""Scores that are sums of a term over stages: one value everywhere, and answers as by brute force."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import search_spaces
from nas import exact, proxies, score, search
from nas.bounds import COSTS, parse_budget
from nas.exact.cli import main
from nas.exact.problem import Problem
from nas.optimize.listing import Listing
from nas.optimize.request import Request
from nas.proxies import registry
from nas.proxies.registry import register_sum
from nas.sums import Cells, StageSum
from nas.tables import StageTables, enumerate_all
from nas.tabular.frame import scored
from search_spaces import MLP, MobileNet, RequestError, Space, Torchvision
from search_spaces.chain import ChainArchitecture
from search_spaces.cost import Figures
from tests.conftest import Command, examples, refused
from tests.nas.exact.test_exact import small_spaces

NAMES = ("root_params", "root_mass", "waves", "valleys")
COLUMNS = ["nn_mass", "flops", "macs", "params"]


@pytest.fixture(scope="module", autouse=True)
def waves() -> Iterator[None]:
    """Two scores without meaning, of which terms may be negative; less is better in `valleys`."""

    def term(stage: Figures) -> float:
        return 10 * math.sin(stage.params * 0.7 + stage.macs) - (stage.params % 5 == 0)

    register_sum("waves")(term)
    register_sum("valleys", more_is_better=False)(term)
    yield
    for name in ("waves", "valleys"):
        del registry._proxies[name]


def everything(space: Space, name: str) -> pd.DataFrame:
    """The different networks of a space, each scored from its own description, best first."""
    rows = np.unique(StageTables.of(space).canonical(enumerate_all(space)), axis=0)
    made = [space.of_options(row) for row in rows.tolist()]
    table = score(made, scores=[name])
    order = [name, "nn_mass", "flops", "params", "arch"]
    ascending = [not proxies.get(name).more_is_better, False, True, True, True]
    return table.sort_values(order, ascending=ascending, ignore_index=True)


@st.composite
def queries(draw: st.DrawFn) -> tuple[Space, str, pd.DataFrame, dict[str, str]]:
    """A small space, a score, its networks inside budgets, and the budgets."""
    space, name = draw(small_spaces(200)), draw(st.sampled_from(NAMES))
    every, budgets = everything(space, name), {}
    for cost in draw(st.lists(st.sampled_from(COSTS), unique=True, max_size=2)):
        low, high = sorted(int(every[cost].quantile(draw(st.floats(0, 1)), "nearest")) for _ in range(2))
        budgets[cost] = draw(st.sampled_from([f"{high}", f"{low}:{high}", f"{low}:"]))
        every = every[parse_budget(cost, budgets[cost]).meets(every[cost])]
    return space, name, every.reset_index(drop=True), budgets


def unbeaten(every: pd.DataFrame, name: str, cost: str) -> pd.DataFrame:
    """The first of the networks of each point of a front, the best score first."""
    sign = 1 if proxies.get(name).more_is_better else -1
    kept, least = [], math.inf
    for row in every.sort_values([name, cost], ascending=[sign < 0, True], kind="stable").to_dict("records"):
        if row[cost] < least:
            kept.append(row)
            least = row[cost]
    return pd.DataFrame(kept)


@examples(5, 80)
@given(queries(), st.integers(1, 20), st.sampled_from(COSTS))
def test_answers_equal_brute_force(
    query: tuple[Space, str, pd.DataFrame, dict[str, str]], k: int, cost: str
) -> None:
    space, name, every, budgets = query
    if every.empty:
        with pytest.raises(RequestError, match="no network"):
            exact.best(space, score=name, **budgets)  # type: ignore[arg-type]
        return
    columns = ["arch", name, *COLUMNS]
    found = exact.best(space, k, score=name, **budgets)  # type: ignore[arg-type]
    assert found.attrs["gap"] == 0
    assert found[columns].to_numpy().tolist() == every[columns].head(k).to_numpy().tolist()
    front = exact.front(space, cost, score=name, **budgets)  # type: ignore[arg-type]
    assert front.attrs["gap"] == 0
    assert front[columns].to_numpy().tolist() == unbeaten(every, name, cost)[columns].to_numpy().tolist()
    problem = Problem.of(Request(space.name, budgets, score=name, across_widths=True), space)
    listing = Listing.of(problem)
    assert listing is not None and len(listing) == len(every)
    ranks = [listing.rank(row, row["arch"]) for row in every.to_dict("records")]
    assert ranks == list(range(1, len(every) + 1))


def test_a_score_has_one_value_in_tables_frames_and_alone() -> None:
    space = search_spaces.get("mobilenet")
    sums = [found for name in NAMES if (found := proxies.get(name).stage_sum)]
    tables = StageTables.of(space, sums)
    rows = np.random.default_rng(0).integers(
        0, [len(options) for options in space.choices.values()], (50, 15)
    )
    made = [space.of_options(row) for row in rows.tolist()]
    chains = [one for one in made if isinstance(one, ChainArchitecture)]
    columns, frame = tables.score(rows), scored(chains)
    for name in NAMES:
        alone = [score(one, scores=[name])[name] for one in made]
        assert columns[name].tolist() == frame[name].tolist() == alone
    assert min(columns["waves"]) < 0 < max(columns["waves"])


@given(st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=20))
def test_a_sum_is_that_of_its_terms_within_their_rounding(terms: list[float]) -> None:
    one = StageSum("given", lambda stage: terms[stage.params])
    stages = [Figures(params=place) for place in range(len(terms))]
    units = [one.units(stage) for stage in stages]
    true = sum(map(Fraction, terms))
    assert abs(Fraction(one.value(sum(units))) - true) <= Fraction(len(terms), 2 * one.scale)
    column = one.of_cells(Cells(len(terms), Figures(params=np.arange(len(terms))), {}, frozenset(), True))
    assert column.tolist() == units


def test_terms_of_a_stage_do_not_depend_on_absent_operators() -> None:
    one = StageSum("given", lambda stage: len(stage.operators))
    assert one.units(Figures()) == one.units(Figures(operators={"conv": 0})) == 0
    cells = Cells(2, Figures(operators={"conv": np.array([0, 3])}), {}, frozenset(), True)
    assert one.of_cells(cells).tolist() == [0, one.scale]


def test_terms_that_are_no_numbers_or_too_large_are_errors() -> None:
    space = search_spaces.get("mlp")
    with pytest.raises(ValueError, match="the term of logs is -inf for Figures"):
        StageTables.of(space, [StageSum("logs", lambda stage: -math.inf)])
    with pytest.raises(ValueError, match="register it with a scale below 68719476736"):
        StageTables.of(space, [StageSum("many", lambda stage: -1e6 * stage.params)])
    with pytest.raises(ValueError, match="sums of several are too large"):
        StageTables.of(space, [StageSum("several", lambda stage: 2.0**16, 2**36)])
    few = StageSum("few", lambda stage: 1e6 * stage.params, scale=1)
    assert few.of(MLP()) == 1e6 * MLP().figures().params
    assert math.isnan(few.of(Torchvision("resnet18")))


def test_the_wide_space_is_proven() -> None:
    found = search("mobilenet-wide", flops="400M", score="root_params", trials=20, sampler="random", top=0)
    assert found.attrs["proof"].startswith(
        "Proven: rows 1 to 100 are the first 100 by Σ⁴√params of the 1.5e14"
    )
    assert (found["found"].head(100) == "proof").all() and found["root_params"].is_monotonic_decreasing
    best = exact.best("mobilenet-wide", 100, flops="400M", score="root_params")
    assert found["arch"].head(100).tolist() == best["arch"].tolist() and best.attrs["gap"] == 0


def test_explored_networks_and_references_have_true_ranks(tmp_path: Path) -> None:
    given: dict[str, Any] = {"fix": {"width": 8}, "score": "valleys", "trials": 300, "sampler": "random"}
    found = search("mlp", params="20K", **given, top=0, out=tmp_path / "run")
    every = everything(search_spaces.get("mlp").fix(width=8), "valleys")
    every = every[every["params"] <= 20_000].reset_index(drop=True)
    ranks = {arch: place + 1 for place, arch in enumerate(every["arch"])}
    assert len(found) > 100 and found["found"].iloc[-1].startswith("trial")
    assert [ranks[arch] for arch in found["arch"]] == found["rank"].tolist()
    compared = pd.read_csv(tmp_path / "run" / "references.csv").set_index("name")
    assert compared.loc["mlp_8", "rank"] == ranks[compared.loc["mlp_8", "arch"]]


@pytest.mark.parametrize("cost", ["flops", "params"])
def test_a_search_marks_the_exact_front(cost: str) -> None:
    found = search(
        "resnet", params="20M", score="root_params", pareto=cost, trials=100, sampler="random", top=0
    )
    front = exact.front("resnet", cost, params="20M", score="root_params")
    marked = found[found["front"]]
    assert marked["arch"].tolist() == front["arch"].tolist()
    assert marked["rank"].tolist() == list(range(1, len(front) + 1)) and len(front) > 10
    assert "points of the exact front" in found.attrs["proof"]


def test_the_best_of_each_width() -> None:
    found = search("mobilenet", flops="200M", score="root_params", per_width=1, trials=5, top=0)
    for arch in found["arch"]:
        width = search_spaces.parse(arch).choices()["width_mult"]
        best = exact.best("mobilenet", flops="200M", score="root_params", fix={"width_mult": width})
        assert best["arch"].tolist() == [arch]
    assert len(found) > 3 and "of each base width" in found.attrs["proof"]


def test_the_command(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    request = ("--space", "mobilenet", "--score", "root_mass", "--params", "3M", "--top", "2")
    done = command("nas.exact", *request, "--format", "json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    expected = exact.best("mobilenet", 2, params="3M", score="root_mass")
    assert [row["root_mass"] for row in rows] == expected["root_mass"].tolist()
    main(["--space", "mlp", "--score", "root_mass", "--pareto", "params", "--params", "20K"])
    assert "Proven: no other network lies above the front." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--score", "depth"], "--score depth is no sum over stages"),
        (["--score", "root_mas"], "did you mean root_mass?"),
        (["--score", "root_mass", "--count"], "leave out --count and --sample"),
        (["--score", "root_mass", "--like", "mlp_8"], "leave out --score"),
        (["--score", "params", "--pareto", "params"], "is no front"),
    ],
)
def test_wrong_requests_are_refused(
    arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert expected in refused(main, ["--space", "mlp", *arguments], capsys)


def test_a_network_that_is_no_chain_has_no_score() -> None:
    assert math.isnan(score(Torchvision("resnet18"), scores=["root_params"])["root_params"])
    assert score(MobileNet(), scores=["root_params"])["root_params"] > 0
