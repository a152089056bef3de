"""Two random halves of Accel-NASBench: one for fits, the other for the trees that judge their choices."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.metrics import r2_score

from nas.fit.fitting import Aim
from nas.fit.table import Trained
from nas.fitted.score import FittedScore
from nas.fitted.sum import FittedSum
from nas.statistics import Values, spearman
from nas.tables import Population, StageTables
from search_spaces import Space

SEED = 0
"""Seed of the halves, of the fits and of the trees."""
TOP1 = Aim("imagenet", "top1", "%", more_is_better=True)
LATENCY = Aim("latency-zcu102", "latency_zcu102", "ms", more_is_better=False)
TREES = 2500
BAND = 40
"""Networks of a band of nearly equal FLOPs."""


@dataclass(frozen=True)
class Halves:
    """Trained networks with one target, in two random halves.

    Attributes:
        aim: What is predicted.
        first: The half that scores are fitted to.
        second: The half that the judge is fitted to.
    """

    aim: Aim
    first: Trained
    second: Trained

    @classmethod
    def of(cls, trained: Trained, aim: Aim, first: set[tuple[Any, ...]] | None = None) -> Halves:
        """Split networks; at random, or so that the first half has the given networks."""
        if first is None:
            order = np.random.default_rng(SEED).permutation(len(trained.target))
            inside = np.isin(np.arange(len(order)), order[::2])
        else:
            inside = np.array([network in first for network in keys(trained)])
        return cls(aim, trained.take(np.flatnonzero(inside)), trained.take(np.flatnonzero(~inside)))


def keys(trained: Trained) -> list[tuple[Any, ...]]:
    """The choices of each network."""
    return list(trained.choices.itertuples(index=False, name=None))


def read(data: Path) -> tuple[Halves, Halves]:
    """Networks with accuracy and with latency; the halves have the same networks.

    Args:
        data: The archive of Accel-NASBench, or the folder that it unpacks to.
    """
    top1, latency = (Trained.read("accel-nasbench", data, aim.target, "mbconv") for aim in (TOP1, LATENCY))
    halves = Halves.of(top1, TOP1)
    return halves, Halves.of(latency, LATENCY, set(keys(halves.first)))


def options(space: Space, choices: pd.DataFrame) -> Population:
    """Option numbers of networks from their choices."""
    columns = [
        choices[name].map({value: number for number, value in enumerate(values)})
        for name, values in space.choices.items()
    ]
    return np.column_stack(columns).astype(np.uint8)


@dataclass(frozen=True)
class Trees:
    """Boosted trees that predict a target from option numbers.

    Attributes:
        model: The fitted trees.
    """

    model: GradientBoostingRegressor

    @classmethod
    def of(cls, trained: Trained, count: int) -> Trees:
        """Trees fitted to networks."""
        model = GradientBoostingRegressor(
            n_estimators=count,
            learning_rate=0.03,
            max_depth=3,
            subsample=0.5,
            max_features=0.5,
            min_samples_leaf=5,
            random_state=SEED,
        )
        return cls(model.fit(options(trained.space, trained.choices), trained.target))

    def __call__(self, population: Population) -> Values:
        """Predictions, one per row of option numbers."""
        found: Values = self.model.predict(population)
        return found


def scored(score: FittedScore, space: Space, population: Population) -> Values:
    """Values of a fitted score, one per row of option numbers."""
    found: Values = StageTables.of(space, [FittedSum(score)]).score(population)[score.name]
    return found


def quality(predicted: Values, trained: Trained) -> dict[str, float]:
    """How well predictions of networks that no fit has seen agree with their values."""
    value = trained.target
    bands = np.array_split(np.argsort(trained.flops, kind="stable"), max(len(value) // BAND, 1))
    within = [spearman(predicted[band], value[band]) for band in bands]
    return {
        "judged_on": len(value),
        "r2": float(r2_score(value, predicted)),
        "rmse": float(np.sqrt(np.mean((predicted - value) ** 2))),
        "rho": spearman(predicted, value),
        "equal_flops": float(np.mean(within)),
        "best_tenth": float(np.mean((predicted - value)[_best_tenth(trained, bands)])),
    }


def _best_tenth(trained: Trained, bands: list[NDArray[np.intp]]) -> NDArray[np.intp]:
    """The networks of the largest values, a tenth of each band."""
    return np.concatenate(
        [band[np.argsort(-trained.target[band], kind="stable")[: max(len(band) // 10, 1)]] for band in bands]
    )


def qualities(halves: Halves, score: FittedScore, judge: Trees, other: Trees) -> pd.DataFrame:
    """Quality of a score fitted to the first half, of the judge, and of trees fitted to the first half."""
    space, first, second = halves.first.space, halves.first, halves.second
    seen, unseen = options(space, first.choices), options(space, second.choices)
    values = scored(score, space, unseen)
    rows = [
        {
            "target": halves.aim.target,
            "model": "fitted score",
            "fitted_to": len(first.target),
            **quality(values, second),
            "coverage": float(np.mean(np.abs(values - second.target) <= score.half(values))),
            "optimism": float(np.median([one.excess for one in score.optimism])),
        }
    ]
    for name, model, fitted, rest, population in (
        ("trees of the first half", other, first, second, unseen),
        ("trees of the second half: the judge", judge, second, first, seen),
    ):
        found = quality(model(population), rest)
        rows.append({"target": halves.aim.target, "model": name, "fitted_to": len(fitted.target), **found})
    return pd.DataFrame(rows)
