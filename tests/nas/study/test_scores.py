"""The table of scores."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import pandas as pd

from nas import proxies
from nas.study.scores import Measuring, of_data, scored
from nas.train.data import Data, fitted
from search_spaces import MLP
from tests.nas.train.conftest import data, images

__all__ = ["data", "images"]


def test_scores_are_written_after_each_network(data: Data, tmp_path: Path) -> None:
    networks = [fitted(MLP(depth=depth), data) for depth in (3, 4, 5)]
    names = proxies.names()
    answers = iter([False, True])

    how = Measuring(partial(of_data, data, 8), names, (0,))
    first = scored(networks, how, tmp_path / "scores.csv", lambda: next(answers))
    assert len(first) == 1
    whole = scored(networks, how, tmp_path / "scores.csv")
    assert whole["arch"].tolist() == list(map(str, networks))
    again, other, both = (
        scored(networks, replace(how, seeds=seeds), tmp_path / f"{len(seeds)}{seeds[0]}.csv")[list(names)]
        for seeds in ((0,), (1,), (0, 1))
    )
    pd.testing.assert_frame_equal(whole[list(names)], again)
    pd.testing.assert_frame_equal(both, (again + other) / 2)
