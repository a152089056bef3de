"""Trials a second of a search by many workers, and how the time of a trial grows with their number.

`NAS_STORAGE` is the URL of an empty database of PostgreSQL. Rates are taken between the first and the last
completed trial, so that they do not contain the start of processes.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import optuna
import pandas as pd
import sqlalchemy

from benchmarks.record import save
from nas.exact.problem import Problem
from nas.optimize.ledger import CLAIM, Ledger
from nas.optimize.processes import new_token
from nas.optimize.request import Request
from nas.optimize.storage import Address, Link
from nas.optimize.study import MAKERS, Journal, Study, make
from nas.optimize.trials import Trials, quiet
from nas.optimize.worker import StudyCopy, Worker

STORAGE = "NAS_STORAGE"
RUNS = int(os.environ.get("NAS_RUNS", "5"))
SEARCH = ("--space", "mobilenet", "--flops", "40M", "--fix", "resolution=64", "--score", "zen", "--top", "1")
TRIALS = 80
WORKERS = (1, 2, 4)
SIZES = tuple(map(int, os.environ.get("NAS_SIZES", "1000,10000,100000").split(",")))
_SEED = 200
"""Trials that are created one by one; larger studies repeat them."""
_TIMED = 3
"""Trials that are timed."""


class Clock:
    """Seconds, and those of this process on a processor, since it was made."""

    def __init__(self) -> None:
        self._begun = time.perf_counter(), time.process_time()

    def columns(self, name: str, count: int = 1) -> dict[str, float]:
        """Both, divided by a count."""
        wall, cpu = time.perf_counter() - self._begun[0], time.process_time() - self._begun[1]
        return {f"{name}_s": wall / count, f"{name}_cpu_s": cpu / count}


_REQUEST = Request("mobilenet", {"flops": "400M"}, sampler="tpe", trials=10**6)


def rate(times: list[pd.Timestamp]) -> float:
    """Completed trials a second after the first."""
    return (len(times) - 1) / (max(times) - min(times)).total_seconds()


def searched(arguments: list[str], folder: Path) -> None:
    """Run a search, with one thread of torch for each process."""
    words = [*SEARCH, "--trials", str(TRIALS), "--out", str(folder), "--format", "csv", *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(
        [sys.executable, "-m", "nas.search", *words], env=environment, check=True, stdout=subprocess.DEVNULL
    )


def rates(url: str) -> pd.DataFrame:
    """Trials a second with the study in the folder, and in the storage with 1, 2 and 4 workers."""
    rows = []
    for seed in range(RUNS):
        for workers in (0, *WORKERS):
            with tempfile.TemporaryDirectory() as there:
                folder = Path(there) / "run"
                name = f"rate-{seed}-{workers}-{time.time_ns()}"
                shared = ["--storage", url, "--study", name, "--workers", str(workers)] if workers else []
                searched(["--seed", str(seed), *shared], folder)
                if workers:
                    study = optuna.load_study(
                        study_name=name, storage=Address.of(url).url.render_as_string(hide_password=False)
                    )
                else:
                    backend = optuna.storages.journal.JournalFileBackend(str(folder / "study.log"))
                    study = optuna.load_study(
                        study_name="search", storage=optuna.storages.JournalStorage(backend)
                    )
                times = [pd.Timestamp(one.datetime_complete) for one in study.trials if one.datetime_complete]
                kind = "PostgreSQL" if workers else "journal"
                rows.append({"study": kind, "workers": workers or 1, "seed": seed, "rate": rate(times)})
    return pd.DataFrame(rows)


def common() -> Trials:
    """The trials of a search by a closed form, which do nothing."""
    problem = Problem.of(_REQUEST)
    return Trials(problem.space, problem.tables, problem.goal)


def filled(url: str, count: int) -> str:
    """The name of a new study of so many completed trials."""
    trials, name = common(), f"growth-{count}-{time.time_ns()}"
    link, copy = Link(Address.of(url), name, trials.directions), StudyCopy(trials)
    for number in range(min(count, _SEED)):
        _, proposed = copy.propose(make(MAKERS["random"], 0, number))
        template = copy.template(proposed, optuna.trial.TrialState.RUNNING, **{CLAIM: f"filled:{number}"})
        template.values = trials.objectives(trials.figures(trials.row(proposed.params)))
        template.state = optuna.trial.TrialState.COMPLETE
        template.datetime_complete = template.datetime_start
        link.create(template, f"filled:{number}")
    _repeat(url, name, -(-count // _SEED) - 1)
    return name


def _repeat(url: str, name: str, times: int) -> None:
    """Copy the trials of a study in the database, as loading does not depend on how they came there."""
    if not times:
        return
    engine = sqlalchemy.create_engine(Address.of(url).url)
    copied = {
        "trial_params": "param_name, param_value, distribution_json",
        "trial_values": "objective, value, value_type",
        "trial_user_attributes": "key, value_json",
        "trial_system_attributes": "key, value_json",
    }
    with engine.begin() as connection:
        study = connection.execute(
            sqlalchemy.text("SELECT study_id FROM studies WHERE study_name = :name"), {"name": name}
        ).scalar_one()
        values = {"study": study, "times": times, "seed": _SEED}
        connection.execute(
            sqlalchemy.text(
                "INSERT INTO trials (number, study_id, state, datetime_start, datetime_complete)"
                " SELECT number + k * :seed, study_id, state, datetime_start, datetime_complete"
                " FROM trials, generate_series(1, :times) AS k WHERE study_id = :study"
                " ORDER BY k, number"
            ),
            values,
        )
        for table, columns in copied.items():
            connection.execute(
                sqlalchemy.text(
                    f"INSERT INTO {table} (trial_id, {columns})"
                    f" SELECT copy.trial_id, {columns} FROM {table}"
                    " JOIN trials AS one USING (trial_id) JOIN trials AS copy"
                    " ON copy.study_id = one.study_id AND copy.number % :seed = one.number"
                    " AND copy.number >= :seed WHERE one.study_id = :study AND one.number < :seed"
                ),
                values,
            )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sqlalchemy.text("ANALYZE"))
    engine.dispose()


def growth(url: str) -> pd.DataFrame:
    """Seconds to join a study, and for each further trial, by the number of trials."""
    rows: list[dict[str, object]] = []
    for count in SIZES:
        name, trials = filled(url, count), common()
        for sampler in ("random", "tpe"):
            clock = Clock()
            link = Link(Address.of(url), name)
            ledger = Ledger(link, trials)
            ledger.read()
            worker = Worker(link, ledger, trials, sampler, 0, 0, new_token(), lambda: False)
            worker.work(ledger.complete)
            times, clock = clock.columns("join"), Clock()
            worker.work(ledger.complete + _TIMED)
            times |= clock.columns("trial", _TIMED)
            rows.append({"study": "PostgreSQL", "trials": count, "sampler": sampler, **times})
            rows.append(in_journal(count, sampler, trials))
            print(rows[-2:], flush=True)
    return pd.DataFrame(rows)


def in_journal(count: int, sampler: str, trials: Trials) -> dict[str, object]:
    """The same with the study in a file."""
    filling = Study(trials.space, trials.tables, trials.goal, sampler, 0, journal := Journal())
    filling.run(0)
    copy, saved = StudyCopy(trials), optuna.storages.JournalStorage(journal)
    for number in range(min(count, _SEED)):
        _, proposed = copy.propose(make(MAKERS["random"], 0, number))
        template = copy.template(proposed, optuna.trial.TrialState.RUNNING)
        template.values = trials.objectives(trials.figures(trials.row(proposed.params)))
        template.state = optuna.trial.TrialState.COMPLETE
        template.datetime_complete = template.datetime_start
        saved.create_new_trial(0, template)
    lines = journal.text().splitlines(keepends=True)
    head, body = lines[: -min(count, _SEED)], lines[-min(count, _SEED) :]
    with tempfile.TemporaryDirectory() as there:
        path = Path(there) / "study.log"
        path.write_text("".join([*head, *(body * -(-count // _SEED))]))
        clock = Clock()
        study = Study(trials.space, trials.tables, trials.goal, sampler, 0, Journal.load(path))
        times, clock = clock.columns("join"), Clock()
        study.run(study.trials + _TIMED)
        times |= clock.columns("trial", _TIMED)
        size = path.stat().st_size / 1e6
    return {"study": "journal", "trials": count, "sampler": sampler, **times, "megabytes": size}


def main() -> None:
    """Measure rates and growth in the database of `NAS_STORAGE`."""
    url = os.environ.get(STORAGE)
    if not url:
        sys.exit(f"error: set {STORAGE} to the URL of an empty database, as postgresql://user@host/database")
    command = f"{STORAGE}=... python -m benchmarks storage"
    with quiet():
        save("storage_growth", growth(url), command)
        save("storage_rates", rates(url), command)
