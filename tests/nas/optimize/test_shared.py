"""A study of many workers: no network is measured twice, and the table follows from the set of trials."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from threading import Lock, Thread

import numpy as np
import optuna
import pandas as pd
import pytest
from optuna.trial import FrozenTrial, TrialState

import search_spaces
from nas import search
from nas.exact.problem import Problem
from nas.optimize.cli import main
from nas.optimize.ledger import ARCH, CLAIM, SECONDS, Ledger
from nas.optimize.processes import new_token
from nas.optimize.request import Request
from nas.optimize.scores import Scores
from nas.optimize.storage import Address, Link
from nas.optimize.trials import Trials
from nas.optimize.worker import StudyCopy, Worker
from nas.proxies import Subject, registry
from nas.proxies.registry import register
from search_spaces import RequestError
from tests.conftest import refused

CAP = 12_000
WORDS = ["--space", "mlp", "--params", "12K", "--sampler", "random", "--trials", "3", "--top", "1"]


@pytest.fixture
def seen() -> Iterator[Counter[str]]:
    """How often each network was measured by `slope`."""
    counts: Counter[str] = Counter()
    lock = Lock()

    @register("slope", "network")
    def slope(subject: Subject) -> float:
        with lock:
            counts[str(subject.architecture)] += 1
        depth = int(subject.architecture.choices()["depth"])
        return math.nan if depth % 7 == 0 else float(depth % 5)

    yield counts
    del registry._proxies["slope"]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/study.db"


def request(**changes: object) -> Request:
    options = {"trials": 20, "score": "slope", "sampler": "random", **changes}
    return Request("mlp", {"params": str(CAP)}, {"width": 8}, **options)  # type: ignore[arg-type]


def common(wanted: Request) -> Trials:
    problem = Problem.of(wanted)
    return Trials(problem.space, problem.tables, problem.goal, Scores.of(wanted))


def link(url: str, wanted: Request, **timing: int) -> Link:
    return Link(Address.of(url), "search", common(wanted).directions, **timing)


def worker(link: Link, wanted: Request, index: int = 0) -> Worker:
    trials = common(wanted)
    return Worker(
        link, Ledger(link, trials), trials, wanted.sampler, wanted.seed, index, new_token(), lambda: False
    )


def completed(url: str, name: str = "search") -> list[FrozenTrial]:
    return optuna.load_study(study_name=name, storage=url).get_trials(states=(TrialState.COMPLETE,))


def test_workers_that_propose_the_same_networks_measure_each_once(url: str, seen: Counter[str]) -> None:
    wanted = request()
    link(url, wanted)
    failures: list[Exception] = []

    def work(index: int) -> None:
        try:
            worker(link(url, wanted), wanted).work(wanted.trials)  # all begin with the same seed
        except Exception as error:
            failures.append(error)

    threads = [Thread(target=work, args=(index,)) for index in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    trials = completed(url)
    assert len(trials) == wanted.trials
    assert set(seen.values()) == {1}
    assert {one.user_attrs[CLAIM].rpartition(":")[0] for one in trials} != {""}
    inside = [one for one in trials if all(amount <= 0 for amount in one.constraints.values())]
    assert {one.user_attrs[ARCH] for one in inside} == set(seen)
    assert Counter(one.user_attrs[ARCH] for one in inside if SECONDS in one.user_attrs) == seen
    values = {one.user_attrs[ARCH]: one.value for one in inside}
    assert all(one.value == values[one.user_attrs[ARCH]] for one in inside)


def test_the_table_is_that_of_the_set_of_trials(url: str, seen: Counter[str]) -> None:
    few = search("mlp", params=CAP, score="slope", trials=14, top=0, storage=url, study="search")
    assert set(few["found"]) == {"study"} and set(seen.values()) == {1}
    trials = completed(url)
    backwards = f"{url}.again"
    again = optuna.create_study(storage=backwards, study_name="search", direction="maximize")
    again.set_user_attr("asked", optuna.load_study(study_name="search", storage=url).user_attrs["asked"])
    for trial in reversed(trials):
        again.add_trial(trial)
    table = search("mlp", params=CAP, score="slope", trials=14, top=0, storage=backwards, study="search")
    pd.testing.assert_frame_equal(few, table)

    more = search("mlp", params=CAP, score="slope", trials=17, top=0, storage=url, study="search")
    assert len(completed(url)) == 17 and set(few["arch"]) <= set(more["arch"])
    references = map(str, search_spaces.get("mlp").references.values())  # each command measures these
    assert {seen[arch] for arch in set(seen) - set(references)} == {1}


def test_a_warm_start_is_queued_once(url: str, seen: Counter[str]) -> None:
    search("mlp", params=CAP, score="slope", trials=6, top=0, storage=url, study="search")
    search("mlp", params=CAP, score="slope", trials=8, top=0, storage=url, study="search")
    trials = optuna.load_study(study_name="search", storage=url).trials
    assert sum("fixed_params" in trial.system_attrs for trial in trials) == 3
    assert all(trial.state is TrialState.COMPLETE for trial in trials)


def test_a_lost_trial_is_run_again(url: str, seen: Counter[str]) -> None:
    wanted = request(trials=4)
    lost = link(url, wanted, heartbeat=1, grace=1)
    copy = StudyCopy(common(wanted))
    row = tuple(np.zeros(len(common(wanted).space.choices), int).tolist())
    waiting = copy.waiting(common(wanted).values(row))
    lost.create(waiting, "")
    (trial,) = lost.trials()
    assert lost.take(trial, {CLAIM: "dead:0"}) and not lost.take(trial, {CLAIM: "other:0"})
    lost.beat(trial)
    lost.run_again(trial)
    worker(link(url, wanted), wanted).work(wanted.trials)
    trials = optuna.load_study(study_name="search", storage=url).trials
    assert [one.state for one in trials[:2]] == [TrialState.FAIL, TrialState.COMPLETE]
    assert trials[0].params == trials[1].params and len(completed(url)) == 4


@pytest.mark.slow
def test_a_trial_without_a_sign_of_life_is_lost(url: str, seen: Counter[str]) -> None:
    wanted = request(trials=3)
    dead = worker(link(url, wanted, heartbeat=1, grace=1), wanted)
    dead._read()
    assert dead._propose(wanted.trials) is not None
    worker(link(url, wanted, heartbeat=1, grace=1), wanted).work(wanted.trials)
    states = [trial.state for trial in optuna.load_study(study_name="search", storage=url).trials]
    assert states.count(TrialState.COMPLETE) == 3 and states[0] is TrialState.FAIL


def test_no_more_trials_than_asked(url: str, seen: Counter[str]) -> None:
    wanted = request(trials=2)
    one, other = (worker(link(url, wanted), wanted) for _ in range(2))
    for each in (one, other):
        each._read()
    assert one._propose(1) is not None
    assert other._propose(1) is None, "the other has begun it"


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--workers", "2"], "--workers needs --storage"),
        (["--study", "mine"], "--study needs --storage"),
        (["--storage", "sqlite:///s.db", "--workers", "0"], "is not a whole number of at least 1"),
        (["--storage", "sqlite:///s.db", "--study", "x" * 201], "1 to 200 characters"),
        (["--storage", "nowhere"], "--storage is not a URL"),
        (["--storage", "foo://me:s3cret@host/base"], "foo://...: no such kind"),
        (["--storage", "sqlite://"], "needs a file"),
        (["--storage", "sqlite:////no/such/folder/s.db"], "check that its folder exists"),
        (["--storage", "sqlite:///file"], "not a database; name a new file"),
        (["--storge", "postgresql://me:s3cret@host/base"], "did you mean --storage"),
        (["--storage", "mysql+pymysql://me:s3cret@host/base"], "pip install pymysql"),
    ],
)
def test_what_is_refused(
    words: list[str],
    why: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("nothing that is a database")
    error = refused(main, [*WORDS, *words, "--out", "run"], capsys)
    assert why in error and "s3cret" not in error
    assert not (tmp_path / "run").exists()


def test_a_study_of_another_search_is_left_alone(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    search("mlp", params=CAP, sampler="random", trials=3, top=0, storage=url, study="one")
    error = refused(main, [*WORDS, "--storage", url, "--study", "one", "--seed", "3"], capsys)
    assert "is of another search (nas search --space mlp" in error and "--study NAME" in error
    assert len(completed(url, "one")) == 3
    with pytest.raises(RequestError, match="has no study two"):
        Link(Address.of(url), "two")


def test_passwords_are_not_in_public_addresses() -> None:
    for text in (
        "postgresql://me:s3cret@host:5432/base",
        "postgres://me@host/base?password=s3cret&sslmode=require",
        "postgresql+psycopg://me:s3cret@host/base?sslpassword=s3cret",
    ):
        address = Address.of(text)
        assert address.public.startswith("postgresql://me@host") and "s3cret" not in address.public
        assert "s3cret" not in repr(address) and "s3cret" not in str(
            address.refusal(ValueError(f"bad {text}"))
        )
        assert Address.of(address.public).public == address.public
