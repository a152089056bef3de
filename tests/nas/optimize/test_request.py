"""What a request adds to a query: the base width that is kept, and the evidence below a table."""

import functools
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import search_spaces
from nas import score, search
from nas.optimize.evidence import PILOT
from nas.optimize.request import Request
from search_spaces import RequestError
from tests.conftest import REPOSITORY

RESULTS = REPOSITORY / "results"
WIDTHS = search_spaces.get("mobilenet").choices["width_mult"]


def test_every_space_with_a_base_width_has_baselines() -> None:
    for name in search_spaces.names():
        space = search_spaces.get(name)
        scaled = list(space.scaled_baselines())
        assert bool(scaled) == bool(space.base), name
        for one in scaled:
            assert set(one.base) == set(space.base)
            assert all(value in space.choices[choice] for choice, value in one.base.items())


@functools.cache
def flops_of_widths() -> dict[float, int]:
    """FLOPs of MobileNetV2 at each width."""
    return {width: int(search_spaces.MobileNet(width_mult=width).figures().flops) for width in WIDTHS}


@given(st.integers(60_000_000, 700_000_000))
def test_the_kept_width_is_the_largest_at_which_mobilenet_v2_fits(cap: int) -> None:
    kept = Request("mobilenet", {"flops": str(cap)}).kept_width
    assert kept is not None
    fits = [width for width, flops in flops_of_widths().items() if flops <= cap]
    assert kept.fits == bool(fits)
    assert kept.chosen.base == {"width_mult": max(fits, default=WIDTHS[0])}
    space, _ = Request("mobilenet", {"flops": str(cap)}).resolve()
    assert space.choices["width_mult"] == (kept.chosen.base["width_mult"],)


@pytest.mark.parametrize(
    "request_",
    [
        Request("mobilenet"),
        Request("mobilenet", {"flops": "300M:"}),
        Request("mobilenet", {"flops": "400M"}, across_widths=True),
        Request("mobilenet", {"flops": "400M"}, fix={"width_mult": 0.5}),
        Request("mobilenet", {"flops": "400M"}, per_width=1),
        Request("mobilenet", {"flops": "400M"}, score="zen"),
        Request("mobilenet", {"flops": "400M"}, like="nn_mass_b"),
        Request("mbconv", {"flops": "400M"}),
    ],
    ids=str,
)
def test_these_requests_keep_no_width(request_: Request) -> None:
    assert request_.kept_width is None


def test_all_caps_decide_and_pinned_choices_stay() -> None:
    both = Request("mobilenet", {"flops": "400M", "params": "3.6M"}).kept_width
    assert both and both.chosen.base == {"width_mult": 1.0}
    deep = Request("resnet", {"flops": "2G"}, fix={"block": "bottleneck"}).kept_width
    assert deep and deep.chosen.base == {"block": "bottleneck", "width_per_group": 32}
    wide = Request("mobilenet-wide", {"flops": "320M"}).kept_width
    assert wide and "widths 16-24-32-64-96-160-320, the largest" in wide.sentence()


def test_a_table_names_the_kept_width_and_holds_its_baseline() -> None:
    table = search("mobilenet", flops="400M", trials=20, top=1)
    assert table["arch"].str.startswith("mobilenet:w1.1_").all()
    assert table.attrs["base_width"].startswith(
        "Base width: width_mult=1.1, the largest at which mobilenet_v2"
    )
    everywhere = search("mobilenet", flops="400M", across_widths=True, trials=20, top=1)
    assert everywhere.attrs["base_width"] is None
    assert everywhere["nn_mass"].max() > table["nn_mass"].max()


def test_a_baseline_keeps_its_words() -> None:
    """A ResNet-50 of basic blocks is none: it decides no width, and no line names it."""
    shallow = Request("resnet", {"flops": "2.2G"}, fix={"block": "basic"}).kept_width
    assert shallow and shallow.chosen.base == {"block": "basic", "width_per_group": 64}
    assert "at which resnet18 does not exceed" in shallow.sentence()
    deep = Request("resnet", {"flops": "2.5G"}, fix={"block": "bottleneck"}).kept_width
    assert deep and deep.chosen.base == {"block": "bottleneck", "width_per_group": 32}
    assert "at which resnet50 does not exceed" in deep.sentence()
    plain = Request("densenet", {"flops": "400M"}, fix={"op": "conv3x3"}).kept_width
    assert plain and plain.chosen.name == "cells_13"


def test_a_band_that_the_width_misses_names_the_way_out() -> None:
    flops = int(score(search_spaces.MobileNet(width_mult=0.9, depths=(1, 2, 4, 3, 2, 3, 2)))["flops"])
    with pytest.raises(RequestError, match=r"at width_mult=1\.0; across_widths=True searches all"):
        search("mobilenet", flops=f"{flops}:{flops}", trials=5)
    assert len(search("mobilenet", flops=f"{flops}:{flops}", across_widths=True, trials=5))


