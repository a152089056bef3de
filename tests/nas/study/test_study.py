"""The function `nas.study`, on few generated points."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import nas
from search_spaces import RequestError
from tests.nas.train.conftest import FEW


def test_the_tables_equal_those_of_the_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options: dict[str, Any] = {"fix": {"width": 8}, "count": 3, "scores": ["nn_mass", "params"]}
    tables = nas.study("mlp", networks="mlp:w8_d3_t2", out=tmp_path / "study", **options, **FEW)
    assert capsys.readouterr().out == ""
    assert len(tables["networks"]) == 4 and set(tables["correlations"]["score"]) == {"nn_mass", "params"}
    assert tables["networks"].attrs["folder"] == str(tmp_path / "study")
    again = nas.read(tmp_path / "study")
    assert again.keys() == tables.keys() and again["networks"].equals(tables["networks"])


def test_an_invalid_request_creates_no_folder(tmp_path: Path) -> None:
    for given, message in (
        ({}, "give space, one of .*, or networks by --arch"),
        ({"networks": "mlp:w8", "count": 3}, "count describe a sample; add space"),
        ({"space": "mlp", "named_seeds": 3}, "give both, or seeds"),
        ({"networks": ["mlp:w8"]}, "expected at least 3 to correlate"),
    ):
        with pytest.raises(RequestError, match=message):
            nas.study(**{"out": tmp_path / "new", **FEW, **given})
    assert not list(tmp_path.iterdir())
