"""What trainings have shown of the first row of a search: said beneath its table."""

from __future__ import annotations

from dataclasses import dataclass

from nas.search.request import DEFAULT_SCORE, Request

WHERE = "results/README.md"


@dataclass(frozen=True)
class Comparison:
    """A network against the reference, trained alike at equal FLOPs.

    Attributes:
        arch: Its spec, as trained.
        margin: Points of accuracy that it reaches above the reference.
        error: The standard error of that, over seeds.
    """

    arch: str
    margin: float
    error: float

    def __str__(self) -> str:
        return f"{self.margin:+.1f} ± {self.error:.1f} points"


@dataclass(frozen=True)
class Evidence:
    """What is known of the first choices in a space.

    Attributes:
        setting: What was trained, and how.
        reference: What they are compared with.
        first: The first of all widths.
        of_its_width: The first of the reference's own width.
        folder: The study, under `results/`.
    """

    setting: str
    reference: str
    first: Comparison
    of_its_width: Comparison
    folder: str


EVIDENCE = {
    "mobilenet": Evidence(
        setting="a rehearsal with small networks (105M FLOPs; CIFAR-10, 12,000 images, 5 epochs)",
        reference="MobileNetV2",
        first=Comparison("mobilenet:w0.35_d2-2-5-6-5-5-3_r32_c10_s1", -8.2, 1.3),
        of_its_width=Comparison("mobilenet:w0.5_d1-1-1-5-2-5-2_r32_c10_s1", -0.4, 1.3),
        folder="rehearsal/equal-cost",
    )
}
"""By space."""


def said(request: Request) -> str | None:
    """What is known of how good the first row is; nothing where the goal is not the largest NN-Mass."""
    if request.score != DEFAULT_SCORE or request.like is not None or request.pareto is not None:
        return None
    known = EVIDENCE.get(request.space)
    if known is None:
        return (
            "Is row 1 a good network? Not known: no first row of this space was trained beside others of"
            f" equal cost ({WHERE})."
        )
    return (
        f"Is row 1 a good network? Not known: none was trained to the end. In {known.setting}, against"
        f" {known.reference} at equal FLOPs, the first by NN-Mass came to {known.first}, the first of"
        f" {known.reference}'s width to {known.of_its_width} ({WHERE})."
    )
