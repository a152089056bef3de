"""One measured latency, and what its columns in a table are called."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Engine = Literal["torch", "onnxruntime"]

_MEDIAN = re.compile(r"(?P<what>cpu|cuda|onnx)_ms(?P<batch>_\d+)?")
_QUARTILE = re.compile(_MEDIAN.pattern + r"_(low|high)")


@dataclass(frozen=True)
class Latency:
    """How long a network takes for a batch of inputs.

    Attributes:
        engine: What runs it.
        device: "cpu" or "cuda".
        threads: Threads that the engine may use on the processor.
        batch: Inputs in a batch.
        ms: Milliseconds a batch: the median of the runs.
        low: Their lower quartile; nan of fewer than three runs.
        high: Their upper quartile.
        runs: How many there were, after warming up.
    """

    engine: Engine
    device: str
    threads: int
    batch: int
    ms: float
    low: float
    high: float
    runs: int

    @property
    def spread(self) -> float:
        """How far the quartiles lie from the median at most, as a share of it; nan where there are none."""
        return max(self.high - self.ms, self.ms - self.low) / self.ms

    def columns(self) -> dict[str, float]:
        """The median and the quartiles, under the names that they have in tables.

        >>> Latency("torch", "cpu", 1, 64, 20.0, 19.0, 22.0, 50).columns()
        {'cpu_ms_64': 20.0, 'cpu_ms_64_low': 19.0, 'cpu_ms_64_high': 22.0}
        """
        what = "onnx" if self.engine == "onnxruntime" else self.device
        name = f"{what}_ms" + (f"_{self.batch}" if self.batch > 1 else "")
        return {name: self.ms, f"{name}_low": self.low, f"{name}_high": self.high}


def is_median(column: str) -> bool:
    """Whether a column of a table is a median latency."""
    return _MEDIAN.fullmatch(column) is not None


def is_quartile(column: str) -> bool:
    """Whether a column of a table is an end of the interval around a latency."""
    return _QUARTILE.fullmatch(column) is not None


def title(column: str) -> str:
    """A latency's column in two narrow lines.

    >>> title("cpu_ms_64")
    'cpu\\nms_64'
    """
    return column.replace("_", "\n", 1)


def milliseconds(ms: float) -> str:
    """To three digits, without an exponent.

    >>> milliseconds(0.01234), milliseconds(9.876), milliseconds(28.04), milliseconds(1302.4)
    ('0.0123', '9.88', '28.0', '1302')
    """
    for least, digits in ((100, 0), (10, 1), (1, 2), (0.1, 3)):
        if ms >= least:
            return f"{ms:.{digits}f}"
    return f"{ms:.4f}"
