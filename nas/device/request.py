"""The request of a latency measurement, and its folder."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import search_spaces
from nas.bounds import COSTS
from nas.fit.fitting import LEAST
from nas.latency import THREADS
from nas.options import check, documented, flags_of, option
from nas.query import Query
from nas.runs import Folder
from nas.schema import Stored
from nas.timing import Engine, Latency, Timing, missing
from nas.values import MOST_IMAGES, MOST_SEED, Range
from search_spaces import RequestError, Space
from search_spaces.architecture import Value

WALL, PROCESS = "wall", "process"
EVEN, RANDOM = "even", "random"
BLOCKS = "blocks_ms"
"""The column of sums of published latencies."""
_MEASURED = ("device", "engine", "batch", "threads", "clock", "rounds", "seconds")
"""Fields that say how networks are measured."""
_MOST = 2000
"""Most networks of a measurement."""
_DEVICE = re.compile(r"cpu|cuda(:\d{1,3})?")


@documented
@dataclass(frozen=True)
class LatencyRequest(Stored):
    """Which networks to measure, and how.

    Raises:
        RequestError: A value is wrong, or the device or the engine is not there.
    """

    space: str = option(lambda: f"one of {', '.join(search_spaces.names())}")
    budgets: Mapping[str, str] = option(
        "cap or band of {key}, as 400M", default=dict, keys=COSTS, metavar="BUDGET"
    )
    fix: Mapping[str, Value] = option(
        "pin a choice or set a constant, as resolution=160", default=dict, metavar="NAME=VALUE"
    )
    networks: int = option("networks to measure for the fit", default=128, range=Range(LEAST, _MOST))
    held_out: int = option(
        "further random networks, to measure the error of the fit", default=16, range=Range(4, _MOST)
    )
    design: str = option(
        "even: networks that tell most about all others; random: a uniform sample",
        default=EVEN,
        choices=(EVEN, RANDOM),
    )
    device: str = option("cpu, cuda or cuda:N", default="cpu", metavar="DEVICE")
    engine: Engine = option("what runs the networks", default="torch")
    batch: int = option("inputs in a batch", default=1, range=Range(1, MOST_IMAGES))
    threads: int = option("CPU threads of the engine", default=1, range=THREADS)
    clock: str = option(
        "wall: time that passes; process: CPU time of one thread, for a busy machine",
        default=WALL,
        choices=(WALL, PROCESS),
    )
    rounds: int = option(
        "times that every network is measured; the least median counts", default=3, range=Range(1, 100)
    )
    seconds: float = option("least time of a measurement", default=0.5, range=Range(0.001, 60.0), metavar="S")
    seed: int = option("seed of the networks, their order and the fit", default=0, range=Range(0, MOST_SEED))
    blocks: str | None = option(
        "add up a published table of the latencies of a device's blocks instead of measuring",
        default=None,
        metavar="FILE",
    )

    def __post_init__(self) -> None:
        check(self)
        object.__setattr__(self, "fix", dict(self.query.fix))
        self._check_blocks() if self.blocks else self._check_device()

    @property
    def query(self) -> Query:
        """The query for the networks."""
        return Query(self.space, budgets=self.budgets, fix=self.fix)

    @cached_property
    def searched(self) -> Space:
        """The space, with choices pinned."""
        return self.query.resolve()[0]

    @property
    def timing(self) -> Timing:
        """How long and by which clock a network is measured."""
        return Timing(self.seconds, 4 * self.seconds, self.clock == PROCESS)

    @property
    def column(self) -> str:
        """The column of the latencies, as in other tables."""
        if self.blocks:
            return BLOCKS
        kind = self.device.partition(":")[0]
        return next(iter(Latency(self.engine, kind, self.threads, self.batch, 1, 1, 1, 1).columns()))

    def _check_blocks(self) -> None:
        defaults = {field.name: field.default for field in fields(self)}
        differing = {name: getattr(self, name) for name in _MEASURED if getattr(self, name) != defaults[name]}
        if differing:
            flags = ", ".join(flags_of(LatencyRequest, differing))
            raise RequestError(f"--blocks {self.blocks} measures nothing; leave out {flags}")

    def _check_device(self) -> None:
        if not _DEVICE.fullmatch(self.device):
            raise RequestError(f"--device {self.device}: expected cpu, cuda or cuda:N")
        if self.device != "cpu":
            if self.engine == "onnxruntime":
                raise RequestError(f"--engine onnxruntime runs on the CPU; leave out --device {self.device}")
            self._check_gpu()
        if self.engine == "onnxruntime" and (absent := missing()):
            way = "pip install 'zero-cost-nas[export]'"
            raise RequestError(f"--engine onnxruntime: {', '.join(absent)} not installed; {way}")
        if self.clock == PROCESS and (self.device != "cpu" or self.threads > 1):
            raise RequestError("--clock process counts the CPU time of one thread; leave out the clock")

    def _check_gpu(self) -> None:
        import torch

        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if not count:
            raise RequestError(f"--device {self.device}: torch sees no GPU here; try --device cpu")
        if int(self.device.partition(":")[2] or 0) >= count:
            raise RequestError(f"--device {self.device}: torch sees {count} GPUs, cuda:0 to cuda:{count - 1}")

    def name(self) -> str:
        """A short name for the folder."""
        return f"latency-{self.space}-{self.column}"


class LatencyFolder(Folder[LatencyRequest]):
    """The folder of a latency measurement.

    Attributes:
        times: CSV of every measurement: a row per network and round; none of sums of published latencies.
        networks: CSV of the networks, with the least median over rounds, and its quartiles.
    """

    request_class = LatencyRequest
    kind = "latency measurement"
    module = "nas.latency"
    under = Path("results/latency")
    packages = ("numpy", "torch", "onnxruntime")

    def __init__(self, path: Path, request: LatencyRequest, state: Mapping[str, Any] | None = None) -> None:
        super().__init__(path, request, state)
        self.times, self.networks = path / "times.csv", path / "networks.csv"

    @property
    def score(self) -> Path:
        """The file of the score, beside the folder."""
        return self.path.parent / f"{self.path.name}.json"

    @property
    def resume(self) -> str:
        """The command that resumes the measurement."""
        return f"nas latency measure --resume {shlex.quote(str(self.path))}"
