"""The request of a tabular benchmark, and the folder of its results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nas.options import check, documented, option
from nas.query import parse_budget
from nas.runs import Folder
from nas.schema import Stored
from nas.tabular import benchmark
from nas.values import MOST_SEED, Range
from search_spaces import RequestError

RESAMPLES = 400
"""Default number of bootstrap resamples."""
ANY, EVERY, SOME = "any", "every", "not-every"
"""Values of `skips`."""


@documented
@dataclass(frozen=True)
class TabularRequest(Stored):
    """What to judge, and by which networks.

    Attributes:
        benchmark: Name of the benchmark.

    Raises:
        RequestError: There is no such benchmark, or a value is wrong.
    """

    benchmark: str
    data: str = option("its published file or folder, see docs/tabular.md", metavar="PATH")
    skips: str = option(
        "networks with a skip connection in every stage, in not every stage, or any",
        default=ANY,
        choices=(ANY, EVERY, SOME),
    )
    caps: str | None = option(
        "caps of FLOPs joined by commas, under which rules choose, as 300M,400M",
        default=None,
        metavar="CAPS",
        usual="six of the table's range",
    )
    seed: int = option("seed of the random halves and the resamples", default=0, range=Range(0, MOST_SEED))
    resamples: int = option("bootstrap resamples", default=RESAMPLES, range=Range(10, 10_000))

    def __post_init__(self) -> None:
        check(self)
        benchmark.get(self.benchmark)
        self.given_caps()

    def given_caps(self) -> tuple[float, ...]:
        """The caps in ascending order; none if they are not given.

        Raises:
            RequestError: One is not a budget, or is a band.
        """
        bounds = [parse_budget("caps", text) for text in self.caps.split(",")] if self.caps else []
        if any(bound.least for bound in bounds):
            raise RequestError(f"--caps {self.caps}: expected caps such as 300M,400M, not bands")
        return tuple(sorted({float(bound.most) for bound in bounds}))

    def name(self) -> str:
        """A short name for the folder."""
        return self.benchmark if self.skips == ANY else f"{self.benchmark}-skips-{self.skips}"


class TabularFolder(Folder[TabularRequest]):
    """The folder of a judged benchmark.

    Attributes:
        rho: CSV of the rank correlation of each score with accuracy.
        rules: CSV of what each rule chooses under each cap.
        summary: CSV of the means over caps.
        accuracy: PNG of accuracy against NN-Mass.
        choices: PNG of the percentile of each rule's choices.
    """

    request_class = TabularRequest
    kind = "tabular benchmark"
    module = "nas.tabular"
    under = Path("results/tabular")
    packages = ("numpy", "pandas", "scipy", "scikit-learn")

    def __init__(self, path: Path, request: TabularRequest, state: Mapping[str, Any] | None = None) -> None:
        super().__init__(path, request, state)
        self.rho, self.rules, self.summary = (path / f"{name}.csv" for name in ("rho", "rules", "summary"))
        self.accuracy, self.choices = path / "accuracy.png", path / "rules.png"
