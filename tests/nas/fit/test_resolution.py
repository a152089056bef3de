"""The effect of the resolution on accuracy: found from networks at several resolutions, or refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nas.fit.resolution import effect, fitted
from nas.fitted.resolution import TF_SLIM
from search_spaces import MobileNet, RequestError

SIDES = (128, 160, 224)
NETWORKS = [MobileNet(width_mult=width, resolution=side) for width in (0.5, 0.75, 1.0) for side in SIDES]
TOP1 = np.array([TF_SLIM.value(60 + 10 * one.width_mult, one.resolution) for one in NETWORKS])


def test_the_effect_of_exact_accuracies_is_found(tmp_path: Path) -> None:
    found = fitted(NETWORKS, TOP1, "made", 224)
    assert (found.slope, found.curvature) == (TF_SLIM.slope, TF_SLIM.curvature)
    assert (found.least, found.most) == (128, 224) and found.error < 1e-9
    table = tmp_path / "own.csv"
    pd.DataFrame({"arch": list(map(str, NETWORKS)), "top1": TOP1}).to_csv(table, index=False)
    own = effect(str(table), "top1", 160)
    assert own.slope == TF_SLIM.rebased(160).slope
    assert own.value(70.0, 224) == pytest.approx(TF_SLIM.value(TF_SLIM.at_base(70.0, 160), 224), abs=1e-4)
    with pytest.raises(RequestError, match="from 128 to 224 pixels, and the networks of the fit have 64"):
        effect(str(table), "top1", 64)


def test_what_has_no_effect_is_refused() -> None:
    with pytest.raises(RequestError, match="did you mean tfslim"):
        effect("tfslm", "top1", 224)
    with pytest.raises(RequestError, match="no network has several resolutions"):
        fitted(NETWORKS[::3], TOP1[::3], "made", 224)
    with pytest.raises(RequestError, match="below 100%"):
        fitted(NETWORKS, TOP1 + 60, "made", 224)
    with pytest.raises(RequestError, match="expected percent; multiply fractions by 100"):
        fitted(NETWORKS, TOP1 / 100, "made", 224)
