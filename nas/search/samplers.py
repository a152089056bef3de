"""Optuna's samplers by name."""

from __future__ import annotations

import difflib
import inspect
import warnings
from collections.abc import Callable

import numpy as np
import optuna
from optuna.samplers import BaseSampler

from search_spaces import RequestError

_SHORT = {"nsga2": "nsgaii", "nsga3": "nsgaiii", "brute-force": "bruteforce", "cma-es": "cmaes"}


def known() -> dict[str, Callable[..., BaseSampler]]:
    """The samplers of the installed Optuna that need no arguments, by short name."""
    found: dict[str, Callable[..., BaseSampler]] = {}
    for name, sampler in vars(optuna.samplers).items():
        if inspect.isclass(sampler) and issubclass(sampler, BaseSampler) and not inspect.isabstract(sampler):
            parameters = inspect.signature(sampler).parameters.values()
            if all(parameter.default is not parameter.empty for parameter in parameters):
                found[name.removesuffix("Sampler").lower()] = sampler
    return found


def make(name: str, seed: int, block: int) -> BaseSampler:
    """A sampler with the random state that a seed gives to a block of trials.

    Raises:
        RequestError: There is no such sampler, or a package it needs is missing.
    """
    samplers = known()
    short = name.lower().removesuffix("sampler")
    short = _SHORT.get(short, short)
    if short not in samplers:
        close = difflib.get_close_matches(short, samplers, n=1)
        hint = f" (did you mean {close[0]}?)" if close else ""
        names = ", ".join(sorted({*samplers, "nsga2", "nsga3"} - {"nsgaii", "nsgaiii"}))
        raise RequestError(f"unknown sampler {name!r}{hint}; the samplers are {names}")
    sampler = samplers[short]
    drawn = int(np.random.SeedSequence([seed, block]).generate_state(1)[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        try:
            return sampler(seed=drawn) if "seed" in inspect.signature(sampler).parameters else sampler()
        except ImportError as error:
            raise RequestError(f"sampler {name!r} needs a package that is not installed: {error}") from None
