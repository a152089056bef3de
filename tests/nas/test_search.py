"""Tables of a search: proven rows, true ranks, the exact front, the best of each width."""

from __future__ import annotations

import functools
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import search_spaces
from nas import exact, search
from nas.exact import pareto
from nas.exact.problem import Problem
from nas.goal import Goal
from nas.optimize.listing import Listing
from nas.optimize.proof import ROWS, Count, Proof
from nas.optimize.request import Request
from nas.query import Query
from nas.ranking import figures_of, ranked
from nas.study.stats import base_of
from nas.tables import enumerate_all
from search_spaces import RequestError
from tests.conftest import Command

CASES: dict[str, dict[str, Any]] = {
    "largest": {"space": "mobilenet", "flops": "400M"},
    "all widths": {"space": "mobilenet", "flops": "400M", "across_widths": True},
    "band": {"space": "mobilenet", "flops": "380M:400M", "params": "3M:4M"},
    "like": {"space": "mobilenet", "like": "nn_mass_b", "minimize": "params"},
    "across": {"space": "mobilenet", "like": "mobilenet_v2", "across_widths": True, "macs": "300M"},
    "few": {"space": "mobilenet", "flops": "53_226_272"},
    "no budget": {"space": "resnet"},
    "another figure": {"space": "mlp", "score": "params", "flops": "60K"},
    "without effect": {"space": "mlp", "params": "20K"},
}


@functools.cache
def whole(name: str) -> pd.DataFrame:
    """The ranking of all networks inside the bounds of a case."""
    arguments = dict(CASES[name])
    request = request_of(arguments)
    problem = Problem.of(request)
    rows = enumerate_all(problem.space)
    figures = problem.tables.score(rows)
    inside = rows[problem.goal.meets(figures)]
    canonical = problem.tables.canonical(inside)
    networks = pd.DataFrame(canonical).drop_duplicates().to_numpy()
    scored = pd.DataFrame(problem.tables.score(networks)).reset_index()
    keys, ascends = zip(*(aim for aim in problem.goal.order if aim[0] != "arch"), strict=True)
    first = scored.sort_values(list(keys), ascending=list(ascends)).head(400)
    # Ties are ranked by spec, so the last of the 400 rows may be wrong.
    table = figures_of(problem.space, problem.tables, problem.goal, networks[first["index"]])
    return ranked(table, problem.goal)


def request_of(arguments: dict[str, Any]) -> Request:
    arguments = dict(arguments)
    budgets = {cost: arguments.pop(cost) for cost in ("flops", "macs", "params") if cost in arguments}
    return Request(budgets=budgets, **arguments)


@pytest.mark.parametrize("name", CASES)
def test_proven_rows_are_the_first_of_all_networks(name: str) -> None:
    found = search(**CASES[name], trials=60, sampler="random", top=0)
    expected = whole(name).head(ROWS)
    columns = ["rank", "arch", "nn_mass", "flops", "macs", "params"]
    proven = found.head(len(expected))
    assert proven[columns].to_dict("records") == expected[columns].to_dict("records")
    assert (proven["found"] == "proof").all()
    assert found["found"].iloc[len(expected) :].str.fullmatch(r"trial \d+").all()


def test_explored_networks_have_their_true_rank() -> None:
    found = search("mobilenet", flops="400M", across_widths=True, trials=100, sampler="random", top=0)
    assert found["rank"].is_monotonic_increasing and found["rank"].is_unique
    problem = Problem.of(Query("mobilenet", {"flops": "400M"}))
    listing = Listing.of(problem)
    assert listing is not None and len(listing) == 106_954 and len(found) > ROWS
    there = problem.tables.score(listing.networks[found["rank"].to_numpy(int) - 1])
    assert there["nn_mass"].tolist() == found["nn_mass"].tolist()
    wide = search("mobilenet-wide", flops="400M", trials=20, sampler="random", top=0)
    assert wide["rank"].tolist()[:ROWS] == list(range(1, ROWS + 1))
    assert wide["rank"].iloc[ROWS:].isna().all() and wide["nn_mass"].is_monotonic_decreasing


