"""What trainings have shown of the first row of a search: a caution beneath its table."""

from __future__ import annotations

from dataclasses import dataclass

from nas.optimize.request import DEFAULT_SCORE, Request

WHERE = "results/README.md"


@dataclass(frozen=True)
class Margin:
    """How a network compares with the reference, trained alike.

    Attributes:
        arch: Its spec, as trained.
        points: Points of accuracy that it reaches above the reference.
        error: The standard error of that, over seeds; none where each was trained once.
    """

    arch: str
    points: float
    error: float | None = None

    def __str__(self) -> str:
        return f"{self.points:+.1f}" + (f" ± {self.error:.1f}" if self.error is not None else " (one run)")


@dataclass(frozen=True)
class Trained:
    """First rows under one budget, trained beside the reference under the same budget.

    Attributes:
        budget: FLOPs of the search, as written.
        folder: The study, under `results/`.
        first: The first of all widths.
        of_its_width: The first of the reference's width.
    """

    budget: str
    folder: str
    first: Margin
    of_its_width: Margin


@dataclass(frozen=True)
class Evidence:
    """What is known of the first rows in a space.

    Attributes:
        setting: How they were trained.
        reference: What they are compared with.
        trained: By budget.
    """

    setting: str
    reference: str
    trained: tuple[Trained, ...]


EVIDENCE = {
    "mobilenet": Evidence(
        setting="5-epoch pilot runs (12,000 images of CIFAR-10)",
        reference="MobileNetV2",
        trained=(
            Trained(
                budget="105M",
                folder="pilot/equal-cost",
                first=Margin("mobilenet:w0.35_d2-2-5-6-5-5-3_r32_c10_s1", -8.2, 1.3),
                of_its_width=Margin("mobilenet:w0.5_d1-1-1-5-2-5-2_r32_c10_s1", -0.4, 1.3),
            ),
            Trained(
                budget="400M",
                folder="pilot/equal-cost-400M",
                first=Margin("mobilenet:w0.85_d2-1-2-6-5-5-3_r32_c10_s1", -5.4),
                of_its_width=Margin("mobilenet:w1.1_d1-1-2-6-1-5-2_r32_c10_s1", -0.2),
            ),
        ),
    )
}
"""By space."""


def caution(request: Request) -> str | None:
    """What is known of how good the first row is; nothing where the goal is not the largest NN-Mass."""
    if request.score != DEFAULT_SCORE or request.like is not None or request.pareto is not None:
        return None
    known = EVIDENCE.get(request.space)
    if known is None:
        return f"Caution: no top-ranked network of this space was trained beside others ({WHERE})."
    budgets, first, of_width = (
        " and ".join(parts)
        for parts in zip(
            *((one.budget, str(one.first), str(one.of_its_width)) for one in known.trained), strict=True
        )
    )
    return (
        f"Caution: not validated by full training. In {known.setting} under {budgets} FLOPs, the top-ranked"
        f" network scored {first} points against {known.reference} at equal FLOPs; the top-ranked of"
        f" {known.reference}'s width scored {of_width} ({WHERE})."
    )
