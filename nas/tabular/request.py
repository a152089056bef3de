"""The request of a tabular benchmark, and the folder of its results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nas import proxies
from nas.bounds import parse_budget
from nas.options import check, documented, flags_of, option, options_of
from nas.runs import Folder
from nas.schema import Stored
from nas.tabular import benchmark
from nas.train.config import DATA, MOST_PROCESSES, MOST_SIDE, NAMED
from nas.values import MOST_IMAGES, MOST_SEED, Range
from search_spaces import RequestError
from search_spaces.errors import shown

RESAMPLES = 400
"""Default number of bootstrap resamples."""
ANY, EVERY, SOME = "any", "every", "not-every"
"""Values of `skips`."""
SAMPLE = 240
"""Default number of networks that scores are measured on."""
SAMPLED = 20
"""Networks of the sample in a band of equal FLOPs."""
NOISE = "noise"
"""Value of `dataset` for images of normal noise with random labels."""
_IMAGES = (*NAMED, "imagenet", "folder")
_OF_MEASURES = ("dataset", "image_folder", "image_size", "score_batch", "threads")
"""Fields that say how scores are measured."""


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
    seed: int = option(
        "seed of the sample, the measured scores, the random halves and the resamples",
        default=0,
        range=Range(0, MOST_SEED),
    )
    resamples: int = option("bootstrap resamples", default=RESAMPLES, range=Range(10, 10_000))
    measure: tuple[str, ...] = option(
        "scores to measure beside the closed forms, as zen synflow", default=(), metavar="SCORE"
    )
    sample: int | None = option(
        "judge only N networks, drawn from bands of equal FLOPs",
        default=None,
        range=Range(2 * SAMPLED),
        usual=f"all; {SAMPLE} with --measure",
    )
    dataset: str = option(
        f"images to measure on: {', '.join((NOISE, *_IMAGES))}",
        default=NOISE,
        choices=(NOISE, *_IMAGES),
        metavar="NAME",
    )
    image_folder: str = option("folder of these images", default=DATA, metavar="DIR")
    image_size: int | None = option(
        "side of the images",
        default=None,
        range=Range(1, MOST_SIDE),
        usual="that of the benchmark, or of the data set",
    )
    score_batch: int = option("images in a batch", default=proxies.BATCH, range=Range(4, MOST_IMAGES))
    threads: int = option("threads that measure, on the CPU", default=1, range=Range(1, MOST_PROCESSES))

    def __post_init__(self) -> None:
        check(self)
        benchmark.get(self.benchmark)
        self.given_caps()
        self._check_measures()

    def _check_measures(self) -> None:
        for name in self.measure:
            if proxies.get(name).fitted:
                raise RequestError(
                    f"--measure {name}: it is a fitted score, which is predicted, not measured; leave it out"
                )
            if proxies.get(name).closed_form:
                raise RequestError(
                    f"--measure {name}: it is a closed form, which is judged anyway; leave it out"
                )
            if self.measure.count(name) > 1:
                raise RequestError(f"--measure has {name} twice; give each score once")
        if not self.measure:
            options = options_of(type(self))
            given = {name: getattr(self, name) for name in _OF_MEASURES}
            given = {name: value for name, value in given.items() if value != options[name].default}
            if given:
                flags = ", ".join(flags_of(type(self), given))
                raise RequestError(f"{flags}: no score is measured; add --measure, or leave them out")
        if self.image_size is not None and self.dataset in NAMED:
            raise RequestError(
                f"--image-size {self.image_size}: {shown(self.dataset)} has one size of its own; leave it out"
            )

    @property
    def sampled(self) -> int | None:
        """The number of networks to draw; None for all."""
        return self.sample or (SAMPLE if self.measure else None)

    def given_caps(self) -> tuple[float, ...]:
        """The caps in ascending order; none if they are not given.

        Raises:
            RequestError: One is not a budget, or is a band.
        """
        return tuple(sorted({self._cap(text) for text in self.caps.split(",")})) if self.caps else ()

    def _cap(self, text: str) -> float:
        try:
            bound = parse_budget("caps", text)
        except RequestError:
            bound = None
        if bound is None or bound.least:
            raise RequestError(
                f"--caps {shown(self.caps)}: {shown(text)} is not a cap; expected caps of FLOPs joined by"
                " commas, as 300M,400M"
            )
        return bound.most

    def name(self) -> str:
        """A short name for the folder."""
        return self.benchmark if self.skips == ANY else f"{self.benchmark}-skips-{self.skips}"


class TabularFolder(Folder[TabularRequest]):
    """The folder of a judged benchmark.

    Attributes:
        rho: CSV of the rank correlation of each score with accuracy.
        rules: CSV of what each rule chooses under each cap.
        summary: CSV of the means over caps.
        scores: CSV of the measured scores of each network, with the closed forms and the seconds of all.
        batch: Checksum of the batch that scores are measured on; None if none are.
        accuracy: PNG of accuracy against NN-Mass.
        choices: PNG of the percentile of each rule's choices.
    """

    request_class = TabularRequest
    kind = "tabular benchmark"
    module = "nas.tabular"
    under = Path("results/tabular")
    packages = ("numpy", "pandas", "scipy", "scikit-learn", "torch")

    def __init__(self, path: Path, request: TabularRequest, state: Mapping[str, Any] | None = None) -> None:
        super().__init__(path, request, state)
        self.rho, self.rules, self.summary = (path / f"{name}.csv" for name in ("rho", "rules", "summary"))
        self.scores = path / "scores.csv"
        self.accuracy, self.choices = path / "accuracy.png", path / "rules.png"
        self.batch: str | None = self.fact("batch", str | None, None)

    def facts(self) -> dict[str, Any]:
        """Facts for run.json: the checksum of the batch, if scores are measured."""
        return {"batch": self.batch} if self.batch else {}
