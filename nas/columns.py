"""Columns of tables: title on screen, axis label in figures, and number format.

Each column takes one line here. Derived columns (`top1_std`, `cpu_ms_64`, `zen_seconds`) follow rules, and
scores are described where they are registered, in `nas.proxies`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from nas import proxies
from nas.statistics import STATISTICS
from nas.values import quantity

Format: TypeAlias = Callable[[Any], str]


def plain(value: Any) -> str:
    """A float with five significant digits; any other value as `str` writes it."""
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def percent_of_budget(fraction: float) -> str:
    """A fraction of a budget in whole percent, rounded away from 100%: only an exact fit shows 100%.

    >>> percent_of_budget(0.999), percent_of_budget(1.001)
    ('99%', '101%')
    """
    return f"{math.floor(100 * fraction) if fraction <= 1 else math.ceil(100 * fraction)}%"


def milliseconds(ms: float) -> str:
    """Milliseconds with three significant digits, without an exponent.

    >>> milliseconds(0.01234), milliseconds(9.876), milliseconds(28.04), milliseconds(1302.4)
    ('0.0123', '9.88', '28.0', '1302')
    """
    for least, digits in ((100, 0), (10, 1), (1, 2), (0.1, 3)):
        if ms >= least:
            return f"{ms:.{digits}f}"
    return f"{ms:.4f}"


PERCENT: Format = "{:.2f}%".format
"""Format of values that are in percent already."""
FRACTION: Format = "{:.0%}".format
TWO_DECIMALS: Format = "{:.2f}".format
THREE_DECIMALS: Format = "{:.3f}".format


@dataclass(frozen=True)
class Column:
    """How a column is shown.

    Attributes:
        title: Heading in a printed table; short.
        axis: Name in figures; the title by default.
        unit: Unit of the values, for axis labels.
        format: Formats a value in a printed table.
        text: Whether it holds text: aligned left, and wrapped where it is too wide.
        meaning: Content in a phrase, as in the documentation's table of columns.
    """

    title: str
    axis: str = ""
    unit: str = ""
    format: Format = plain
    text: bool = False
    meaning: str = ""

    @property
    def long_title(self) -> str:
        """Name in figures, without the unit."""
        return self.axis or self.title

    def label(self, of: str = "") -> str:
        """Axis label: name, qualifier and unit.

        Args:
            of: Qualifier, for example "on the test set".

        >>> Column("top-1", unit="%").label("on the test set")
        'top-1 on the test set, %'
        """
        words = f"{self.long_title} {of}".rstrip()
        return f"{words}, {self.unit}" if self.unit else words

    def written(self, value: Any) -> str:
        """A value as printed: "-" for a missing value; text is unchanged."""
        import pandas as pd

        if pd.isna(value):
            return "-"
        if isinstance(value, str):
            return value
        try:
            return self.format(value)
        except OverflowError:  # infinite, or larger than any float
            return "inf" if value > 0 else "-inf"


def _plain(names: str) -> dict[str, Column]:
    """Columns whose title is their name, by name."""
    return {name: Column(name) for name in names.split()}


SEARCH: Mapping[str, Column] = {
    "rank": Column("rank", meaning="place in the order of the goal, from 1; empty if not known"),
    "name": Column("name", text=True, meaning="name of a reference, or `like`"),
    "arch": Column("arch", "architecture", text=True, meaning="spec of the network"),
    "resolution": Column(
        "px", "resolution", "pixels", meaning="side of the images, in pixels; with `--resolutions`"
    ),
    "macs": Column("MACs", format=quantity, meaning="multiply-adds of convolutions and linear layers"),
    "peak_memory": Column(
        "peak B",
        "peak activation memory",
        "bytes",
        quantity,
        meaning="peak activation memory of one input, in bytes; with `--max peak-memory`",
    ),
    "found": Column(
        "found",
        meaning="`proof`, `trial N` for the first trial that proposed the network; `study` with `--storage`",
    ),
    "front": Column("front", meaning="whether it is a point of the exact front; with `--pareto`"),
    "recounted": Column("recounted", meaning="whether fvcore counted it"),
    "options": Column("options", text=True, meaning="the options of a choice; with `--choices`"),
}
"""Columns of a search, without its scores; `docs/search.md` has the same meanings."""

_TRAINING: Mapping[str, Column] = {
    **_plain(
        "row dataset recipe seed seeds epochs best_epoch tested_on device compiled status reason warning"
    ),
    "number": Column("epoch"),
    "train_loss": Column("loss", "training loss", format=THREE_DECIMALS),
    "top1": Column("top-1", "top-1 accuracy", "%", PERCENT),
    "top5": Column("top-5", "top-5 accuracy", "%", PERCENT),
    "seconds": Column("s", "seconds", format=THREE_DECIMALS),
    "images_per_second": Column("images/s", "images per second"),
    "waiting": Column("waiting", "fraction of time spent waiting for data", format=FRACTION),
    "gpu_memory_mb": Column("GPU MiB", "GPU memory", "MiB"),
}

_STUDY: Mapping[str, Column] = {
    **_plain("band pairs times outside overlap p_one p_parallel"),
    "score": Column("score", text=True),
    "rule": Column("rule", text=True),
    "base": Column("base", "base width", text=True),
    "networks": Column("n", "networks"),
    "r2_networks": Column("n", "networks with a finite score"),
    **{one.name: Column(one.title, one.axis, format=TWO_DECIMALS) for one in STATISTICS},
    "least": Column("from", "smallest", format=quantity),
    "most": Column("to", "largest", format=quantity),
    "slope": Column("slope", format=TWO_DECIMALS),
    "above": Column("above", "above the first base width", "points", TWO_DECIMALS),
    "above_first": Column("first", "above the first network", "points", TWO_DECIMALS),
    "above_median": Column("median", "above the median", "points", TWO_DECIMALS),
    "difference": Column("difference", unit="points", format=TWO_DECIMALS),
    "error": Column("error", "standard error", "points", TWO_DECIMALS),
    "regret": Column("regret", unit="points", format=TWO_DECIMALS),
    "regret_90": Column("regret 90%", "90th percentile of regret", "points", TWO_DECIMALS),
    "beaten": Column("fraction better", format=FRACTION),
    "latency_device": Column("device"),
    "latency_threads": Column("threads"),
}

_TABULAR: Mapping[str, Column] = {
    **_plain("n bands cap interval block among lacking samples"),
    "held_equal": Column("held equal"),
    "per_10m": Column("per 10M", "points per 10M FLOPs", format=TWO_DECIMALS),
    "percentile": Column("percentile", "percentile among networks of equal cost", format="{:.0f}".format),
    "contain": Column("contain", "intervals that contain what they estimate", "%", "{:.1f}".format),
    "too_low": Column("too low", "intervals below what they estimate", "%", "{:.1f}".format),
    "too_high": Column("too high", "intervals above what they estimate", "%", "{:.1f}".format),
}
"""Columns of tabular benchmarks."""

_STAGES: Mapping[str, Column] = {
    **_plain("stage blocks"),
    "skips": Column("skips", "blocks with a skip connection"),
    "blocks_skips": Column("blocks\n/skips", "blocks, and those with a skip connection"),
    "channels": Column("width", "output channels"),
    "side": Column("side", "side of the output", "pixels"),
}
"""Columns of the stages of a network."""

_FITS: Mapping[str, Column] = {
    **_plain("target model budget draws"),
    "fitted_to": Column("fitted to", "networks of the fit"),
    "judged_on": Column("judged on", "networks that the fit has not seen"),
    "rmse": Column("error", "root mean squared error"),
    "equal_flops": Column("rho at equal FLOPs", format=TWO_DECIMALS),
    "best_tenth": Column("best tenth", "mean error of the tenth predicted best"),
    "coverage": Column("coverage", "fraction of 90% intervals that contain the value", format=FRACTION),
    "optimism": Column("optimism", "overestimation of chosen networks"),
    "judged": Column("judged", "top-1 accuracy by the judge", "%", PERCENT),
    "judged_ten": Column("ten judged", "mean top-1 of the first ten by the judge", "%", PERCENT),
    "judged_sd": Column("std", "standard deviation of top-1 by the judge", "points", TWO_DECIMALS),
    "by_first_half": Column("by first half", "top-1 by trees of the first half", "%", PERCENT),
    "by_other_ten": Column(
        "ten by other half", "mean top-1 of the first ten by a score of the other half", "%", PERCENT
    ),
    "predicted": Column("predicted", "predicted top-1", "%", PERCENT),
    "predicted_ten": Column("ten predicted", "mean predicted top-1 of the first ten", "%", PERCENT),
    "half": Column("±", "half-width of the interval", "points", TWO_DECIMALS),
    "expected": Column("expected", "predicted top-1 without optimism", "%", PERCENT),
    "ms_promised": Column("ms", "promised latency", "ms", milliseconds),
    "ms_judged": Column("ms judged", "latency by a fit to the other half", "ms", milliseconds),
    "chosen": Column("chosen", "networks chosen or searched"),
    "trained": Column("trained", "published top-1 of the best trained network", "%", PERCENT),
    "sd": Column("std", "standard deviation", "points", TWO_DECIMALS),
    "above_nn_mass": Column("above NN-Mass", unit="points", format=TWO_DECIMALS),
    "better_than_nn_mass": Column("above NN-Mass", "fraction of draws above NN-Mass", format=FRACTION),
    "above_root_params": Column("above root_params", unit="points", format=TWO_DECIMALS),
    "better_than_root_params": Column("above", "fraction of draws above root_params", format=FRACTION),
    "below_best": Column("below best", "below the best for the judge", "points", TWO_DECIMALS),
}
"""Columns of what fitted scores are worth, under `results/fitted`."""

_MEASUREMENTS: Mapping[str, Column] = {
    **_plain(
        "command space sampler trials runs architectures cells grown size question answer gap proven best"
    ),
    **_plain(
        "files min max median of_maximum network side loop note tflops engine batch threads round rounds"
    ),
    **_plain(
        "load ratio low high family source counted width better worse sample terms layouts coefficients"
    ),
    **_plain("study run workers launcher tasks trainings faster megabytes"),
    "rate": Column("rate", "trials per second", format=TWO_DECIMALS),
    "cpu_seconds": Column("CPU s", "seconds of the processor", "s", THREE_DECIMALS),
    "fastest": Column("fastest", unit="s", format=THREE_DECIMALS),
    "slowest": Column("slowest", unit="s", format=THREE_DECIMALS),
    "per_second": Column("per second"),
    "of_matrix_product": Column("of product", "fraction of the speed of a matrix product", format=FRACTION),
    "points": Column("points", "points of top-1 accuracy", format=TWO_DECIMALS),
    "printed": Column("printed", "published cost", text=True),
    "kept_width": Column("kept width", "largest width at which MobileNetV2 meets the budget"),
    "baseline": Column("baseline", "recipe of the baseline"),
    "baseline_top1": Column("baseline top-1", "top-1 accuracy of MobileNetV2 at equal FLOPs", "%", PERCENT),
    "octaves": Column("octaves", "doublings of FLOPs beyond the baseline's networks", format=TWO_DECIMALS),
    "params_millions": Column("params", "parameters", "millions"),
    "largest_mass": Column("largest NN-Mass", format="{:.1f}".format),
    "scoring_share": Column("scoring", "fraction of time spent scoring", format=FRACTION),
    "table_ratio": Column("table ratio", format=TWO_DECIMALS),
    "wall_ratio": Column("wall ratio", format=TWO_DECIMALS),
    "ms": Column("ms", "milliseconds", format=milliseconds),
    "blocks_ms": Column("blocks\nms", "sum of the latencies of blocks", "ms", milliseconds),
}
"""Columns of the benchmarks, latencies and published accuracies under `results/`."""

_COLUMNS: Mapping[str, Column] = {
    **_MEASUREMENTS,
    **_FITS,
    **_TABULAR,
    **_STAGES,
    **_STUDY,
    **_TRAINING,
    **SEARCH,
}

_MEDIAN = re.compile(r"(cpu|cuda|onnx)_ms(_\d+)?")
_QUARTILE = re.compile(_MEDIAN.pattern + r"_(low|high)")
_UNIT = re.compile(r"(?P<of>\w+)_(?P<unit>s|ms|mb)")

_ENDINGS: Mapping[str, Callable[[Column], Column]] = {
    "_share": lambda of: Column(
        f"% {of.title}", f"fraction of {of.long_title} budget", format=percent_of_budget
    ),
    "_of_network": lambda of: Column("%", f"fraction of the network's {of.long_title}", format=FRACTION),
    "_of_1": lambda of: replace(of, title=f"{of.title}\n1", axis=f"{of.long_title} of the first network"),
    "_of_2": lambda of: replace(of, title="\n2", axis=f"{of.long_title} of the second network"),
    "_seconds": lambda of: Column(f"{of.title} s", of.long_title, "s", THREE_DECIMALS),
    "_expected": lambda of: replace(of, axis=f"expected {of.long_title}"),
    "_outside": lambda of: Column("outside", f"where {of.title} is outside of its range", text=True),
    "_mean": lambda of: replace(of, title=f"mean {of.title}", axis=f"mean {of.long_title}"),
    "_std": lambda of: replace(of, title=f"std {of.title}", axis=f"standard deviation of {of.long_title}"),
    "_low": lambda of: replace(of, title="from", axis=f"lower end of {of.long_title}"),
    "_high": lambda of: replace(of, title="to", axis=f"upper end of {of.long_title}"),
    "_half": lambda of: replace(of, title="±", axis=f"half-width of the interval of {of.long_title}"),
    "_error": lambda of: replace(of, title="±", axis=f"standard error of {of.long_title}"),
    "_least": lambda of: replace(of, title="from", axis=f"smallest {of.long_title}"),
    "_largest": lambda of: replace(of, title="to", axis=f"largest {of.long_title}"),
    "_ratio": lambda of: replace(
        of, title=f"{of.title} ratio", axis=f"ratio of {of.long_title}", format=plain
    ),
    "_small": lambda of: replace(of, title=f"small {of.title}", axis=f"{of.long_title} of the smaller"),
    "_large": lambda of: replace(of, title=f"large {of.title}", axis=f"{of.long_title} of the larger"),
    "_right": lambda of: replace(of, title=f"{of.title} right", axis=f"{of.long_title} in the right order"),
    "_ten": lambda of: replace(of, title=f"{of.title}, ten", axis=f"{of.long_title}, mean of the first ten"),
    "_half_1": lambda of: replace(of, title=f"{of.title}, half 1", axis=f"{of.long_title} in one half"),
    "_half_2": lambda of: replace(of, title=f"{of.title}, half 2", axis=f"{of.long_title} in the other half"),
    "_2": lambda of: replace(of, title=f"second {of.title}"),
}
_BEGINNINGS: Mapping[str, Callable[[Column], Column]] = {
    "best_": lambda of: replace(of, title=f"best {of.title}", axis=f"best {of.long_title}"),
    "base_": lambda of: replace(of, title=f"base {of.title}", axis=f"{of.long_title} within a base width"),
    "held_out_": lambda of: replace(
        of, title=f"held-out {of.title}", axis=f"{of.long_title} on held-out images"
    ),
}


def known(name: str) -> Column | None:
    """The column of that name: listed above, derived by a rule, or a score; None otherwise."""
    if name in _COLUMNS and not is_fitted(name):
        return _COLUMNS[name]
    if is_median(name):
        return Column(name.replace("_", "\n", 1), name.replace("_", " "), format=milliseconds)
    for ending, rule in _ENDINGS.items():
        if name.endswith(ending) and (of := known(name.removesuffix(ending))):
            return rule(of)
    for beginning, rule in _BEGINNINGS.items():
        if name.startswith(beginning) and (of := known(name.removeprefix(beginning))):
            return rule(of)
    if score := proxies.named(name):
        return Column(score.title, score.axis, format=score.number_format)
    if match := _UNIT.fullmatch(name):
        return Column(name, match["of"].replace("_", " "), "MiB" if match["unit"] == "mb" else match["unit"])
    return None


def column(name: str) -> Column:
    """The column of that name; an unknown column has its name as the title."""
    return known(name) or Column(name)


def of_search(name: str) -> bool:
    """Whether it names a column of a search table other than a score."""
    return name in SEARCH


def is_median(name: str) -> bool:
    """Whether it names a column of median latencies."""
    return _MEDIAN.fullmatch(name) is not None


def is_fitted(name: str) -> bool:
    """Whether it names the column of a fitted score."""
    return proxies.is_fitted(name)


def is_quartile(name: str) -> bool:
    """Whether it names a column of the lower or upper quartile of a latency."""
    return _QUARTILE.fullmatch(name) is not None
