"""What a warm start does to a search: its best and first ten against the exact ones, and their variety."""

from __future__ import annotations

import time

import pandas as pd

import search_spaces
from benchmarks.record import save
from nas import exact
from nas.problem import Problem
from nas.search.request import Request
from nas.search.run import Run

BUDGETS = {"400M FLOPs": {"flops": "400M"}, "400M FLOPs, 3.7M params": {"flops": "400M", "params": "3.7M"}}
SPACES = ("mobilenet", "mobilenet-wide")
SEEDS = 10
_BASE = ["space", "budget", "warm_start"]


def measure(space: str, budget: str, warm: bool, seed: int, proven: pd.DataFrame) -> dict[str, object]:
    """One search of the default trials."""
    request = Request(space, BUDGETS[budget], seed=seed, warm_start=warm)
    start = time.perf_counter()
    run = Run(request, Problem.of(request))
    run.explore()
    seconds = time.perf_counter() - start
    first = run.best(10)
    shapes = [search_spaces.parse(arch).choices() for arch in first["arch"]]
    differing = sum(len({shape[name] for shape in shapes}) > 1 for name in shapes[0])
    return {
        "space": space,
        "budget": budget,
        "warm_start": warm,
        "seed": seed,
        "best_share": first["nn_mass"].iloc[0] / proven["nn_mass"].iloc[0],
        "ten_share": first["nn_mass"].mean() / proven["nn_mass"].mean(),
        "choices_that_differ": differing,
        "architectures": len(run.found),
        "seconds": seconds,
    }


def main() -> None:
    """Search with and without, in turn."""
    rows = []
    for space in SPACES:
        for budget, given in BUDGETS.items():
            proven = exact.best(space, 10, flops=given["flops"], params=given.get("params"))
            for seed in range(SEEDS):
                rows += [measure(space, budget, warm, seed, proven) for warm in (False, True)]
    runs = pd.DataFrame(rows)
    save("warm_start_runs", runs, "python -m benchmarks warm_start")
    table = runs.drop(columns="seed").groupby(_BASE, sort=False).median().reset_index()
    table["least_best_share"] = runs.groupby(_BASE, sort=False)["best_share"].min().to_numpy()
    table["runs"] = SEEDS
    save("warm_start", table, "python -m benchmarks warm_start")
