"""Closed-form scores and costs of many networks, each stage described once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from nas import proxies
from nas.proxies import Proxy, Subject
from nas.tables import FIGURES
from search_spaces import Architecture
from search_spaces.chain import ChainArchitecture, Described, KnownStages
from search_spaces.cost import total

SKIPS = "skips"
"""The column that says whether a network has a skip connection in every stage that should have one."""


def closed_forms() -> tuple[str, ...]:
    """Names of the scores that need the architecture alone."""
    return tuple(name for name in proxies.names() if proxies.get(name).closed_form)


def scored(architectures: Sequence[ChainArchitecture]) -> pd.DataFrame:
    """Scores and costs of networks, one row each in the given order.

    Returns:
        arch, nn_mass, flops, macs, params, all other closed-form scores, and `SKIPS`: whether each stage has
        NN-Mass, and therefore a skip connection, in which the default network of its family has one. In
        MobileNetV2's layout these are the stages 2 to 6.

    >>> import search_spaces
    >>> table = scored([search_spaces.MobileNet(), search_spaces.MobileNet(depths=(3, 1, 3, 4, 3, 3, 1))])
    >>> table[["nn_mass", "depth", "skips"]].values.tolist()
    [[1287.0, 17.0, True], [1280.0, 18.0, False]]
    """
    known = _Stages()
    others = [proxies.get(name) for name in closed_forms() if name not in FIGURES]
    rows = []
    for one in architectures:
        stages = known.of(one)
        whole = total(stage.figures for stage in stages)
        rows.append(
            {
                "arch": str(one),
                **{name: getattr(whole, name) for name in FIGURES},
                **{proxy.name: _value(proxy, one, stages) for proxy in others},
                SKIPS: all(stages[place].figures.mass_units > 0 for place in known.with_skips(one)),
            }
        )
    return pd.DataFrame(rows).astype({"nn_mass": float, "flops": int, "macs": int, "params": int})


def _value(proxy: Proxy, architecture: Architecture, stages: Sequence[Described]) -> float:
    if proxy.stages is None:
        return float(proxy.measure(Subject.bare(architecture)))
    values = [stage.value(proxy.name, proxy.stages.of_stage) for stage in stages]
    return float(proxy.stages.combine(values))


class _Stages:
    """The stages of networks of any family; equal stages of different choices are one."""

    def __init__(self) -> None:
        self._known: dict[Any, KnownStages] = {}
        self._equal: dict[Any, Described] = {}
        self._first: dict[Described, Described] = {}
        self._with_skips: dict[type[ChainArchitecture], list[int]] = {}

    def with_skips(self, architecture: ChainArchitecture) -> list[int]:
        """Places of the stages in which the default network of the family has a skip connection."""
        family = type(architecture)
        if family not in self._with_skips:
            stages = self.of(family())
            self._with_skips[family] = [
                place for place, stage in enumerate(stages) if stage.figures.mass_units > 0
            ]
        return self._with_skips[family]

    def of(self, architecture: ChainArchitecture) -> list[Described]:
        """The stages of a network, in order."""
        kind = (type(architecture), *architecture.constants().values())
        if kind not in self._known:
            self._known[kind] = KnownStages(architecture.chain())
        return [self._shared(stage) for stage in self._known[kind].of(architecture.choices())]

    def _shared(self, stage: Described) -> Described:
        """The first stage of equal parts."""
        if stage not in self._first:
            try:
                first = self._equal.setdefault((stage.name, *stage.parts, *stage.leaving.items()), stage)
            except TypeError:  # parts with arrays or lists cannot be compared
                first = stage
            self._first[stage] = first
        return self._first[stage]
