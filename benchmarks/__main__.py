"""The command `python -m benchmarks`: run all benchmarks, or the named ones, and write their tables.

Several run in processes of their own, so that the peak of memory is that of one.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from importlib import import_module

BENCHMARKS = (
    "default_command",
    "overhead",
    "scoring",
    "proofs",
    "growth",
    "fitted",
    "figure",
    "samplers",
    "training",
    "end_to_end",
    "latency",
    "cluster",
    "storage",
    "simulation",
)
"""Modules of this package; each is imported only when it runs, because they need different packages."""


def main() -> None:
    """Run the requested benchmarks in order."""
    parser = argparse.ArgumentParser("python -m benchmarks", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    names = parser.parse_args().names or list(BENCHMARKS)
    if unknown := [name for name in names if name not in BENCHMARKS]:
        parser.error(f"unknown benchmark {unknown[0]!r}; the benchmarks are {', '.join(BENCHMARKS)}")
    if len(names) == 1:
        import_module(f"benchmarks.{names[0]}").main()
        return
    for name in names:
        subprocess.run([sys.executable, "-m", "benchmarks", name], check=True)


if __name__ == "__main__":
    main()
