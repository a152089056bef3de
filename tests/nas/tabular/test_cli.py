"""The command and the function, from a small table to a folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

import nas
from nas.tabular.cli import main
from nas.tabular.judgement import judge
from nas.tabular.population import Population
from nas.tabular.request import TabularRequest
from search_spaces import MBConv, RequestError
from tests.conftest import Command, refused
from tests.nas.tabular.files import accel_nasbench, mbconvs


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return accel_nasbench(tmp_path_factory.mktemp("data") / "files.tar.gz", mbconvs(120))


def test_the_command_judges_and_keeps(command: Command, tmp_path: Path, data: Path) -> None:
    done = command(
        *("nas.tabular", "accel-nasbench", "--data", str(data), "--out", "judged", "--caps", "400M,300M"),
        *("--resamples", "50"),
    )
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    text = " ".join(done.stdout.split())
    assert "120 networks" in text and "equal the published ones for 120 of 120" in text
    assert "14 rules were tried" in text
    folder = tmp_path / "judged"
    assert {file.name for file in folder.iterdir()} == {
        *("run.json", "rho.csv", "rules.csv", "summary.csv", "accuracy.png", "rules.png")
    }
    tables = nas.read(folder)
    rho = tables["rho"].set_index(["score", "held_equal"])["rho"]
    assert rho["params", "nothing"] == pytest.approx(1) and rho["params", "flops"] == pytest.approx(1)
    assert set(tables["rules"]["cap"]) == {300e6, 400e6}
    rows = tables["rules"][tables["rules"]["rule"] == "params"]
    assert (rows["percentile"] == 100).all() and (rows["flops"] <= rows["cap"]).all()
    assert "top1" not in tables["rules"]
    state = json.loads((folder / "run.json").read_text())
    assert state["status"] == "finished" and state["rules_tried"] == 14
    best = state["best_of_first_half"]
    assert best["rule"] in set(tables["summary"]["rule"]) and best["percentile"] == pytest.approx(100)


def test_the_function_gives_the_same_tables(tmp_path: Path, data: Path) -> None:
    found = nas.tabular("accel-nasbench", data, resamples=20, out=tmp_path / "judged")
    kept = nas.read(tmp_path / "judged")
    assert list(found) == list(kept) == ["rho", "rules", "summary"]
    for name, table in found.items():
        pd.testing.assert_frame_equal(table, kept[name])
        assert table.attrs["notes"]
    again = nas.tabular("accel-nasbench", data, resamples=20)
    pd.testing.assert_frame_equal(found["rules"], again["rules"])
    other = nas.tabular("accel-nasbench", data, resamples=20, seed=1)
    assert (found["rho"]["rho"] == other["rho"]["rho"]).all()
    assert (found["rho"]["rho_half_1"] != other["rho"]["rho_half_1"]).any()


def test_networks_are_selected_by_their_skips(tmp_path: Path) -> None:
    networks = [
        *mbconvs(30),
        *(MBConv(expansions=(1, *[e] * 6), depths=(1, *[2] * 5, d)) for e, d in SKIPPED),
    ]
    data = accel_nasbench(tmp_path / "files", list(dict.fromkeys(networks)))
    counts = {
        skips: nas.tabular("accel-nasbench", data, skips=skips, resamples=10)["rho"]["n"].iloc[0]
        for skips in ("any", "every", "not-every")
    }
    assert counts["every"] >= 9 and counts["every"] + counts["not-every"] == counts["any"]
    rules = nas.tabular("accel-nasbench", data, skips="every", resamples=10)["rules"]["rule"]
    assert not rules.str.contains("with skips").any()


SKIPPED = [(expansion, depth) for expansion in (1, 4, 6) for depth in (1, 2, 3)]


def test_wrong_requests(tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ask = ["accel-nasbench", "--data", str(data)]
    assert "--data" in refused(main, ["accel-nasbench"], capsys)
    assert "did you mean tfslim" in refused(main, ["tf-slim", "--data", "x"], capsys)
    for caps, wrong in (("300M:400M", "300M:400M"), ("x", "x"), ("300M,,400M", ""), ("300M,380M:", "380M:")):
        message = refused(main, [*ask, "--caps", caps], capsys)
        assert f"--caps '{caps}': '{wrong}' is not a cap; expected caps of FLOPs" in message
    assert "did you mean every" in refused(main, [*ask, "--skips", "evry"], capsys)
    few = accel_nasbench(tmp_path / "few", mbconvs(5))
    assert "5 networks are too few" in refused(main, ["accel-nasbench", "--data", str(few)], capsys)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    assert "is not empty" in refused(main, [*ask, "--out", str(tmp_path / "full")], capsys)
    with pytest.raises(RequestError, match="unknown benchmark 'x'"):
        nas.tabular("x", data)
    with pytest.raises(TypeError, match="caps is '300M', expected a list of caps"):
        nas.tabular("accel-nasbench", data, caps="300M")
    with pytest.raises(RequestError, match="caps is empty"):
        nas.tabular("accel-nasbench", data, caps=[])


def test_nothing_is_written_of_a_request_that_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "judged"
    refused(main, ["accel-nasbench", "--data", str(tmp_path / "none"), "--out", str(out)], capsys)
    assert not out.exists()


def test_caps_that_no_network_meets_are_left_out(data: Path) -> None:
    found = nas.tabular("accel-nasbench", data, caps=["1M", "500M"], resamples=20)
    assert set(found["rules"]["cap"]) == {500e6}
    assert "No network meets the smallest 1 of 2 caps." in found["rules"].attrs["notes"]
    with pytest.raises(RequestError, match="the largest cap is 1,000,000, but no network"):
        nas.tabular("accel-nasbench", data, caps=["1M"], resamples=20)


def test_the_best_rule_of_a_half_has_a_percentile(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    widths = (0.35, 0.5, 0.6, 0.75, 0.9, 1.0, 1.2, 1.4)
    rows = [f"mobilenet:w{width}_d1-2-3-4-3-3-1,{60 + 10 * width}" for width in widths]
    table = tmp_path / "mine.csv"
    table.write_text("\n".join(["arch,top1", *rows]) + "\n")
    request = TabularRequest("table", str(table), resamples=20)
    found = judge(request, Population.of(request))
    assert found.selected is None  # no two networks of equal cost
    assert main(["table", "--data", str(table), "--resamples", "20", "--out", str(tmp_path / "judged")]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "so percentiles are left out" in printed and "None is selected on a random half" in printed
    assert "nan" not in printed and "NaN" not in (tmp_path / "judged" / "run.json").read_text()
    unknown = [float("nan")] * (len(found.summary) - 1)
    known = found.summary.assign(percentile_half_1=[80.0, *unknown], percentile_half_2=[70.0, *unknown])
    known = known.assign(rule=["flops", *known["rule"].iloc[1:]])
    assert replace(found, summary=known).selected == ("flops", 80, 70)
    tied = known.assign(
        rule=[*"cba", *known["rule"].iloc[3:]], percentile_half_1=80.0, percentile_half_2=70.0
    )
    for regrets, name in (([2.0, 1.0, 1.0], "a"), ([0.5, 1.0, 1.0], "c")):
        rows = tied.head(3).assign(regret_half_1=regrets)
        assert replace(found, summary=rows).selected == (name, 80, 70)
    half = known.assign(percentile_half_2=float("nan"))
    assert replace(found, summary=half).selected is None


def own(path: Path, rows: Sequence[tuple[str, float]]) -> Path:
    """A table of MobileNetV2s by their depths and accuracies."""
    lines = [f"mobilenet:w{width}_d1-2-3-4-3-3-1,{top1}" for width, top1 in rows]
    path.write_text("\n".join(["arch,top1", *lines]) + "\n")
    return path


def test_bands_that_are_none_or_wide_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    widths = [0.35, 0.38, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0, 1.1, 1.2]
    for count, line in (
        (10, "too few networks for bands of equal FLOPs; at least 16 are needed."),
        (17, "FLOPs alone have rho 1.00 within them: they are wide"),
    ):
        table = own(tmp_path / f"{count}.csv", [(width, 60 + 10 * width) for width in widths[:count]])
        out = ["--resamples", "20", "--out", str(tmp_path / str(count))]
        assert main(["table", "--data", str(table), *out]) == 0
        printed = " ".join(capsys.readouterr().out.split())
        assert line in printed and "nan" not in printed


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (0.0, "top1 is 70 for every network"),
        (-10.0, "top1 is from .* to .*, expected percent$"),
        (100.0, "top1 is from .* to .*, expected percent$"),
    ],
)
def test_accuracies_are_percent_and_differ(times: float, message: str, tmp_path: Path) -> None:
    rows = [(width / 100, 70 + times * (width - 50)) for width in range(50, 100, 5)]
    with pytest.raises(RequestError, match=message):
        nas.tabular("table", own(tmp_path / "own.csv", rows))
    fractions = [(width, 0.5 + width / 10) for width, _ in rows]
    with pytest.raises(RequestError, match="expected percent; multiply fractions by 100"):
        nas.tabular("table", own(tmp_path / "own.csv", fractions))
