"""Named networks among the sample: rank and margins."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nas.study.standing import standing
from nas.train.folder import load
from search_spaces import MLP, RequestError
from tests.conftest import Command
from tests.nas.study.populations import FEW_RESAMPLES, networks_of, short_training
from tests.nas.train.conftest import images

__all__ = ["images"]


def test_known_margins() -> None:
    networks = networks_of(9)
    networks["top1"] = [50.0, 52.0, 40.0, 41.0, 42.0, 43.0, 44.0, 45.0, 60.0]
    first, second = networks["arch"][:2]
    found = standing(networks, [first, "mlp:w8_d99_t4", second]).set_index("arch")
    assert found["rank"].tolist() == [3, 2] and (found["networks"] == 9).all()
    assert found["above_first"].tolist() == [0, 2] and found["above_median"].tolist() == [7, 9]
    assert found["error"].tolist() == pytest.approx([0.2 / np.sqrt(2)] * 2)
    assert (
        found.loc[second, "above_first_error"] == pytest.approx(0.2)
        and found["above_first_error"][first] == 0
    )
    networks["seeds"], networks["top1_std"] = 1, np.nan
    assert standing(networks, [first])["error"].isna().all()
    assert standing(networks, ["mlp:w8_d99_t4"]).empty


def test_named_networks_are_compared_with_the_sample(command: Command, images: Path, tmp_path: Path) -> None:
    named = [str(MLP(depth=3)), str(MLP(depth=7, links=3))]
    sampling = ("--space", "mlp", "--fix", "width=8", "--count", "8", "--draw", "uniform")
    training_options = short_training(images)
    options = (
        "--scores",
        "nn_mass",
        "depth",
        "--initialisations",
        "1",
        "--named-seeds",
        "0,1",
        "--out",
        "study",
    )
    done = command(
        "nas.study", "--arch", *named, *sampling, *training_options, *options, constants=FEW_RESAMPLES
    )
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    stand = pd.read_csv(tmp_path / "study" / "standing.csv")
    assert len(stand) == 2 and (stand["networks"] == 10).all() and stand["above_first"].iloc[0] == 0
    assert stand["error"].notna().all()
    networks = pd.read_csv(tmp_path / "study" / "networks.csv").set_index("arch")
    assert networks["seeds"].tolist() == [2, 2] + [1] * 8
    table = networks["top1"]
    sample = table.drop(stand["arch"])
    assert stand["above_median"].tolist() == pytest.approx((stand["top1"] - sample.median()).tolist())
    assert (pd.read_csv(tmp_path / "study" / "correlations_drawn.csv")["networks"] == 8).all()
    assert (tmp_path / "study" / "standing.png").read_bytes().startswith(b"\x89PNG")
    training = tmp_path / "study" / "training"
    assert load(training, row=2, seed=1) and load(training, row=3)
    with pytest.raises(RequestError, match=r"row 3 of .* has seeds 0, not 1"):
        load(training, row=3, seed=1)
    rules = pd.read_csv(tmp_path / "study" / "rules.csv")
    assert set(rules["rule"]) == {"random", "nn_mass", "depth"}
