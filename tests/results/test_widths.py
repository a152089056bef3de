"""Comparisons at equal FLOPs: curves interpolate, the rule keeps the right width, tables are current."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import search_spaces
from nas.bounds import Bound
from nas.optimize.width import kept_width
from search_spaces import MobileNet
from tests.results.scripts import PUBLISHED, published

widths = published("widths")
SIDES = (224, 192)


@pytest.fixture(scope="module")
def networks() -> pd.DataFrame:
    table: pd.DataFrame = widths.published()
    return table


def curve(flops: list[float], top1: list[float]) -> object:
    return widths.Curve(np.array(flops), np.array(top1))


def at_equal_flops(path: Path, gain: float) -> Path:
    """A table of widths at 224 and 192 pixels; those at 192 are `gain` points better at equal FLOPs."""
    rows = []
    for side, above in zip(SIDES, (0.0, gain), strict=True):
        for width in (0.5, 0.75, 1.0):
            costs = MobileNet(width_mult=width, resolution=side).figures()
            top1 = 50 + 5 * np.log(float(costs.flops) / 1e8) + above
            rows.append((width, side, int(costs.macs) // 1_000_000, top1))
    pd.DataFrame(rows, columns=["width", "resolution", "macs_M", "top1"]).to_csv(path, index=False)
    return path


def test_explicitly_calculated_accuracies() -> None:
    line = curve([100, 400, 800], [10, 30, 32])
    assert [line.at(flops) for flops in (100, 200, 400, 800)] == pytest.approx([10, 20, 30, 32])
    # Beyond the ends, 10 points for each doubling below and 2 above.
    assert [line.at(flops) for flops in (50, 1600)] == pytest.approx([0, 34])
    assert [line.octaves_beyond(flops) for flops in (50, 100, 200, 3200)] == [1, 0, 0, 2]
    assert line.without(1).at(400) == pytest.approx(10 + 22 * 2 / 3)
    assert curve([7], [5]).at(7) == 5


@given(
    st.lists(st.floats(1e6, 1e9), min_size=3, max_size=8, unique_by=lambda flops: round(np.log(flops), 2)),
    st.floats(-5, 5),
    st.floats(1e6, 1e9),
)
def test_a_line_is_reproduced_everywhere(flops: list[float], slope: float, budget: float) -> None:
    ascending = sorted(flops)
    line = curve(ascending, [60 + slope * np.log(value) for value in ascending])
    assert line.at(budget) == pytest.approx(60 + slope * np.log(budget), abs=1e-6)
    errors = widths.interpolation_errors({"line": line})
    assert len(errors) == len(flops) and errors["error"].to_numpy() == pytest.approx(0, abs=1e-6)
    assert (errors["octaves"] > 0).sum() == 2  # the two ends


@given(st.floats(20e6, 2e9), st.sampled_from((224, 192, 128)))
def test_the_largest_width_that_meets_the_budget_is_kept(budget: float, side: int) -> None:
    def meets(width: float) -> bool:
        return int(MobileNet(width_mult=width, resolution=side).figures().flops) <= budget

    kept = widths.kept_width(budget, side)
    if np.isnan(kept):
        assert not meets(widths.WIDTHS[0])
    else:
        wider = [width for width in widths.WIDTHS if width > kept]
        assert meets(kept) and not any(map(meets, wider[:2]))


@given(st.floats(20e6, 2e9), st.sampled_from((224, 192, 128)))
def test_the_rule_is_that_of_a_search(budget: float, side: int) -> None:
    space = search_spaces.get("mobilenet").fix(resolution=side)
    of_search = kept_width(space, [Bound("flops", most=budget)])
    kept = widths.kept_width(budget, side)
    assert of_search and of_search.fits == (not np.isnan(kept))
    if of_search.fits:
        assert of_search.chosen.base["width_mult"] == min(kept, space.choices["width_mult"][-1])


def test_widths_continue_those_of_the_space() -> None:
    choices = search_spaces.get("mobilenet").choices["width_mult"]
    assert widths.WIDTHS[: len(choices)] == choices
    assert np.diff(widths.WIDTHS) == pytest.approx(np.diff(choices)[0])


def test_printed_costs_are_checked_to_the_last_digit() -> None:
    network = MobileNet()  # 300,774,272 MACs, 314,193,216 FLOPs, 3,504,872 parameters
    for printed, counted in (("0.3G", "macs"), ("300M", "macs"), ("314.19M", "flops"), ("3.504M", "params")):
        widths.check_printed(network, printed, counted)
    for printed, counted in (("0.5G", "macs"), ("302M", "macs"), ("314.1M", "macs"), ("3.503M", "params")):
        with pytest.raises(ValueError, match="correct the spec"):
            widths.check_printed(network, printed, counted)


def test_every_network_has_its_published_cost_and_a_source(networks: pd.DataFrame) -> None:
    # `published` compares the cost of each.
    assert not networks.duplicated(["recipe", "arch"]).any() and networks["source"].str.len().min() > 20
    assert {"110d", "120d", "NN-Mass-A", "NN-Mass-B"} < set(networks.loc[networks["deeper"], "name"])


def test_deeper_networks_are_compared_at_equal_flops(networks: pd.DataFrame) -> None:
    found = widths.widths(networks)
    own = found[found["recipe"] == found["baseline"]]
    assert set(own["name"]) == {"110d", "120d", "depth x4"}
    assert (found["octaves"] == 0)[found["recipe"] != found["baseline"]].all()
    assert found["points"].to_numpy() == pytest.approx(found["top1"] - found["baseline_top1"])
    # 110d lies between widths 1.0 and 1.4 of its recipe, so its baseline does, too.
    ends = networks[(networks["recipe"] == "timm ra_in1k") & ~networks["deeper"]]["top1"]
    assert ends.min() < own.set_index("name").loc["110d", "baseline_top1"] < ends.max()


@pytest.mark.parametrize("gain", [2.0, -2.0])
def test_the_better_resolution_is_found(tmp_path: Path, gain: float) -> None:
    curves = widths.tfslim(at_equal_flops(tmp_path / "table.csv", gain))
    table = widths.resolutions(curves, "synthetic", [120e6, 200e6, 300e6])
    assert table["cap"].value_counts().to_dict() == {
        120e6: 2,
        200e6: 2,
        300e6: 1,
    }  # only 224 has networks at 300M
    loss = table[table["cap"] < 300e6].set_index("resolution")["points"]
    better, worse = SIDES[::-1] if gain > 0 else SIDES
    assert loss[better].to_numpy() == pytest.approx(0) and loss[worse].to_numpy() == pytest.approx(-2)
    best = widths.leaders(curves)
    assert best["resolution"].tolist() == [192, 224]  # below the smallest network at 224, 192 is alone
    change = float(curves[192].flops[-1] if gain > 0 else curves[224].flops[0])
    assert best["most"][0] <= change <= best["least"][1] * (1 + 1e-9)
    assert best["least"][1] / best["most"][0] < 1.01


def test_a_wrong_cost_in_the_table_is_refused(tmp_path: Path) -> None:
    path = at_equal_flops(tmp_path / "table.csv", 0)
    table = pd.read_csv(path)
    table.loc[0, "macs_M"] += 2
    table.to_csv(path, index=False)
    with pytest.raises(ValueError, match="correct the spec"):
        widths.tfslim(path)


def test_committed_resolutions_are_consistent(networks: pd.DataFrame) -> None:
    """The table of TF-slim is not committed; what follows from other committed data is recomputed."""
    committed = pd.read_csv(PUBLISHED / "resolution.csv")
    best = committed.groupby(["recipe", "cap"])["top1"].transform("max")
    assert committed["points"].to_numpy() == pytest.approx(committed["top1"] - best, abs=1e-3)
    lower = committed[committed["recipe"] == "d-li14"].reset_index(drop=True)
    pd.testing.assert_frame_equal(lower, widths.lower_resolutions(networks), rtol=1e-4, atol=1e-4)
    slim = committed[committed["recipe"] == "slim"]
    kept = [widths.kept_width(cap, side) for cap, side in zip(slim["cap"], slim["resolution"], strict=True)]
    assert slim["kept_width"].tolist() == kept
    at_224 = slim[slim["resolution"] == 224]
    known = [widths.baselines(networks)["slim"].at(cap) for cap in at_224["cap"]]
    assert at_224["top1"].to_numpy() == pytest.approx(known, abs=1e-3)


def test_the_script_reproduces_the_committed_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table = at_equal_flops(tmp_path / "table.csv", 1)
    arguments = ["--out", str(tmp_path / "out"), "--tfslim", str(table)]
    monkeypatch.setattr(sys, "argv", ["widths.py", *arguments])
    widths.main()
    printed = capsys.readouterr().out
    for title in ("Deeper networks", "Resolutions at equal FLOPs", "The best resolution of each budget"):
        assert title in printed
    pd.testing.assert_frame_equal(
        pd.read_csv(tmp_path / "out" / "widths.csv"),
        pd.read_csv(PUBLISHED / "widths.csv"),
        rtol=1e-4,
        atol=1e-5,
    )
    assert pd.read_csv(tmp_path / "out" / "resolution.csv")["recipe"].unique().tolist() == ["slim", "d-li14"]
    for image in ("widths.png", "resolution.png"):
        assert (tmp_path / "out" / image).read_bytes().startswith(b"\x89PNG")


def models(path: Path, params: str) -> Path:
    """A list of models as PaddleClas writes it, with a MobileNetV2 of another width."""
    rows = (
        ("MobileNetV2_<br>x0_5                 ", "0.6503", "1.98"),
        ("MobileNetV2                      ", "0.7", params),
        ("MobileNetV2_<br>x2_0", "0.76", "11.33"),
        ("MobileNetV2_<br>ssld", "0.77", "3.54"),
    )
    lines = (
        f"| {name} | {top1} | 0.9 | 7.69 | 4.92 | 3.57 | 99.48 | {size} | 7.8 | [a](b) | [c](d) |"
        for name, top1, size in rows
    )
    path.write_text("| Model | Top-1 Acc |\n|---|---|\n" + "\n".join(lines) + "\n")
    return path


def test_networks_of_a_list_of_models(tmp_path: Path) -> None:
    found = widths.paddleclas(models(tmp_path / "models.md", "3.54"))
    assert found["arch"].tolist() == [str(MobileNet()), str(MobileNet(width_mult=2.0))]
    assert found["top1"].tolist() == [70.0, 76.0] and set(found["recipe"]) == {"paddleclas"}
    with pytest.raises(ValueError, match=r"parameters and statistics, not 3.60M"):
        widths.paddleclas(models(tmp_path / "models.md", "3.60"))
    (tmp_path / "models.md").write_text("| MobileNetV1 | 0.7 |")
    with pytest.raises(ValueError, match=r"has 0 MobileNetV2s of widths 1\.0 and 2\.0"):
        widths.paddleclas(tmp_path / "models.md")
