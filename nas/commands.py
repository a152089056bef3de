"""All commands: `nas NAME ...`, and `python -m nas.NAME ...` for the oldest of them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pkgutil import resolve_name
from typing import NoReturn

PACKAGE = "zero-cost-nas"

COMMANDS = {
    "search": ("nas.optimize.cli:main", "rank the networks of a space that meet a budget"),
    "score": ("nas.score:main", "NN-Mass and costs of given networks"),
    "exact": ("nas.exact.cli:main", "proven optima, Pareto fronts, counts and random samples"),
    "train": ("nas.train.cli:main", "train rows of a table, or given networks"),
    "study": ("nas.study.cli:main", "train a population, and compare scores with accuracy"),
    "report": ("nas.page.cli:main", "a page of runs; tables and figures of studies, again"),
    "compare": ("nas.study.results_cli:compare", "put finished studies together"),
    "predict": ("nas.study.results_cli:predict", "predict accuracy from a finished study"),
    "tabular": ("nas.tabular.cli:main", "judge scores on networks that others trained"),
    "fit": ("nas.fit.cli:main", "fit a score to trained networks, to search by"),
    "latency": ("nas.device.cli:main", "measure networks here, and fit a score of their latency"),
    "export": ("nas.export:main", "write a trained network as ONNX, safetensors, ..."),
}
"""The function of each command, which takes the arguments and returns the exit code; and what it does."""


def command(name: str) -> Callable[[Sequence[str]], int]:
    """The function of a command; its module is imported now."""
    function: Callable[[Sequence[str]], int] = resolve_name(COMMANDS[name][0])
    return function


def run_command(name: str) -> NoReturn:
    """Run a command with this process's arguments, and exit."""
    from nas.signals import guard

    guard()  # before the slow imports
    from nas.cli import run

    run(command(name))


def main() -> NoReturn:
    """The console script `nas`."""
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name in COMMANDS:
        del sys.argv[1]
        run_command(name)
    from nas.cli import run

    run(_overview)


def _overview(arguments: Sequence[str]) -> int:
    """Print the list of commands, or the version.

    Raises:
        RequestError: The command is unknown.
    """
    if arguments and arguments[0] == "--version":
        from nas.runs import versions

        print(f"{PACKAGE} {versions([PACKAGE])[PACKAGE]}")
        return 0
    if arguments and arguments[0] not in ("-h", "--help"):
        from search_spaces import RequestError
        from search_spaces.errors import did_you_mean, shown

        hint = did_you_mean(arguments[0], COMMANDS)
        raise RequestError(f"unknown command {shown(arguments[0])}{hint}; there are {', '.join(COMMANDS)}")
    width = max(map(len, COMMANDS))
    print("usage: nas COMMAND ...\n")
    for name, (_, what) in COMMANDS.items():
        print(f"  {name:{width}}  {what}")
    print("\nnas COMMAND --help shows the options of a command, nas --version the version.")
    return 0 if arguments else 2
