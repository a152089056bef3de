"""Optuna's samplers by name."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import optuna
from optuna.distributions import IntDistribution
from optuna.samplers import BaseSampler, NSGAIISampler
from optuna.samplers.nsgaii import SBXCrossover

from search_spaces import RequestError
from search_spaces.errors import did_you_mean, shown


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
        hint = did_you_mean(_short(name), samplers)
        listed = ", ".join(sorted(samplers))
        raise RequestError(f"unknown sampler {shown(name)}{hint}; the samplers are {listed}")
    sampler = samplers[_short(name)]
    drawn = int(np.random.SeedSequence([seed, block]).generate_state(1)[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return sampler(seed=drawn) if "seed" in inspect.signature(sampler).parameters else sampler()


def check(name: str, fronts: bool) -> None:
    """Have a sampler propose once, for Optuna finds out only then what it lacks.

    Args:
        name: Name of the sampler.
        fronts: Whether it must look for fronts.

    Raises:
        RequestError: There is no such sampler, it needs a package, or it has no fronts.
    """
    sampler = make(name, seed=0, block=0)
    study = optuna.create_study(directions=["maximize"] * (2 if fronts else 1), sampler=sampler)
    with faults(name):
        study.ask({"x": IntDistribution(0, 1)})


@contextmanager
def faults(name: str) -> Iterator[None]:
    """Say in a line what a sampler lacks.

    Raises:
        RequestError: It lacks something.
    """
    try:
        yield
    except ImportError as error:
        way = "pip install 'zero-cost-nas[samplers]'"
        raise RequestError(f"sampler {shown(name)} needs a package: {error}; {way}") from None
    except ValueError as error:
        if "multi-objective" not in str(error):
            raise
        raise RequestError(f"sampler {shown(name)} has no fronts; choose another") from None


def _short(name: str) -> str:
    """A sampler's name as users type it: `tpe` for TPESampler."""
    return name.lower().removesuffix("sampler")
