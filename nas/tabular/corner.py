"""A corner of Accel-NASBench that few of its networks lie in, with accuracies predicted from all of them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nas.statistics import spearman
from nas.tabular.benchmark import Published
from search_spaces import MBConv, RequestError, get
from search_spaces.chain import ChainArchitecture

FOLDS = 5
_LEAST = 20
"""Smallest number of networks that the prediction is fitted on."""


def predicted(known: Published) -> Published:
    """All networks of MobileNetV2's blocks in space mbconv, with top-1 predicted by boosted trees.

    The blocks have expansions 1 6 6 6 6 6 6, kernel 3 and no squeeze-and-excitation; the depths vary. The
    trees are scikit-learn's HistGradientBoostingRegressor, fitted on all networks of the table; the columns
    are expansion, kernel, depth and squeeze-and-excitation of each stage.

    Args:
        known: Networks of space mbconv with their accuracies.

    Raises:
        RequestError: There are too few networks to fit.
    """
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.model_selection import KFold, cross_val_predict
    from threadpoolctl import threadpool_limits

    top1 = known.table["top1"].to_numpy(float)
    if len(top1) < _LEAST:
        raise RequestError(f"{len(top1)} networks are too few for a prediction; at least {_LEAST} are needed")
    columns = _columns(known.networks)
    trees = HistGradientBoostingRegressor(
        max_iter=1000, learning_rate=0.1, max_leaf_nodes=6, l2_regularization=1.0, random_state=0
    )
    folds = KFold(FOLDS, shuffle=True, random_state=0)
    networks = corner()
    with threadpool_limits(1):  # threads that wait for each other on a busy machine take many times as long
        held_out = cross_val_predict(trees, columns, top1, cv=folds)
        values = trees.fit(columns, top1).predict(_columns(networks))
    error = held_out - top1
    note = (
        f"Predicted, not measured: boosted trees fitted on {len(top1):,} networks;"
        f" {FOLDS}-fold cross-validated R² {1 - error.var() / top1.var():.3f},"
        f" rho {spearman(held_out, top1):.3f}, RMSE {np.sqrt((error**2).mean()):.2f} points."
    )
    return Published(networks, pd.DataFrame({"top1": values}), (note,))


def corner() -> list[ChainArchitecture]:
    """All networks of the corner.

    >>> len(corner()), str(corner()[0])
    (2916, 'mbconv:e1-6-6-6-6-6-6_k3-3-3-3-3-3-3_d1-1-1-1-1-1-1_se0000000')
    """
    choices = get("mbconv").choices
    depths = [[int(depth) for depth in choices[f"depth_{stage}"]] for stage in range(1, 8)]
    return [MBConv(kernels=(3,) * 7, depths=each, se=(False,) * 7) for each in product(*depths)]


def _columns(networks: Sequence[ChainArchitecture]) -> NDArray[np.float64]:
    return np.array([list(network.choices().values()) for network in networks], float)
