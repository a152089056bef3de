"""Arguments that ask for latencies: shared by all commands that show architectures."""

from __future__ import annotations

import argparse
import math
import os
from dataclasses import dataclass

from nas.cli import at_least, between
from search_spaces import RequestError

_DEVICES = ("cpu", "cuda")
_MOST_THREADS = 256
"""A million crash torch."""


@dataclass(frozen=True)
class LatencyConfig:
    """On what networks are measured, and how fast they must be.

    Attributes:
        device: "cpu" or "cuda".
        threads: Threads on the processor.
        most: Milliseconds that a batch of 1 may take in torch.
    """

    device: str
    threads: int
    most: float = math.inf

    @property
    def limited(self) -> bool:
        """Whether they must be fast."""
        return not math.isinf(self.most)


def add_latency(add: argparse._ActionsContainer, most: bool = False) -> None:
    """Add the arguments, with `--max-latency` if `most` is set."""
    what = "measure what is shown, in ms for a batch of 1 and of 64"
    add.add_argument("--latency", choices=_DEVICES, help=what)
    threads = at_least(1, max(_MOST_THREADS, os.cpu_count() or 1))
    add.add_argument(
        "--latency-threads", type=threads, metavar="N", help="threads on the processor for it (1)"
    )
    if most:
        milliseconds = between(1e-6, 1e9, "of milliseconds")
        limit = "show the first that take at most so long for one input, in torch (--latency cpu)"
        add.add_argument("--max-latency", type=milliseconds, metavar="MS", help=limit)


def wanted(options: argparse.Namespace) -> LatencyConfig | None:
    """What the arguments ask for, if they ask for latencies.

    Raises:
        RequestError: There is no such device here, or only the number of threads is given.
    """
    most: float | None = getattr(options, "max_latency", None)
    device: str | None = options.latency or ("cpu" if most else None)
    if device is None:
        if options.latency_threads:
            raise RequestError("--latency-threads says how --latency measures; give --latency cpu as well")
        return None
    if device == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise RequestError("--latency cuda: torch sees no GPU here; try --latency cpu")
    return LatencyConfig(device, options.latency_threads or 1, most or math.inf)
