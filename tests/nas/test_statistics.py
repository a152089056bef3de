"""Statistics of scores and accuracies: known values, and their columns."""

from __future__ import annotations

import math

import numpy as np
import pytest

from nas.columns import column
from nas.statistics import STATISTICS, kendall, r_squared, spearman


def test_statistics_of_known_values() -> None:
    up, down = np.array([1.0, 2.0, 3.0, 4.0]), np.array([9.0, 8.0, 4.0, 1.0])
    assert spearman(up, up) == kendall(up, up) == 1 and r_squared(up, 3 - 2 * up) == pytest.approx(1)
    assert spearman(up, down) == kendall(up, down) == -1
    swapped = np.array([1.0, 3.0, 2.0, 4.0])  # one of six pairs is in another order
    assert kendall(up, swapped) == pytest.approx(4 / 6) and spearman(up, swapped) == pytest.approx(0.8)
    assert all(math.isnan(statistic(np.ones(4), up)) for statistic in (spearman, kendall, r_squared))
    assert math.isnan(r_squared(np.array([1.0, -np.inf, 2.0]), up[:3]))


def test_every_statistic_has_a_column_for_itself_and_its_interval() -> None:
    assert [one.name for one in STATISTICS] == ["rho", "tau", "r2"]
    for one in STATISTICS:
        assert (column(one.name).title, column(one.name).label()) == (one.title, one.axis)
        assert column(f"{one.name}_low").label() == f"lower end of {one.axis}"
        assert column(one.name).written(0.5) == column(f"{one.name}_high").written(0.5) == "0.50"
