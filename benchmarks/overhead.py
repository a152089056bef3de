"""Time per trial: of Optuna alone, of our study, and of the scoring in it."""

from __future__ import annotations

import time

import optuna
import pandas as pd

from benchmarks.record import save
from nas.exact.problem import Problem
from nas.optimize.request import Request
from nas.optimize.study import MAKERS, Journal, Study, make

SAMPLERS = ("random", "nsga2", "tpe")
TRIALS = 1000
RUNS = 3


def optuna_alone(problem: Problem, sampler: str, seed: int) -> float:
    """Seconds of an in-memory Optuna study with the same choices and a trivial objective."""

    def objective(trial: optuna.Trial) -> float:
        value = trial.suggest_float("width_mult", 0.35, 1.4, step=0.05)
        for name, options in problem.space.choices.items():
            if name.startswith("depth"):
                value += trial.suggest_int(name, int(options[0]), int(options[-1]))
        trial.set_constraint("budget", value - 20)
        return value

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=make(MAKERS[sampler], seed, 0))
    start = time.perf_counter()
    study.optimize(objective, n_trials=TRIALS)
    return time.perf_counter() - start


def ours(problem: Problem, sampler: str, seed: int) -> tuple[float, float]:
    """Seconds of our study, and of its scoring."""
    study = Study(problem.space, problem.tables, problem.goal, sampler, seed, Journal())
    start = time.perf_counter()
    study.run(TRIALS)
    return time.perf_counter() - start, study.scoring


def main() -> None:
    """Measure both alternately, so that load on the machine affects both."""
    problem = Problem.of(Request("mobilenet", {"flops": "400M"}))
    rows = []
    for sampler in SAMPLERS:
        for seed in range(RUNS):
            alone = optuna_alone(problem, sampler, seed)
            whole, scoring = ours(problem, sampler, seed)
            rows.append({"sampler": sampler, "seed": seed, "trials": TRIALS,
                         "optuna_ms": alone / TRIALS * 1e3, "study_ms": whole / TRIALS * 1e3,
                         "scoring_ms": scoring / TRIALS * 1e3, "scoring_share": scoring / whole})  # fmt: skip
    save("overhead", pd.DataFrame(rows), "python -m benchmarks overhead")
