"""What a search says about how near it came."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nas import search
from nas.budget import COSTS
from nas.goal import Goal
from nas.problem import Problem
from nas.question import Question
from nas.search.proof import Proof, warm_start
from nas.search.request import Request
from nas.search.run import Run
from search_spaces import RequestError
from tests.conftest import Command

CASES = {
    "a maximum": (
        Question("mobilenet", {"flops": "400M"}),
        {"nn_mass": [2670.5]},
        "best found 2670.5 = 95.0% of the proven maximum 2811.0 (3.7e5 architectures meet the budget)",
    ),
    "a minimum": (
        Question("mobilenet", like="nn_mass_b", minimize="params"),
        {"params": [3_524_328]},
        "best found 3,524,328 params = 100.1% of the proven minimum 3,523,976 params",
    ),
    "no budget": (
        Question("mlp"),
        {"nn_mass": [100.0]},
        "(1.5e4 architectures in the space)",
    ),
}


@pytest.mark.parametrize(("question", "found", "said"), CASES.values(), ids=CASES)
def test_the_sentence(question: Question, found: dict[str, list[float]], said: str) -> None:
    problem = Problem.of(question)
    proof = Proof.of(problem)
    assert proof is not None and proof.gap == 0
    assert said in proof.sentence(problem.goal, pd.DataFrame(found))


def test_a_front_counts_its_members() -> None:
    problem = Problem.of(Question("resnet", pareto="params"))
    proof = Proof.of(problem)
    assert proof is not None and proof.members is not None
    assert proof.best == max(mass for mass, _ in proof.members)
    found = pd.DataFrame(proof.members[:5], columns=["nn_mass", "params"])
    said = proof.sentence(problem.goal, pd.concat([found, found + 0.5]))
    assert said == "found 5 of the 382 points of the proven front (6.5e4 architectures in the space)"


def test_what_is_not_proven_is_not_called_proven() -> None:
    proof = Proof(best=100.0, gap=0.0004, meeting=5, rounding=0.0, networks=np.zeros((1, 15), int))
    goal, found = Goal((("nn_mass", "maximize"),)), pd.DataFrame({"nn_mass": [99.0]})
    assert "99.0% of the maximum 100.0, proven to 0.04% (5 arch" in proof.sentence(goal, found)
    unknown = replace(proof, best=None)
    assert "how much better others are is not proven" in unknown.sentence(goal, found)


def test_a_goal_that_is_no_sum_over_stages_has_no_proof() -> None:
    problem = replace(Problem.of(Question("mlp")), goal=Goal((("latency", "minimize"),)))
    assert Proof.of(problem) is None


def test_the_command_says_it_and_keeps_it(command: Command, tmp_path: Path) -> None:
    done = command(
        "nas.search", "--space", "mlp", "--params", "20K", "--trials", "300", "--top", "1", "--out", "run"
    )
    assert done.returncode == 0, done.stderr
    text = " ".join(done.stdout.split())
    kept = json.loads((tmp_path / "run" / "run.json").read_text())["proof"]
    assert kept["sentence"] in text and "of the proven maximum" in text
    assert kept["gap"] == 0 and kept["meeting"] > 1000
    assert json.loads((tmp_path / "run" / "run.json").read_text())["seconds"]["proof"] > 0


def test_the_first_of_a_warm_start_is_the_optimum() -> None:
    found = search("mobilenet", flops="400M", trials=1, top=0)
    assert "best found 2811.0 = 100.0% of" in found.attrs["proof"]
    flat = search("mlp", fix={"links": 0}, trials=4, top=0)
    assert "best found 0.0 = 100.0% of the proven maximum 0.0" in flat.attrs["proof"]


@pytest.mark.parametrize("cost", COSTS)
def test_a_warm_start_finds_the_optimum_at_once(cost: str) -> None:
    found = search("mobilenet", params="3.7M", warm_start=True, trials=100, top=0)
    assert "= 100.0% of the proven maximum 2203.0" in found.attrs["proof"]
    like = search("mobilenet", like="nn_mass_a", minimize=cost, warm_start=True, trials=100, top=0)
    assert "= 100.0% of the proven minimum" in like.attrs["proof"]


def test_a_warm_start_is_kept_short() -> None:
    problem = Problem.of(Question("densenet", {"flops": "600M"}))
    proof = Proof.of(problem)
    assert proof is not None and len(warm_start(problem, proof, 50)) == 50


def test_a_resumed_run_keeps_its_warm_start(tmp_path: Path) -> None:
    from nas.search.run_folder import RunFolder

    request = Request("mlp", {"params": "20K"}, trials=250, warm_start=True)
    stopped = Run(request, Problem.of(request), RunFolder.create(request, tmp_path / "run"))
    stopped.explore(stop=lambda: stopped.trials >= 40)
    stopped.stop()
    resumed = Run(request, Problem.of(request), RunFolder.open(tmp_path / "run"))
    resumed.explore()
    unbroken = Run(request, Problem.of(request))
    unbroken.explore()
    assert resumed.found.equals(unbroken.found)
    assert RunFolder.open(tmp_path / "run").request.warm_start


def test_where_no_trial_met_the_budget_the_way_out_is_named() -> None:
    said = (
        r"none of 5 trials .* though 1 of 594,000 have; try a wider band or more --trials, with --warm-start"
    )
    with pytest.raises(RequestError, match=said):
        search("mobilenet", flops="38_694_048", trials=5, sampler="random", warm_start=False)
    assert len(search("mobilenet", flops="38_694_048", trials=5, sampler="random", top=0)) == 1