def test_references_have_their_true_ranks(tmp_path: Path) -> None:
    search("mobilenet", flops="400M", trials=10, sampler="random", top=0, out=tmp_path / "run")
    compared = pd.read_csv(tmp_path / "run" / "references.csv").set_index("name")
    problem = Problem.of(Request("mobilenet", {"flops": "400M"}))
    figures = problem.tables.score(enumerate_all(problem.space))
    inside = figures["flops"] <= 400e6
    for name in ("mobilenet_v2", "nn_mass_a", "nn_mass_b"):
        mass = compared.loc[name, "nn_mass"]
        better = (inside & (figures["nn_mass"] > mass)).sum()
        equal = (inside & (figures["nn_mass"] == mass)).sum()
        assert better < compared.loc[name, "rank"] <= better + equal


@pytest.mark.parametrize(
    ("space", "budget", "cost"),
    [
        ("resnet", {}, "flops"),
        ("mlp", {"params": "60K"}, "flops"),
        ("mlp", {"params": "60K"}, "params"),
        ("densenet", {"flops": "20M"}, "params"),
        pytest.param("resnet", {}, "params", marks=pytest.mark.slow),
        pytest.param("densenet", {"flops": "20M"}, "flops", marks=pytest.mark.slow),
    ],
)
def test_front_marks_the_exact_front(space: str, budget: dict[str, str], cost: str) -> None:
    found = search(space, **budget, pareto=cost, across_widths=True, trials=200, sampler="random", top=0)  # type: ignore[arg-type]
    front = exact.front(space, cost, **budget)  # type: ignore[arg-type]
    marked = found[found["front"]]
    points = [list(zip(table["nn_mass"], table[cost], strict=True)) for table in (marked, front)]
    assert points[0] == points[1]
    assert marked["rank"].tolist() == list(range(1, len(front) + 1))
    assert found[~found["front"]]["rank"].isna().all()


@functools.cache
def ranked_with_width(space: str, **budget: str) -> pd.DataFrame:
    """All networks inside a budget, best first, with their base width."""
    problem = Problem.of(Query(space, budget))
    listing = Listing.of(problem)
    assert listing is not None
    table = figures_of(problem.space, problem.tables, problem.goal, listing.networks)
    everything = ranked(table, problem.goal)
    return everything.assign(width=everything["arch"].map(base_of))


@pytest.mark.parametrize(
    ("space", "budget"),
    [
        ("mobilenet", {"flops": "60M", "params": "2M"}),
        ("mlp", {"params": "60K"}),
        ("resnet", {"flops": "2G"}),
    ],
)
@pytest.mark.parametrize("count", [1, 3])
def test_the_best_of_each_width(space: str, budget: dict[str, str], count: int) -> None:
    found = search(space, **budget, per_width=count, trials=50, sampler="random", top=0)  # type: ignore[arg-type]
    expected = ranked_with_width(space, **budget).groupby("width").head(count)
    assert found["arch"].tolist() == expected["arch"].tolist()
    assert found["rank"].tolist() == expected["rank"].tolist()


def test_the_best_of_each_width_without_a_listing() -> None:
    found = search("densenet", flops="10M", per_width=2, trials=5, sampler="random", top=0)
    assert Counter(found["arch"].map(base_of)).most_common(1)[0][1] == 2
    for _, rows in found.groupby(found["arch"].map(base_of)):
        choices = search_spaces.parse(rows["arch"].iloc[0]).choices()
        fixed = {name: choices[name] for name in search_spaces.get("densenet").base}
        best = exact.best("densenet", 2, flops="10M", fix=fixed)
        assert rows["arch"].tolist() == best["arch"].tolist()
    wide = search("mobilenet-wide", flops="400M", per_width=1, trials=5, sampler="random", top=0)
    best = exact.best("mobilenet-wide", 100, flops="400M")
    first = best.drop_duplicates(subset="arch").groupby(best["arch"].map(base_of)).head(1)
    head = wide.head(len(first))
    assert head["arch"].tolist() == first["arch"].tolist() and head["rank"].tolist() == first["rank"].tolist()


def test_a_front_takes_no_per_width() -> None:
    with pytest.raises(RequestError, match="thin out the front"):
        search("mlp", pareto="params", per_width=1)
    with pytest.raises(RequestError, match="per_width is 0"):
        search("mlp", per_width=0)


