"""All commands: `nas NAME ...`, and `python -m nas.NAME ...` for the oldest of them."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import NoReturn

COMMANDS = {
    "search": ("nas.optimize.cli", "rank the networks of a space that meet a budget"),
    "score": ("nas.score", "NN-Mass and costs of given networks"),
    "exact": ("nas.exact.cli", "proven optima, Pareto fronts, counts and random samples"),
    "train": ("nas.train.cli", "train rows of a table, or given networks"),
    "study": ("nas.study.cli", "train a population, and compare scores with accuracy"),
    "export": ("nas.export", "write a trained network as ONNX, safetensors, ..."),
}
"""The module of each command, whose `main(arguments)` returns the exit code; and what it does."""


def run_command(name: str) -> NoReturn:
    """Run a command with this process's arguments, and exit."""
    from nas.signals import guard

    guard()  # before the slow imports
    from nas.cli import run

    run(import_module(COMMANDS[name][0]).main)


def main() -> NoReturn:
    """The console script `nas`."""
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name in COMMANDS:
        del sys.argv[1]
        run_command(name)
    from nas.cli import error_line
    from search_spaces.errors import did_you_mean, shown

    width = max(map(len, COMMANDS))
    listed = "\n".join(f"  {command:{width}}  {what}" for command, (_, what) in COMMANDS.items())
    if name in ("", "-h", "--help"):
        print(f"usage: nas COMMAND ...\n\n{listed}\n\nnas COMMAND --help shows the options of a command.")
        sys.exit(0 if name else 2)
    hint = did_you_mean(name, COMMANDS)
    print(
        error_line(f"unknown command {shown(name)}{hint}; there are {', '.join(COMMANDS)}"), file=sys.stderr
    )
    sys.exit(2)
