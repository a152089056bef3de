"""What a page shows: values without layout, which the readers make and the template lays out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import pandas as pd

CANDIDATE, REFERENCE = "candidate", "reference"
"""Roles of networks: those that are chosen from, and named ones to compare them with."""

Value: TypeAlias = float | str | bool | None


@dataclass(frozen=True)
class Axes:
    """The columns that a plot starts with; empty for the first that there are."""

    x: str = ""
    y: str = ""


@dataclass(frozen=True)
class Judged:
    """How well scores predict accuracy.

    Attributes:
        rho: One row per score: score, rho, and where they are known rho_low, rho_high and networks.
        points: Networks: arch, top1 (percent), and each score as in figures; None if they are not kept.
        caveat: Why the ranking is no evidence, in words; empty if it is.
    """

    rho: pd.DataFrame
    points: pd.DataFrame | None = None
    caveat: str = ""


@dataclass(frozen=True)
class Listing:
    """A small table that is shown as it is."""

    title: str
    table: pd.DataFrame


@dataclass(frozen=True)
class Picture:
    """A PNG of a run's folder, with a caption."""

    caption: str
    content: bytes


@dataclass(frozen=True)
class Run:
    """What a page shows of one folder or file.

    Attributes:
        kind: Kind of run in a word, as "search".
        name: Its path, as given.
        request: What was asked, in a sentence.
        answer: What was found, in a sentence.
        certainty: What is proven, known and unknown of the answer: sentences.
        notes: What a reader must know of the page itself, such as rows that it leaves out.
        repeat: Command that repeats the run; empty if it is not known.
        versions: Versions of Python and packages, by name.
        machine: Name of the system.
        space: Name of the space or family of the networks; empty for several.
        networks: Networks: arch, role, and columns of their run; None if there are none.
        axes: Columns to plot first.
        curves: One row per epoch and network: arch, seed, number, and values; None without trainings.
        judged: How well scores predict accuracy; None if nothing is known of it.
        listings: Further tables.
        pictures: Further figures.
    """

    kind: str
    name: str
    request: str
    answer: str
    certainty: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    repeat: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    machine: str = ""
    space: str = ""
    networks: pd.DataFrame | None = None
    axes: Axes = Axes()
    curves: pd.DataFrame | None = None
    judged: Judged | None = None
    listings: tuple[Listing, ...] = ()
    pictures: tuple[Picture, ...] = ()


@dataclass(frozen=True)
class Field:
    """A column of the networks of a page.

    Attributes:
        key: Name of the column.
        title: Heading in tables.
        label: Label on axes.
        text: Whether it holds text.
        values: One per network.
        shown: The values as written in tables.
    """

    key: str
    title: str
    label: str
    text: bool
    values: tuple[Value, ...]
    shown: tuple[str, ...]


@dataclass(frozen=True)
class Networks:
    """All networks of a page.

    Attributes:
        specs: Specs, one per network.
        labels: Names of references; shortened specs of the others.
        runs: Number of the run of each, from 0.
        roles: `CANDIDATE` or `REFERENCE`.
        spaces: Name of the space or family of each.
        fields: Columns.
        stages: Distinct stages, each as in `nas.page.stages`.
        stages_of: For each network, the numbers of its stages, in order; None if it has none.
        commands: For each network, the command that trains it; empty if its spec is not valid.
    """

    specs: tuple[str, ...]
    labels: tuple[str, ...]
    runs: tuple[int, ...]
    roles: tuple[str, ...]
    spaces: tuple[str, ...]
    fields: tuple[Field, ...]
    stages: tuple[Mapping[str, object], ...]
    stages_of: tuple[tuple[int, ...] | None, ...]
    commands: tuple[str, ...]


@dataclass(frozen=True)
class Page:
    """All that a page shows."""

    runs: tuple[Run, ...]
    networks: Networks
    notes: tuple[str, ...]
