"""`nas.score` in Python: one network, many, and further scores."""

from __future__ import annotations

import pandas as pd
import pytest

import nas
from nas import proxies
from nas.proxies import Subject
from search_spaces import MLP, Architecture, MobileNet, RequestError, parse


def test_many_give_a_row_each_in_their_order() -> None:
    given: list[Architecture | str] = [
        MLP(),
        "mobilenet:mobilenet_v2",
        "mlp:w8_d12_t10",
        MobileNet(width_mult=0.35),
    ]
    table = nas.score(given)
    assert list(table) == ["arch", "nn_mass", "flops", "macs", "params"]
    assert table["arch"].tolist() == [
        str(given[0]),
        str(parse("mobilenet:mobilenet_v2")),
        "mlp:w8_d12_t10",
        str(given[3]),
    ]
    for one, row in zip(given, table.to_dict("records"), strict=True):
        assert nas.score(one) == {name: value for name, value in row.items() if name != "arch"}
    assert nas.score(table).equals(table) and nas.score(table["arch"]).equals(table)
    assert nas.score(tuple(given)).equals(table)


def test_further_scores_are_those_of_the_proxies() -> None:
    table = nas.score(["mlp:w8", "mlp:w16"], scores=["zen", "params", "depth"], score_batch=4, seed=3)
    assert list(table) == ["arch", "nn_mass", "flops", "macs", "params", "zen", "depth"]
    subject = Subject.of_noise(MLP(width=16), 4, 3)
    assert table["zen"].iloc[1] == proxies.measure("zen", subject).value
    assert nas.score("mlp:w8", scores=["depth"])["depth"] == 12.0


def test_what_cannot_be_scored_gets_one_line() -> None:
    with pytest.raises(RequestError, match="networks is a table without a column arch"):
        nas.score(pd.DataFrame({"spec": ["mlp:w8"]}))
    with pytest.raises(RequestError, match="networks is empty"):
        nas.score([])
    with pytest.raises(RequestError, match="unknown score 'zenn'"):
        nas.score("mlp:w8", scores=["zenn"])
    with pytest.raises(RequestError, match="score_batch is 8, but depth look at no images"):
        nas.score("mlp:w8", scores=["depth"], score_batch=8)
