"""Optuna's samplers by name."""

from __future__ import annotations

import difflib
import inspect
import warnings
from collections.abc import Callable

import numpy as np
import optuna
from optuna.samplers import BaseSampler, NSGAIISampler
from optuna.samplers.nsgaii import SBXCrossover

from search_spaces import RequestError


def nsga2(seed: int | None = None) -> NSGAIISampler:
    """NSGA-II with the population and the crossover that measured best (docs/search.md).

    Optuna's own defaults, a population of 50 and uniform crossover, are there as "NSGAIISampler".
    """
    return NSGAIISampler(population_size=100, crossover=SBXCrossover(), seed=seed)


def known() -> dict[str, Callable[..., BaseSampler]]:
    """`nsga2`, and by short name the samplers of the installed Optuna that need no arguments."""
    found: dict[str, Callable[..., BaseSampler]] = {"nsga2": nsga2}
    for name, sampler in vars(optuna.samplers).items():
        if inspect.isclass(sampler) and issubclass(sampler, BaseSampler) and not inspect.isabstract(sampler):
            parameters = inspect.signature(sampler).parameters.values()
            if all(parameter.default is not parameter.empty for parameter in parameters):
                found[_short(name)] = sampler
    return found


def make(name: str, seed: int, block: int) -> BaseSampler:
    """A sampler with the random state that a seed gives to a block of trials.

    Raises:
        RequestError: There is no such sampler.
    """
    samplers = known()
    if _short(name) not in samplers:
        close = difflib.get_close_matches(_short(name), samplers, n=1)
        hint = f" (did you mean {close[0]}?)" if close else ""
        raise RequestError(f"unknown sampler {name!r}{hint}; the samplers are {', '.join(sorted(samplers))}")
    sampler = samplers[_short(name)]
    drawn = int(np.random.SeedSequence([seed, block]).generate_state(1)[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return sampler(seed=drawn) if "seed" in inspect.signature(sampler).parameters else sampler()


def _short(name: str) -> str:
    """A sampler's name as users type it: `tpe` for TPESampler."""
    return name.lower().removesuffix("sampler")
