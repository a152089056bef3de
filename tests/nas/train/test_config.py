"""Configurations of trainings: stored, compared, and made from tables."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from nas.train.cli import _parser, config_of
from nas.train.config import RECIPES, TrainConfig, from_table
from search_spaces import RequestError


@pytest.mark.parametrize("name", RECIPES)
def test_configurations_round_trip_through_json(name: str) -> None:
    config = TrainConfig(
        ("mlp:mlp_8",), "folder", "data", name, RECIPES[name], (0, 1), cache="disk", image_size=32
    )
    assert TrainConfig.of_json(json.loads(json.dumps(config.as_json()))) == config
    assert config.differences(replace(config, val_fraction=0.5)) == ["val_fraction 0.0 and not 0.5"]
    assert config.differences(config) == []
    more = RECIPES["quick"].override({"epochs": 30})
    config = replace(config, recipe="quick", values=RECIPES["quick"])
    assert config.differences(replace(config, values=more)) == ["epochs 15 and not 30"]
    assert config.differences(replace(config, values=replace(more, warmup=9.0))) == [
        "epochs 15 and not 30",
        "warmup 2 and not 9.0",
    ]
    assert config.differences(replace(config, recipe="cifar", values=RECIPES["cifar"])) == [
        "recipe quick and not cifar"
    ]


def test_generated_points_have_a_fixed_size() -> None:
    with pytest.raises(RequestError, match="--image-size 4: seg20 has one size of its own"):
        TrainConfig(("mlp:mlp_8",), "seg20", "data", "mlp", RECIPES["mlp"], image_size=4)


def test_missing_rows_of_a_table_are_refused(tmp_path: Path) -> None:
    pd.DataFrame({"arch": ["mlp:mlp_8"]}).to_csv(tmp_path / "t.csv")
    with pytest.raises(RequestError, match=r"--rows 2: .* has rows 1 to 1; choose from these"):
        from_table(tmp_path / "t.csv", None, [2])
    with pytest.raises(RequestError, match=r"--top 10000000000: .* has rows 1 to 1; leave it out"):
        from_table(tmp_path / "t.csv", 10_000_000_000, None)
    with pytest.raises(RequestError, match=r"--rows 0: .* has rows 1 to 1"):
        from_table(tmp_path / "t.csv", None, [0, 1])
    with pytest.raises(RequestError, match="--top and --rows both"):
        from_table(tmp_path / "t.csv", 1, [1])
    (tmp_path / "empty.csv").write_text("arch,flops\n,1\n")
    with pytest.raises(RequestError, match=r"empty\.csv, row 1: '' names no space"):
        from_table(tmp_path / "empty.csv", None, None)
    (tmp_path / "no.csv").write_bytes(b"\x00\xff\x00")
    with pytest.raises(RequestError, match=r"no\.csv"):
        from_table(tmp_path / "no.csv", None, None)


def test_a_configuration_is_given_again_by_its_arguments() -> None:
    recipe = RECIPES["mlp"].override({"epochs": 7, "lr": 0.02, "nesterov": True})
    order = TrainConfig(("mlp:w8_d4_t4",), "seg20", "a folder", "mlp", recipe, seeds=(3, 4), images=9)
    options = _parser().parse_args(["--arch", *order.archs, *order.arguments()])
    assert config_of(order.archs, options) == order


def test_an_average_that_would_stay_at_the_first_step_is_refused() -> None:
    with pytest.raises(RequestError, match="expected a number from 0 to below 1"):
        replace(RECIPES["quick"], average=1.0)