def test_a_cap_below_the_kept_width_names_what_the_space_has() -> None:
    with pytest.raises(RequestError, match=r"at widths 8-16-.*; --across-widths searches all"):
        Request("mobilenet-wide", {"flops": "60M"}).problem()
    assert Request("mobilenet-wide", {"flops": "60M"}, across_widths=True).problem()


@pytest.mark.parametrize(("flops", "across", "side"), [("60M", False, 160), ("50M", True, 128)])
def test_a_cap_below_all_networks_gets_advice_on_the_resolution(flops: str, across: bool, side: int) -> None:
    with pytest.raises(RequestError) as refused:
        Request("mobilenet-wide", {"flops": flops}, across_widths=across).problem()
    assert ("--across-widths searches all" in str(refused.value)) != across
    assert f"Add --fix resolution={side}" in str(refused.value)
    smaller = Request("mobilenet-wide", {"flops": flops}, fix={"resolution": side}, across_widths=across)
    assert smaller.problem()


@pytest.mark.parametrize("flops", ["40M", "900000001:900000003"])
def test_a_budget_that_no_width_meets_does_not_send_to_all(flops: str) -> None:
    with pytest.raises(RequestError) as refused:
        Request("mobilenet", {"flops": flops}).problem()
    assert "--across-widths" not in str(refused.value)
    assert ("--fix resolution=128" in str(refused.value)) == (flops == "40M")


@pytest.mark.parametrize("study", PILOT)
def test_the_evidence_is_that_of_the_committed_study(study: str) -> None:
    standing = pd.read_csv(RESULTS / study / "standing.csv").set_index("arch")
    masses = [score(arch)["nn_mass"] for arch in standing.index if arch.startswith("mobilenet:")]
    top = standing.index[standing.index.str.startswith("mobilenet:")][int(np.argmax(masses))]
    assert PILOT[study] == round(standing.loc[top, "above_first"], 1)
    text = Request("mobilenet").evidence
    assert text and str(round(-PILOT[study])) in text


@pytest.mark.parametrize("space", search_spaces.names())
def test_the_largest_mass_alone_has_evidence(space: str) -> None:
    text = Request(space, {"params": "4M"}).evidence
    assert text is not None and text.startswith("Evidence: ") and "none for this space" not in text
    others = (
        Request(space, score="depth"),
        Request(space, pareto="params"),
        Request(space, like=next(iter(search_spaces.get(space).references))),
    )
    assert [request.evidence for request in others] == [None] * 3


def test_evidence_is_of_the_kind_of_request() -> None:
    budgets = {"flops": "400M"}
    plain = Request("mobilenet", budgets).evidence
    small = Request("mobilenet", {"flops": "40M"}, fix={"resolution": 32}).evidence
    across = Request("mobilenet", budgets, across_widths=True).evidence
    assert plain and "on ImageNet" in plain
    assert small and "On small images NN-Mass misleads" in small
    assert across and "against it" in across


def test_a_table_carries_it() -> None:
    table = search("mobilenet", flops="400M", trials=20, top=0)
    assert table.attrs["evidence"] == Request("mobilenet", {"flops": "400M"}).evidence


def test_small_budgets_get_advice_on_the_resolution() -> None:
    def advice(**values: Any) -> str | None:
        return Request(**{"space": "mobilenet", "budgets": {"flops": "100M"}, **values}).advice

    text = advice()
    assert text and "0.5 to 1.7 points" in text and "--fix resolution=192" in text
    assert advice(fix={"resolution": 192}) is None
    assert advice(budgets={"flops": "400M"}) is None
    assert advice(budgets={"params": "2M"}) is None
    assert advice(space="resnet") is None
    with pytest.raises(RequestError, match=r"fits at no width\. Add fix=\{'resolution': 128\}"):
        search("mobilenet", flops="50M")
    assert search("mobilenet", flops="50M", fix={"resolution": 128}, trials=20, top=0).attrs["advice"] is None


@pytest.mark.parametrize(
    ("space", "table", "rule"),
    [
        ("mobilenet", "accel-nasbench-mobilenet", "nn_mass with skips"),
        ("mobilenet-wide", "accel-nasbench-expanded", "nn_mass with skips"),
        ("mbconv", "accel-nasbench", "nn_mass"),
        ("mbconv", "accel-nasbench", "root_params"),
    ],
)
def test_percentiles_of_the_evidence_are_those_of_the_committed_tables(
    space: str, table: str, rule: str
) -> None:
    row = pd.read_csv(RESULTS / "tabular" / table / "summary.csv").set_index("rule").loc[rule]
    least, most = row["percentile_low"], row["percentile_high"]
    text = Request(space, {"flops": "400M"}).evidence
    assert text and f"{row['percentile']:.0f}% [{least:.0f}, {most:.0f}]" in text
