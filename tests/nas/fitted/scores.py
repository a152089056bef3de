"""Random fitted scores of a space, for tests."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from nas.fit.design import bases, columns, effects, levels
from nas.fitted.link import Link, LinkKind
from nas.fitted.score import FORMAT, FittedScore
from nas.fitted.terms import Interaction
from search_spaces import Space
from search_spaces.chain import KnownStages


def sampled(space: Space, count: int, seed: int = 0) -> pd.DataFrame:
    """The choices of random networks of a space, each replaced by the value that has the same effect."""
    generator = np.random.default_rng(seed)
    rows = [
        {name: options[generator.integers(len(options))] for name, options in space.choices.items()}
        for _ in range(count)
    ]
    return effects(KnownStages(space.chain()), rows)


def made(space: Space, level: int, seed: int, kind: LinkKind = "identity", name: str = "made") -> FittedScore:
    """A score of random terms of a level of detail of a space, or of its most detailed one."""
    generator, choices = np.random.default_rng(seed), sampled(space, 60, seed)
    basis = bases(choices)
    every = levels(space, tuple(basis))
    chosen = every[min(level, len(every) - 1)] if every else None
    terms = [
        Interaction(group, tuple(generator.normal(size=values.shape[1]).tolist()))
        for group, values in (columns(chosen, basis, choices) if chosen else ())
    ]
    used = tuple(
        replace(one, polynomials=one.polynomials[: chosen.degree if chosen else 0]) for one in basis.values()
    )
    return FittedScore(
        format=FORMAT,
        name=name,
        family=space.architecture.family,
        target="top1",
        unit="%",
        more_is_better=bool(seed % 2),
        link=Link(kind, 80.0),
        bits=24,
        intercept=float(generator.normal()) - (1e4 if kind == "reciprocal" else 0),
        bases=used,
        interactions=tuple(terms),
        intervals=(),
        optimism=(),
        networks=60,
        terms="made",
        quality=None,
        constants={},
        source="a test",
    )
