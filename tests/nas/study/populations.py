"""Fixtures of the tests of studies: a table with a known answer, and the options of a short training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

FEW_RESAMPLES = {"nas.study.stats.RESAMPLES": 50}
"""For a command whose intervals are not looked at."""


def networks_of(count: int = 24, noise: float = 0.0) -> pd.DataFrame:
    """Accuracy is that of depth less that of size."""
    generator = np.random.default_rng(0)
    depth, params = generator.uniform(1, 3, count), generator.uniform(1, 3, count)
    return pd.DataFrame(
        {
            "arch": [f"mlp:w{8 * (1 + place % 2)}_d{3 + place}_t4" for place in range(count)],
            "depth": np.exp(depth),
            "params": np.exp(params),
            "naswot": depth - params + noise * generator.normal(size=count),
            "zen": np.full(count, np.nan),
            "top1": 50 + 10 * (depth - params),
            "top1_std": 0.2,
            "seeds": 2,
        }
    )


def short_training(images: Path) -> tuple[str, ...]:
    """Options of one epoch on a folder of images."""
    recipe = ("epochs=1", "batch_size=12", "lr=0.02")
    return ("--dataset", "folder", "--data", str(images), "--set", *recipe)