def test_the_sentence_does_not_claim_what_is_not_proven() -> None:
    request = Request("mlp", {"params": "20K"})
    proof = Proof.of(request, Problem.of(request))
    assert proof is not None and proof.sentence(10, Count(731)).startswith(
        "Proven: rows 1 to 10 are the first 10 by NN-Mass of the 731"
    )
    open_ = replace(proof, gap=0.0004)
    assert "Not proven" in open_.sentence(10, Count(731)) and "0.04%" in open_.sentence(10, Count(731))
    assert open_.as_json(10, Count(731))["rows"] == 0
    found = open_.with_explored(proof.table.drop(columns="rank").assign(found="trial 1"))
    assert found["rank"].tolist() == list(range(1, len(found) + 1))


def test_a_score_that_is_not_a_sum_over_stages_has_no_proof() -> None:
    request = Request("mlp")
    problem = replace(Problem.of(request), goal=Goal((("latency", "minimize"),)))
    assert Proof.of(request, problem) is None
    table = search("mlp", params="20K", score="depth", trials=20, top=0)
    assert "Nothing is proven" in table.attrs["proof"] and table["found"].str.startswith("trial ").all()
    assert table["rank"].tolist() == list(range(1, len(table) + 1))


def test_a_front_is_shown_from_end_to_end(command: Command, tmp_path: Path) -> None:
    done = command("nas.search", "--space", "mlp", "--pareto", "params", "--trials", "20", "--top", "5",
                   "--format", "json", "--out", "run")  # fmt: skip
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    front = exact.front("mlp", "params")
    shown = [row["nn_mass"] for row in printed["rows"]]
    assert len(shown) == 5 and shown[0] == front["nn_mass"].max() and shown[-1] == front["nn_mass"].min()
    assert (
        printed["proof"]["proven"]
        and f"5 of the {len(front)} points of the exact front" in printed["proof"]["sentence"]
    )
    assert {row["name"] for row in printed["references"]} >= {"mlp_8", "mlp_16"}
    kept = json.loads((tmp_path / "run" / "run.json").read_text())
    assert kept["proof"] == printed["proof"] and printed["folder"] == "run"


def test_a_resumed_search_has_the_same_rows(command: Command, tmp_path: Path) -> None:
    arguments = ("--space", "mlp", "--params", "60K", "--per-width", "1", "--trials", "40", "--out", "run")
    done = command("nas.search", *arguments)
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "Proven: the first by NN-Mass of each base width, of the" in " ".join(done.stdout.split())
    kept = pd.read_csv(tmp_path / "run" / "candidates.csv")
    again = command("nas.search", "--resume", "run", "--trials", "60", "--format", "csv")
    assert again.returncode == 0, again.stderr
    assert pd.read_csv(tmp_path / "run" / "candidates.csv")["arch"].tolist() == kept["arch"].tolist()
    assert json.loads((tmp_path / "run" / "run.json").read_text())["trials_done"] == 60


def test_the_error_without_a_candidate_names_the_way_out() -> None:
    with pytest.raises(RequestError, match=r"none of 5 trials .* though 1 networks have; try a wider band"):
        search("mobilenet", flops="53_226_272", score="depth", trials=5, sampler="random", warm_start=False)
    assert len(search("mobilenet", flops="53_226_272", trials=5, sampler="random", top=0)) == 1


def test_a_proof_of_fewer_rows_than_shown_claims_no_more() -> None:
    request = Request("mlp", {"params": "20K"})
    whole = Proof.of(request, Problem.of(request))
    assert whole is not None and whole.settles(ROWS) and not whole.settles(ROWS + 1)
    few = replace(whole, table=whole.table.head(3), ranking=whole.ranking.head(3), listing=None)
    assert few.settles(3) and not few.settles(4)
    assert few.sentence(10, Count(731)).startswith("Proven: rows 1 to 3 are the first 3")
    found = few.with_explored(whole.table.drop(columns="rank").assign(found="trial 1"))
    assert found["rank"].tolist()[:3] == [1, 2, 3] and found["rank"][3:].isna().all()


def test_a_front_that_is_not_proven_has_each_column_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pareto, "_ROOMS", (1,))
    monkeypatch.setattr(pareto, "_FINEST", 1)
    table = search("mlp", fix={"width": 16}, pareto="params", trials=20, top=1)
    assert table.attrs["proof"].startswith("Not proven")
    assert table.columns.is_unique and table["rank"].tolist() == list(range(1, len(table) + 1))
    assert table["recounted"].sum() == 1
