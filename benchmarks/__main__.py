"""The command `python -m benchmarks`: re-run all benchmarks, or those named, and write their tables."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from benchmarks import (
    default_command,
    figure,
    growth,
    overhead,
    proofs,
    samplers,
    scoring,
    warm_start,
)

BENCHMARKS: dict[str, Callable[[], None]] = {
    "default_command": default_command.main,
    "overhead": overhead.main,
    "scoring": scoring.main,
    "proofs": proofs.main,
    "growth": growth.main,
    "figure": figure.main,
    "warm_start": warm_start.main,
    "samplers": samplers.main,
}


def main() -> None:
    """Run what was asked for, in order."""
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    names = parser.parse_args().names or list(BENCHMARKS)
    if unknown := [name for name in names if name not in BENCHMARKS]:
        parser.error(f"no benchmark {unknown[0]!r}; there are {', '.join(BENCHMARKS)}")
    for name in names:
        BENCHMARKS[name]()


if __name__ == "__main__":
    main()
