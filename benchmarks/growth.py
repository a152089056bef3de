"""Time of a proof by number of stages and by number of options."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pandas as pd

import search_spaces
from benchmarks.record import save
from nas.exact.graph import Graph, Limit
from nas.exact.optimum import best
from nas.exact.paths import Objective
from nas.tables import FIGURES, StageTable, StageTables
from search_spaces import Space

RUNS = 5
STAGES = (2, 4, 8, 16, 32, 64)
WIDTH_STEPS = (32, 16, 8, 4, 2)
_STATES, _CELLS = 20, 10
_MASS, _FLOPS = FIGURES.index("nn_mass"), FIGURES.index("flops")


def synthetic_chain(stages: int) -> Graph:
    """A chain of equal stages as large as the last of mobilenet-wide: 20 states, 10 cells between any two.

    Costs are uniform between 1 and 1,000 units; the mass is the square root of the cost times 0.5 to 1.5.
    """
    generator = np.random.default_rng(stages)
    tables = []
    for stage in range(stages):
        states = _STATES if stage else 1
        cells = states * _STATES * _CELLS
        cost = generator.integers(1, 1001, cells)
        mass = np.sqrt(cost) * generator.uniform(0.5, 1.5, cells) * 1e6
        figures = np.column_stack([mass.astype(np.int64), cost * 1568, cost, cost])
        leaving = np.tile(np.repeat(np.arange(_STATES), _CELLS), states)
        tables.append(
            StageTable(
                states, (2 * stage, 2 * stage + 1), (_STATES, _CELLS), figures, leaving, np.arange(cells)
            )
        )
    return Graph.of(StageTables(tuple(tables)))


def finer_widths(space: Space, step: int) -> Space:
    """mobilenet-wide with another step between widths than 8."""
    choices = dict(space.choices)
    for name, options in space.choices.items():
        if name.startswith("width"):
            choices[name] = tuple(range(int(options[0]), int(options[-1]) + 1, step))
    return replace(space, choices=choices)


def measure(graph: Graph, fraction: float) -> dict[str, object]:
    """Time the proof of the largest NN-Mass under a cap.

    Args:
        fraction: Position of the cap between the least (0) and the largest (1) FLOPs.
    """
    low, high = graph.extent("flops")
    cap = Limit.of(graph, _FLOPS, most=int(low + fraction * (high - low)))
    taken = []
    for _ in range(RUNS):
        start = time.perf_counter()
        found = best(graph, Objective(_MASS), [cap])
        taken.append(time.perf_counter() - start)
    value = Objective(_MASS).of_paths(found.paths)[0]  # those that equal it follow
    return {
        "architectures": float(graph.size()),
        "cells": sum(len(step.leaving) for step in graph.steps),
        "seconds": np.median(taken),
        "slowest": max(taken),
        "proven": found.bound <= value,
    }


def main() -> None:
    """Measure chains of growing length, then mobilenet-wide with growing numbers of options."""
    measure(synthetic_chain(2), 0.3)
    rows: list[dict[str, object]] = [
        {"grown": "stages", "size": stages, **measure(synthetic_chain(stages), 0.3)} for stages in STAGES
    ]
    wide = search_spaces.get("mobilenet-wide")
    for step in WIDTH_STEPS:
        space = finer_widths(wide, step)
        options = sum(len(options) for options in space.choices.values())
        graph = Graph.of(StageTables.of(space))
        rows.append({"grown": "options", "size": options, **measure(graph, 0.1)})
    save("growth", pd.DataFrame(rows), "python -m benchmarks growth")
