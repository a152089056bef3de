"""Published tables of blocks: their sums are the latencies of networks, and a limit of searches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given

import nas
import search_spaces
from nas.cli import error_line
from nas.device.blocks import BlockTable, keys
from nas.device.cli import main
from nas.fitted.score import FittedScore
from nas.page.cli import report
from search_spaces import RequestError
from search_spaces.chain import ChainArchitecture
from tests.conftest import Command, examples, refused
from tests.search_spaces.conformance import rows

SPACE = search_spaces.get("mobilenetv3").fix(width_mult=1.2, resolution=160)


def network(row: tuple[int, ...]) -> ChainArchitecture:
    found = SPACE.of_options(row)
    assert isinstance(found, ChainArchitecture)
    return found


def latency(table: BlockTable, arch: str) -> float:
    found = search_spaces.parse(arch)
    assert isinstance(found, ChainArchitecture)
    return table.of(found)


def write_table(path: Path) -> dict[str, float]:
    """A table of all blocks of the space, of arbitrary latencies: kernel, expansion and depth 2 of each."""
    widest = [
        SPACE.of_choices(
            {"width_mult": 1.2}
            | {f"depth_{stage}": 2 for stage in range(1, 6)}
            | {f"kernel_{stage}": kernel for stage in range(1, 6)}
            | {f"expansion_{stage}": expansion for stage in range(1, 6)}
        )
        for kernel in (3, 5, 7)
        for expansion in (3, 4, 6)
    ]
    found = list(dict.fromkeys(key for one in widest for key in keys(one)))  # type: ignore[arg-type]
    times = np.random.default_rng(0).uniform(0.1, 5, len(found)).round(4).tolist()
    ms = dict(zip(found, times, strict=True))
    path.write_text(
        yaml.safe_dump({key: {"count": 500, "mean": mean, "std": 0.01} for key, mean in ms.items()})
    )
    return ms


def test_keys_are_those_of_published_tables() -> None:
    """Of gatech-sysml/CompOFA, note10/160_lookup_table.yaml: width 1.2, 160 pixels."""
    found = list(keys(network(tuple(0 for _ in SPACE.choices))))
    assert found[:3] == [
        "Conv-input:160x160x3-output:80x80x24",
        "expanded_conv-input:80x80x24-output:80x80x24-expand:24-kernel:3-stride:1-idskip:1-se:0-hs:0",
        "expanded_conv-input:80x80x24-output:40x40x32-expand:72-kernel:3-stride:2-idskip:0-se:0-hs:0",
    ]
    assert (
        "expanded_conv-input:10x10x96-output:10x10x136-expand:288-kernel:3-stride:1-idskip:0-se:1-hs:1"
        in found
    )
    assert found[-4:] == [
        "Conv_1-input:5x5x192-output:5x5x1152",
        "AvgPool2D-input:5x5x1152-output:1x1x1152",
        "Conv_2-input:1x1x1152-output:1x1x1536",
        "Logits-input:1x1x1536-output:1000",
    ]


def test_a_published_table_has_these_blocks_and_no_others(tmp_path: Path) -> None:
    """The published tables have 96."""
    assert len(write_table(tmp_path / "table.yaml")) == 96


@pytest.mark.hypothesis
def test_a_latency_is_the_sum_over_blocks(tmp_path: Path) -> None:
    ms = write_table(tmp_path / "table.yaml")
    table = BlockTable.read(tmp_path / "table.yaml")

    @examples(10, 100)
    @given(rows(SPACE))
    def holds(row: tuple[int, ...]) -> None:
        one = network(row)
        found = list(keys(one))
        assert len(found) == 6 + sum(one.choices()[f"depth_{stage}"] for stage in range(1, 6))  # type: ignore[misc]
        assert table.of(one) == pytest.approx(sum(ms[key] for key in found))

    holds()


def test_a_table_gives_a_limit_of_searches(tmp_path: Path, command: Command) -> None:
    write_table(tmp_path / "phone.yaml")
    table, score = BlockTable.read(tmp_path / "phone.yaml"), tmp_path / "phone.json"
    space = ("--space", "mobilenetv3", "--fix", "width_mult=1.2", "resolution=160")
    done = command("nas.latency", "measure", *space, "--blocks", "phone.yaml", "--networks", "500")
    assert done.returncode == 0, done.stderr
    (tmp_path / "mobilenetv3-blocks.json").rename(score)
    text = " ".join(done.stdout.split())
    assert "Added up the blocks of phone.yaml for 516 networks of mobilenetv3" in text

    measured = nas.read(tmp_path / "mobilenetv3-blocks")["networks"]
    assert measured["blocks_ms"].tolist() == pytest.approx(
        [latency(table, arch) for arch in measured["arch"]]
    )
    assert FittedScore.load(score).constants["width_mult"] == 1.2
    page = report([tmp_path / "mobilenetv3-blocks"], tmp_path / "page.html").read_text()
    assert "How fast are networks of mobilenetv3 by the blocks of phone.yaml?" in page
    assert "516 networks are added up." in page and "sum of the latencies of blocks" in page

    limit = float(measured["blocks_ms"].median())
    pinned = {"width_mult": 1.2, "resolution": 160}
    found = nas.exact.best("mobilenetv3", 3, fix=pinned, at_most={str(score): limit})
    true = [latency(table, arch) for arch in found["arch"]]
    assert found["mobilenetv3-blocks"].tolist() == pytest.approx(true, rel=1e-3)
    assert max(true) < 1.001 * limit


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: [", "is not YAML; expected the mean latency in ms of each block"),
        (b"\xff", "is not YAML"),
        (b"!!python/object/apply:os.system ['touch hit']", "is not a table of blocks"),
        (b"- 1", "is not a table of blocks"),
        (b"", "is not a table of blocks"),
        (b"[1]: {mean: 1}", "is not a table of blocks"),
        (b"[" * 99_999, "is not YAML"),
        (b"Conv: {mean: fast}", "Conv: the mean is 'fast', expected 1e-06 to 1,000,000 ms"),
        (b"Conv: {mean: .nan}", "Conv: the mean is '.nan'"),
        (b"Conv: {mean: -1}", "Conv: the mean is '-1'"),
        (b"Conv: {mean: 1.0e+308}", "Conv: the mean is '1.0e+308'"),
        (b"Conv: {mean: 1.0e-300}", "Conv: the mean is '1.0e-300'"),
        (b"Conv: {mean: " + b"9" * 400 + b"}", "Conv: the mean is '999"),
        (b"Conv: {mean: !!int ''}", "Conv: the mean is ''"),
        (b"Conv: {mean: !!bool maybe}", "Conv: the mean is 'maybe'"),
        (b"Conv: {mean: !!timestamp now}", "Conv: the mean is 'now'"),
        (b"Conv: 3", "Conv has no number as mean"),
        (b"Conv: {mean: [1]}", "Conv has no number as mean"),
        (b"Conv: &same {mean: *same}", "Conv has no number as mean"),
        (b"Conv: {mean: 1}\nConv: {mean: 2}", "has Conv twice; leave one of them"),
    ],
)
def test_damaged_tables_get_one_line(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "table.yaml").write_bytes(content)
    with pytest.raises(RequestError) as error:
        BlockTable.read(tmp_path / "table.yaml")
    assert message in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--space", "mobilenetv3", "--fix", "width_mult=1.0"],
            "table.yaml has no block Conv input:224x224x3 output:112x112x16 of mobilenetv3:w1.0_",
        ),
        (
            ["--space", "mobilenetv3", "--fix", "width_mult=1.2", "resolution=160", "num_classes=10"],
            "has no block Logits input:1x1x1536 output:10 of mobilenetv3:w1.2_",
        ),
        (["--space", "mlp"], "mlp:w8_d2_t0 has blocks other than inverted residuals"),
        (["--space", "densenet"], "t0-0-0_conv3x3 has blocks other than inverted residuals"),
        (["--space", "resnet"], "resnet:basic_d1-1-1-1_w32 has blocks other than inverted residuals"),
        (
            ["--space", "mbconv", "--fix", "activation=silu"],
            "has blocks with SiLU, which tables of blocks lack",
        ),
        (
            ["--space", "mbconv", "--rounds", "2", "--batch", "4"],
            "nothing; leave out --batch, --rounds",
        ),
    ],
)
def test_wrong_requests_get_one_line(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    write_table(tmp_path / "table.yaml")
    assert message in refused(main, ["measure", *arguments, "--blocks", "table.yaml"], capsys)
    assert [path.name for path in tmp_path.iterdir()] == ["table.yaml"]


def test_a_lacking_block_is_shown_whole_with_what_the_closest_has(tmp_path: Path) -> None:
    ms = write_table(tmp_path / "table.yaml")
    lacking = "expanded_conv-input:20x20x48-output:20x20x48-expand:288-kernel:7-stride:1-idskip:1-se:1-hs:0"
    table = BlockTable("table.yaml", {key: value for key, value in ms.items() if key != lacking})
    with pytest.raises(RequestError) as error:
        table.of(network(tuple(len(options) - 1 for options in SPACE.choices.values())))
    assert lacking.replace("-", " ") in error_line(str(error.value))
    assert "; the closest has kernel:5; name the space, the width" in str(error.value)


def test_a_table_that_has_moved_gets_a_way_out(tmp_path: Path) -> None:
    with pytest.raises(
        RequestError, match="there is no such file; if the table has moved, measure anew with"
    ):
        BlockTable.read(tmp_path / "table.yaml")


def test_aliases_of_aliases_take_no_time(tmp_path: Path) -> None:
    lists = [f"  a{depth}: &a{depth} [{', '.join([f'*a{depth - 1}'] * 9)}]" for depth in range(1, 30)]
    lines = ["Conv:", "  mean: 1", "  a0: &a0 x", *lists, "Logits: {mean: *a29}"]
    (tmp_path / "table.yaml").write_text("\n".join(lines))
    with pytest.raises(RequestError, match="Logits has no number as mean"):
        BlockTable.read(tmp_path / "table.yaml")
