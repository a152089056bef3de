"""Searches by many workers with PostgreSQL: kills, a server that is away, and requests that are refused."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import optuna
import pandas as pd
import psutil
import psycopg
import pytest

from nas.exact.problem import Problem
from nas.optimize.cli import main
from nas.optimize.request import Request
from nas.optimize.scores import Scores
from nas.optimize.trials import Trials
from nas.ranking import candidates
from tests.cluster.postgres import PASSWORD, Server
from tests.conftest import Begin, Begun, refused

pytestmark = pytest.mark.cluster

TRIALS = 100
REQUEST = Request("mlp", {"params": "12K"}, score="zen", sampler="tpe", trials=TRIALS)
WORDS = ("--space", "mlp", "--params", "12K", "--score", "zen", "--trials", str(TRIALS), "--top", "2")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = Server()
    try:
        server.start()
        yield server
    finally:
        server.close()


def study(url: str) -> optuna.Study:
    (name,) = optuna.get_all_study_names(url)
    return optuna.load_study(study_name=name, storage=url)


def completed(url: str) -> int:
    """The number of completed trials; 0 while there are no tables."""
    with psycopg.connect(url) as connection:
        with suppress(psycopg.errors.UndefinedTable):
            row = connection.execute("SELECT count(*) FROM trials WHERE state = 'COMPLETE'").fetchone()
            return int(row[0]) if row else 0
        return 0


def complete(url: str) -> list[optuna.trial.FrozenTrial]:
    return study(url).get_trials(states=(optuna.trial.TrialState.COMPLETE,))


def workers_of(begun: Begun) -> list[psutil.Process]:
    """The processes that run trials: those of the fork server."""
    tree = psutil.Process(begun.pid).children(recursive=True)
    return [process for process in tree if process.parent() != psutil.Process(begun.pid)]


def serial(trials: list[optuna.trial.FrozenTrial], request: Request) -> pd.DataFrame:
    """The table of one process that measures the networks of trials, the last first."""
    problem, scores = Problem.of(request), Scores.of(request)
    assert scores is not None
    common = Trials(problem.space, problem.tables, problem.goal, scores)
    rows = [common.row(trial.params) for trial in reversed(trials)]
    for row in rows:
        if common.is_inside(common.figures(row)):
            scores.measure(common.network(row))
    population = common.population(rows)
    return candidates(problem.space, problem.tables, problem.goal, population, scores.known, ordered=False)


def test_four_workers_survive_a_kill_and_a_server_that_is_away(
    server: Server, begin: Begin, tmp_path: Path
) -> None:
    url = server.create("survive")
    here = begin(tmp_path, "nas.search", *WORDS, "--storage", url, "--workers", "3", "--out", "here")
    here.until(lambda: completed(url) > TRIALS // 10)
    workers_of(here)[0].send_signal(signal.SIGKILL)
    there = begin(tmp_path, "nas.search", *WORDS, "--storage", url, "--out", "there")
    there.until((tmp_path / "there" / "run.json").exists)
    here.until(lambda: completed(url) > TRIALS // 2)
    server.stop()
    server.start()
    for done in (here.ended(), there.ended()):
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr and PASSWORD not in done.stdout + done.stderr

    trials = complete(url)
    assert len(trials) == TRIALS
    measured = pd.DataFrame(
        {
            "arch": [trial.user_attrs["arch"] for trial in trials],
            "inside": [all(amount <= 0 for amount in trial.constraints.values()) for trial in trials],
            "measured": ["seconds" in trial.user_attrs for trial in trials],
        }
    )
    assert all(len(trial.constraints) == 1 for trial in trials)
    assert not measured.loc[~measured["inside"], "measured"].any()
    times = measured[measured["inside"]].groupby("arch")["measured"].sum()
    assert (times <= 1).all()  # 0: a reference, measured before

    tables = [pd.read_csv(tmp_path / name / "candidates.csv") for name in ("here", "there")]
    expected = serial(trials, REQUEST).drop(columns="found")
    for table in tables:
        pd.testing.assert_frame_equal(table[expected.columns], expected, check_dtype=False)
    for file in tmp_path.rglob("*.*"):
        assert PASSWORD.encode() not in file.read_bytes()
    assert json.loads((tmp_path / "here" / "run.json").read_text())["storage"] == url.replace(
        f":{PASSWORD}", ""
    )


def test_more_trials_with_the_password_of_the_environment(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url, out = server.create("more"), str(tmp_path / "run")
    few = ("--space", "mlp", "--params", "12K", "--trials", "10", "--top", "1", "--format", "csv")
    assert main([*few, "--storage", url, "--out", out]) == 0
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    assert main(["--resume", out, "--trials", "15", "--top", "1", "--format", "csv"]) == 0
    assert len(complete(url)) == 15
    capsys.readouterr()
    assert "leave out what differs" in refused(main, ["--resume", out, "--study", "two"], capsys)


def test_requests_that_a_server_refuses(
    server: Server, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    url, few = server.create("refuse"), ["--space", "mlp", "--params", "12K", "--trials", "3", "--top", "1"]
    monkey_port = url.replace(str(server.port), "1")
    out = ["--out", str(tmp_path / "run")]
    for wrong, why in (
        (server.url("refuse", "wr0ng-one"), "PGPASSWORD or in ~/.pgpass"),
        (server.url("nowhere"), "create it (createdb nowhere)"),
        (monkey_port, "check the address"),
    ):
        error = refused(main, [*few, *out, "--storage", wrong], capsys)
        assert why in error and PASSWORD not in error and "wr0ng-one" not in error
        assert not (tmp_path / "run").exists()
    assert main([*few, *out, "--storage", url, "--format", "csv"]) == 0
    capsys.readouterr()
    other = [*few, "--storage", url, "--seed", "5", "--study", "mlp-params-12K"]
    assert "is of another search (nas search --space mlp --params 12K" in refused(main, other, capsys)
