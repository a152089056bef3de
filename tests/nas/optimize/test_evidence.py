"""The evidence on the first network of a search is that of the committed tables."""

from __future__ import annotations

import pandas as pd
import pytest

from nas.optimize.evidence import _IMAGENET
from tests.conftest import REPOSITORY


@pytest.mark.parametrize(
    ("space", "table", "rule"),
    [
        ("mobilenet", "accel-nasbench-mobilenet", "nn_mass with skips"),  # its stages have skips
        ("mobilenet-wide", "accel-nasbench-expanded", "nn_mass with skips"),
        ("mbconv", "accel-nasbench", "nn_mass"),
        ("mbconv", "accel-nasbench", "root_params"),
        ("mobilenetv3", "ofa", "nn_mass"),
    ],
)
def test_percentiles_are_those_of_the_tables(space: str, table: str, rule: str) -> None:
    folder = REPOSITORY / "results/tabular" / table
    row = pd.read_csv(folder / "summary.csv").set_index("rule").loc[rule]
    interval = f"[{row['percentile_low']:.0f}, {row['percentile_high']:.0f}]"
    assert f"{row['percentile']:.0f}% {interval}" in _IMAGENET[space]
    choices = pd.read_csv(folder / "rules.csv")
    caps = sorted(set.intersection(*(set(rows["cap"]) for _, rows in choices.groupby("rule"))))
    assert f"at {caps[0] / 1e6:.0f}M to {caps[-1] / 1e6:.0f}M FLOPs" in _IMAGENET[space]
