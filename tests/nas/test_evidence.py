"""The caution beneath a table states what was measured."""

import math
from pathlib import Path

import pandas as pd
import pytest

import search_spaces
from nas import search
from nas.optimize.evidence import EVIDENCE, caution
from nas.optimize.request import Request

RESULTS = Path(__file__).parent.parent.parent / "results"


@pytest.mark.parametrize("space", EVIDENCE)
def test_it_is_that_of_the_committed_study(space: str) -> None:
    for trained in EVIDENCE[space].trained:
        standing = pd.read_csv(RESULTS / trained.folder / "standing.csv").set_index("arch")
        for one in (trained.first, trained.of_its_width):
            margin, error = standing.loc[one.arch, ["above_first", "above_first_error"]]
            assert one.points == round(margin, 1)
            assert one.error == (None if math.isnan(error) else round(error, 1))


@pytest.mark.parametrize("space", ["mobilenet", "mlp"])
def test_it_cautions_about_the_largest_mass_alone(space: str) -> None:
    text = caution(Request(space))
    assert text is not None and text.startswith("Caution:")
    assert (space in EVIDENCE) == ("points" in text)
    others = (
        Request(space, score="depth"),
        Request(space, pareto="params"),
        Request(space, like=next(iter(search_spaces.get(space).references))),
    )
    assert [caution(request) for request in others] == [None] * 3


def test_a_table_carries_it() -> None:
    table = search("mobilenet", flops="400M", trials=20, top=0)
    assert table.attrs["evidence"] == caution(Request("mobilenet", {"flops": "400M"}))
