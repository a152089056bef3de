"""Cells of CSVs: no text starts a formula, numbers stay numbers, and reading gives back what was written."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.cells import harmless, original
from nas.files import read_csv, write_whole
from nas.train.folder import _read

STARTS = "=+-@\t\r\n"


@given(st.text("='+-@\t\r\nae1. ", max_size=6))
def test_reading_gives_back_what_was_written(text: str) -> None:
    written = harmless(text)
    assert original(written) == text
    if len(written) > 1 and written[0] in STARTS:
        float(written)


@pytest.mark.parametrize(
    "text", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "'=1", "a,=b", "=\n"]
)
def test_a_table_is_read_as_it_was_written(text: str, tmp_path: Path) -> None:
    table = pd.DataFrame(
        {"arch": [text, "plain"], text: [text, "x"], "top1": [-1.5, 2.0], "loss": ["-1", "x"]}
    )
    write_whole(tmp_path / "table.csv", table)
    pd.testing.assert_frame_equal(read_csv(tmp_path / "table.csv", ""), table)
    cells = pd.read_csv(tmp_path / "table.csv", header=None, dtype=str).to_numpy().ravel()
    assert not [cell for cell in cells if cell[0] in STARTS and cell not in ("-1.5", "-1")]


def test_reasons_of_trainings_start_no_formula(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {"row": [1], "seed": [0], "reason": ["=HYPERLINK(A1)"], "warning": ["@class: no images"]}
    )
    write_whole(tmp_path / "trained.csv", table)
    assert '"' not in (text := (tmp_path / "trained.csv").read_text()) and "'=HYPERLINK" in text
    assert _read(tmp_path / "trained.csv", (), ("reason",)) == table.to_dict("records")
