"""The caution below a table states what was measured."""

import numpy as np
import pandas as pd
import pytest

import search_spaces
from nas import score, search
from nas.optimize.request import PILOT, Request
from tests.conftest import REPOSITORY

RESULTS = REPOSITORY / "results"


@pytest.mark.parametrize("study", PILOT)
def test_it_is_that_of_the_committed_study(study: str) -> None:
    standing = pd.read_csv(RESULTS / study / "standing.csv").set_index("arch")
    masses = [score(arch)["nn_mass"] for arch in standing.index if arch.startswith("mobilenet:")]
    top = standing.index[standing.index.str.startswith("mobilenet:")][int(np.argmax(masses))]
    assert PILOT[study] == round(standing.loc[top, "above_first"], 1)
    text = Request("mobilenet").evidence
    assert text and str(round(-PILOT[study])) in text


@pytest.mark.parametrize("space", ["mobilenet", "mlp"])
def test_it_cautions_about_the_largest_mass_alone(space: str) -> None:
    text = Request(space).evidence
    assert text is not None and text.startswith("Caution:")
    others = (
        Request(space, score="depth"),
        Request(space, pareto="params"),
        Request(space, like=next(iter(search_spaces.get(space).references))),
    )
    assert [request.evidence for request in others] == [None] * 3


def test_a_table_carries_it() -> None:
    table = search("mobilenet", flops="400M", trials=20, top=0)
    assert table.attrs["evidence"] == Request("mobilenet").evidence
