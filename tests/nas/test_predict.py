"""Predictions of given networks: those of tables, with their intervals."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import nas
import search_spaces
from search_spaces import RequestError
from tests.nas.fitted.scores import made


def test_predictions_are_those_of_searches() -> None:
    found = nas.exact.best("mbconv", 3, flops="300M", score="imagenet")
    predicted = nas.predict(found)
    assert list(predicted) == ["arch", "imagenet", "imagenet_low", "imagenet_high"]
    assert predicted[["arch", "imagenet"]].equals(found[["arch", "imagenet"]])
    half = (predicted["imagenet_high"] - predicted["imagenet_low"]) / 2
    assert half.tolist() == pytest.approx(found["imagenet_half"].tolist())
    assert nas.predict(search_spaces.parse(found["arch"][0])).equals(predicted[:1])


def test_predictions_follow_the_resolution() -> None:
    sides = (96, 160, 224)
    predicted = nas.predict([search_spaces.MBConv(resolution=side) for side in sides], "imagenet")
    assert predicted["imagenet"].is_monotonic_increasing
    assert (predicted["imagenet_high"] - predicted["imagenet_low"]).is_monotonic_decreasing


def test_a_file_without_intervals_gives_none(tmp_path: Path) -> None:
    space = search_spaces.get("resnet")
    (tmp_path / "made.json").write_text(made(space, 2, 3).written())
    (row,) = nas.predict("resnet:resnet18", str(tmp_path / "made.json")).to_dict("records")
    name = next(name for name in row if name.endswith("_low")).removesuffix("_low")
    assert (
        row[name] == pytest.approx(row[name]) and pd.isna(row[f"{name}_low"]) and pd.isna(row[f"{name}_high"])
    )


def test_networks_outside_of_the_fit_get_a_warning() -> None:
    with pytest.warns(
        UserWarning, match=r"outside the range of imagenet: .*activation=silu \(fitted on relu\)"
    ):
        nas.predict("mbconv:efficientnet_b0")


@pytest.mark.parametrize(
    ("network", "score", "message"),
    [
        ("mlp:mlp_8", "imagenet", "fitted to networks of mbconv; it has no value for mlp"),
        ("torchvision:resnet18", "imagenet", "it has no value for torchvision"),
        ("mbconv:efficientnet_b0", "zen", "zen is not a fitted score; there are imagenet, "),
        ("mbconv:efficientnet_b0", "imagnet", "did you mean imagenet?"),
        ("mbconv:efficientnet_b0", "none.json", "none.json: there is no such file"),
    ],
)
def test_wrong_requests(network: str, score: str, message: str) -> None:
    with pytest.raises(RequestError) as error:
        nas.predict(network, score)
    assert message in str(error.value)
