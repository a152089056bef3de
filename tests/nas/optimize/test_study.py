"""A study gives the same trials again: with the same seed, and however often it stops."""

import json
from pathlib import Path
from typing import get_args

import numpy as np
import optuna
import pytest

import search_spaces
from nas.bounds import Bound
from nas.goal import Goal, front, maximum_mass
from nas.optimize.request import Sampler
from nas.optimize.study import BLOCK, MAKERS, Journal, Study
from nas.tables import StageTables
from search_spaces import RequestError

SPACE = search_spaces.get("mobilenet")
TABLES = StageTables.of(SPACE)
GOALS = {"mass": maximum_mass((Bound("flops", 200e6, 400e6),)), "front": front("params", ())}


def study(
    sampler: str = "nsga2", goal: Goal = GOALS["mass"], seed: int = 0, journal: Journal | None = None
) -> Study:
    return Study(SPACE, TABLES, goal, sampler, seed, journal or Journal())


@pytest.mark.parametrize(
    ("sampler", "goal", "stop"),
    [
        ("nsga2", "mass", BLOCK + 57),
        ("nsga2", "front", BLOCK),
        ("random", "front", BLOCK + 57),
        *(
            pytest.param(sampler, goal, stop, marks=pytest.mark.slow)
            for sampler, goal, stop in (
                ("nsga2", "mass", BLOCK), ("nsga2", "front", BLOCK + 57), ("random", "front", BLOCK),
                ("tpe", "mass", BLOCK), ("tpe", "mass", BLOCK + 57),
                ("qmc", "mass", BLOCK), ("qmc", "front", BLOCK + 57),
            )
        ),
    ],
)  # fmt: skip
def test_a_stopped_study_goes_on_as_if_it_had_not(tmp_path: Path, sampler: str, goal: str, stop: int) -> None:
    trials = BLOCK + 100
    uninterrupted = study(sampler, GOALS[goal])
    uninterrupted.run(trials)

    journal = Journal()
    stopped = study(sampler, GOALS[goal], journal=journal)
    stopped.run(trials, stop=lambda: len(stopped.rows) >= stop)
    assert len(stopped.rows) == stop
    (tmp_path / "study.log").write_text(journal.text())

    resumed = study(sampler, GOALS[goal], journal=Journal.load(tmp_path / "study.log"))
    assert resumed.rows == stopped.rows
    resumed.run(trials)
    assert resumed.rows == uninterrupted.rows


def test_options_out_of_range_are_damage() -> None:
    journal = Journal()
    study(journal=journal).run(3)
    broken = json.loads(journal.text().splitlines()[-1])
    broken["params"]["depth_1"] = 99
    with pytest.raises(RequestError, match="study is damaged"):
        study(journal=Journal([*journal.logs, broken]))


def test_fewer_trials_are_the_start_of_more() -> None:
    short, long = study(), study()
    short.run(BLOCK + 10)
    long.run(2 * BLOCK)
    assert long.rows[: BLOCK + 10] == short.rows


def test_another_seed_gives_other_trials() -> None:
    one, other = study(seed=0), study(seed=1)
    one.run(20)
    other.run(20)
    assert one.rows != other.rows


def test_the_log_is_a_study_that_optuna_reads(tmp_path: Path) -> None:
    path = tmp_path / "study.log"
    journal = Journal()
    written = study(journal=journal)
    written.run(30)
    path.write_text(journal.text())
    backend = optuna.storages.journal.JournalFileBackend(str(path))
    read = optuna.load_study(study_name="search", storage=optuna.storages.JournalStorage(backend))
    assert [trial.state.name for trial in read.trials] == ["COMPLETE"] * 30
    figures = TABLES.score(written.population)
    assert [trial.value for trial in read.trials] == figures["nn_mass"].tolist()
    for trial, flops in zip(read.trials, figures["flops"], strict=True):
        feasible = 200e6 <= flops <= 400e6
        assert all(violation <= 0 for violation in trial.constraints.values()) == feasible
        assert len(trial.constraints) == 1


def test_each_sampler_that_may_be_named_proposes() -> None:
    assert set(MAKERS) == set(get_args(Sampler))
    for sampler in MAKERS:
        tried = study(sampler)
        tried.run(12)
        assert len(tried.rows) == 12


@pytest.mark.parametrize("line", [b"{", b"[]", b'{"op_code": 4}', b"\xff\xfe", b"null"])
def test_a_damaged_log_is_refused(tmp_path: Path, line: bytes) -> None:
    journal = Journal()
    study(journal=journal).run(3)
    path = tmp_path / "study.log"
    path.write_bytes(journal.text().encode() + line + b"\n")
    with pytest.raises(RequestError, match=r"study\.log is damaged at line"):
        Journal.load(path)


def test_a_log_of_another_space_is_refused(tmp_path: Path) -> None:
    journal = Journal()
    study(journal=journal).run(3)
    space = search_spaces.get("mlp")
    with pytest.raises(RequestError, match="study is damaged"):
        Study(space, StageTables.of(space), maximum_mass(()), "random", 0, journal)


def test_a_warm_start_comes_first_and_goes_on_the_same() -> None:
    first = np.random.default_rng(0).integers(0, [len(o) for o in SPACE.choices.values()], (30, 15))
    uninterrupted = study()
    uninterrupted.run(BLOCK + 50, first=first)
    assert uninterrupted.rows[:30] == list(map(tuple, first.tolist()))
    assert len(uninterrupted.rows) == BLOCK + 50

    journal = Journal()
    stopped = study(journal=journal)
    stopped.run(BLOCK + 50, stop=lambda: len(stopped.rows) >= 17, first=first)
    assert len(stopped.rows) == 17
    resumed = study(journal=journal)
    assert resumed.rows == stopped.rows
    resumed.run(BLOCK + 50, first=first)
    assert resumed.rows == uninterrupted.rows


def test_a_warm_start_of_more_than_the_trials_is_cut() -> None:
    first = np.zeros((30, 15), int)
    short = study()
    short.run(10, first=first)
    assert len(short.rows) == 10
