"""Tasks and what runs them: this process, processes of this machine, or a cluster.

`nas.tasks.interface` describes both sides, `nas.tasks.local` has the launchers of this machine. Each other
module is an engine, named by `--on`, with a function `connected` like that of `nas.tasks.ray`.
"""

from __future__ import annotations

from argparse import Namespace
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules

from nas.options import check, documented, given, option
from nas.tasks.interface import Again, Attempts, Launcher, Lost, Need, Place, Post, Work
from nas.tasks.local import Here, Processes
from search_spaces import RequestError
from search_spaces.errors import did_you_mean, shown

__all__ = [
    "Again",
    "Attempts",
    "Cluster",
    "Here",
    "Launcher",
    "Lost",
    "Need",
    "Place",
    "Post",
    "Processes",
    "Work",
    "checked_engine",
    "cluster_of",
    "connected",
    "engines",
]


@documented
@dataclass(frozen=True)
class Cluster:
    """What measures scores, if not this process."""

    on: str | None = option("measure on a cluster: ray, or ray:HOST:PORT", default=None, metavar="ENGINE")

    def __post_init__(self) -> None:
        check(self)
        if self.on is not None:
            checked_engine(self.on)


def cluster_of(options: Namespace) -> str | None:
    """The engine that parsed arguments name, if any.

    Raises:
        RequestError: There is no such engine.
    """
    return Cluster(**given(options, Cluster)).on


def engines() -> tuple[str, ...]:
    """Names of the engines that `--on` takes.

    >>> engines()
    ('ray',)
    """
    found = (one.name for one in iter_modules(__path__) if not one.name.startswith("_"))
    return tuple(sorted(name for name in found if name not in ("interface", "local")))


def checked_engine(on: str) -> str:
    """The value of `--on`, if there is such an engine.

    Raises:
        RequestError: There is none.
    """
    name = on.partition(":")[0]
    if name not in engines():
        hint = did_you_mean(name, engines())
        raise RequestError(
            f"--on {shown(on)}{hint}: expected {' or '.join(engines())}, or as ray:10.0.0.1:6379"
        )
    return on


def connected(on: str, need: Need) -> AbstractContextManager[Launcher]:
    """The launcher of an engine, connected during a block.

    Args:
        on: Name of the engine, or NAME:ADDRESS.
        need: What each task needs.

    Raises:
        RequestError: There is no such engine, it is not installed, or nothing answers at the address.
    """
    name, _, address = checked_engine(on).partition(":")
    found: AbstractContextManager[Launcher] = import_module(f"nas.tasks.{name}").connected(address, need)
    return found
