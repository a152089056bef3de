"""Pages of runs: what they hold, what they refuse, and that files of a run run nothing."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import nas
from nas.page.cli import main, report
from nas.page.networks import MOST
from nas.stages import stage_table
from nas.train.cli import main as train
from search_spaces import parse
from tests.conftest import REPOSITORY, Command, refused

RESULTS = REPOSITORY / "results"
HOSTILE = "<script>alert(1)</script>\"'&</style>--><img src=x onerror=alert(1)>"


class Document(HTMLParser):
    """The elements of a page, and the texts of its scripts."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.scripts: list[str] = []
        self.attributes: list[str] = []
        self._in_script = False
        self.text = path.read_text()
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]
        if tag == "script":
            self._in_script = True
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._in_script = self._in_script and tag != "script"

    def handle_data(self, data: str) -> None:
        if self._in_script:
            self.scripts[-1] += data

    @property
    def values(self) -> dict[str, Any]:
        """What the script of the page reads."""
        values: dict[str, Any] = json.loads(self.scripts[0])
        return values


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("search") / "found"
    nas.search("mlp", params="20K", trials=30, top=2, out=folder)
    return folder


@pytest.fixture
def run(found: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(found, tmp_path / "run"))


def page(tmp_path: Path, *paths: Path) -> Document:
    out = tmp_path / "page.html"
    assert main([*map(str, paths), "--out", str(out)]) == 0
    assert out.stat().st_size < 5e6
    return Document(out)


def test_a_page_of_a_search_holds_its_networks_with_their_stages(
    found: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = page(tmp_path, found)
    networks, table = made.values["networks"], pd.read_csv(found / "candidates.csv")
    assert networks["specs"][: len(table)] == table["arch"].tolist()
    assert "reference" in networks["roles"] and "mlp_8" in networks["labels"]
    fields = {one["key"]: one for one in networks["fields"]}
    assert fields["flops"]["values"][: len(table)] == table["flops"].tolist()
    assert fields["rank"]["shown"][0] == "1"
    stages = [networks["stages"][number] for number in networks["stages_of"][0]]
    expected = stage_table(parse(table["arch"][0]))
    for name in ("stage", "channels", "side", "nn_mass", "flops", "params"):
        assert [stage[name] for stage in stages] == expected[name].tolist()
    state = json.loads((found / "run.json").read_text())
    assert state["goal"] in made.text and state["proof"]["sentence"] in made.text
    assert f"Page: {tmp_path}/page.html" in capsys.readouterr().out.replace("\n", " ")
    words = shlex.split(networks["commands"][0])
    assert words[:4] == ["nas", "train", "--arch", table["arch"][0]]
    assert "error: mnist in data: " in refused(train, words[2:], capsys)  # all but the data is there


def test_a_page_is_the_same_each_time_and_loads_nothing(found: Path, tmp_path: Path) -> None:
    made = page(tmp_path, found)
    assert page(tmp_path, found).text == made.text
    assert not {"link", "iframe", "object", "base"} & set(made.tags)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', made.text)
    assert policy and "default-src" in policy[1] and "unsafe-eval" not in policy[1]
    assert "unsafe-inline" not in policy[1].partition("style-src")[0]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pilot/cells-k1", "ldi predicts accuracy best"),
        ("pilot/cells-k1/training", "training/summary.csv --dataset folder --data cifar10"),
        ("pilot/cells-across", "Does accuracy follow one line"),
        ("tabular/accel-nasbench-mobilenet", "others measured in accel-nasbench"),
        ("published/networks.csv", "The networks of networks.csv"),
        ("../nas/fitted/shipped/imagenet.json", "On held-out networks"),
    ],
)
def test_every_kind_of_run_has_a_page(name: str, text: str, tmp_path: Path) -> None:
    assert text in page(tmp_path, RESULTS / name).text


def test_a_search_writes_its_page_if_asked(tmp_path: Path, command: Command) -> None:
    words = ["--space", "mlp", "--params", "9K", "--trials", "5", "--top", "1", "--format", "csv"]
    done = command("nas.search", *words, "--report", "--out", "found")
    assert len(done.stdout.splitlines()) == 2 and "Page: found/report.html" in done.stderr
    assert "Proven: row 1" in Document(tmp_path / "found" / "report.html").text


def test_runs_of_different_spaces_are_shown_side_by_side(
    found: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = page(tmp_path, found, RESULTS / "pilot/cells-k1", RESULTS / "published/networks.csv")
    assert "of different spaces (mlp, densenet" in made.text
    assert "of different spaces" in capsys.readouterr().err
    assert len(made.values["runs"]) == 3


def test_text_of_a_run_stays_text(run: Path, tmp_path: Path) -> None:
    clean = page(tmp_path, run)
    for name in ("candidates.csv", "references.csv"):
        table = pd.read_csv(run / name)
        table.loc[0, "arch"] = HOSTILE
        if "name" in table:
            table["name"] = HOSTILE
        further = {HOSTILE: HOSTILE, "found": HOSTILE, "/dev/zero.json": HOSTILE}  # no name opens a file
        table.assign(**further).to_csv(run / name, index=False)
    state = json.loads((run / "run.json").read_text())
    hostile = {
        **state,
        "goal": HOSTILE,
        "evidence": HOSTILE,
        "command": HOSTILE,
        "machine": HOSTILE + "\ud800",
    }
    hostile["versions"] = {HOSTILE: HOSTILE}
    (run / "run.json").write_text(json.dumps(hostile))
    named = run.rename(tmp_path / "<img src=x onerror=alert(1)>")
    made = page(tmp_path, named)
    assert [made.tags.count(tag) for tag in ("script", "img", "style")] == [
        clean.tags.count(tag) for tag in ("script", "img", "style")
    ]
    assert not [name for name in made.attributes if name.startswith("on")]
    assert made.values["networks"]["specs"][0] == HOSTILE and made.values["networks"]["commands"][0] == ""


def test_the_page_holds_the_best_of_many_candidates(run: Path, tmp_path: Path) -> None:
    heading, *rows = (run / "candidates.csv").read_text().splitlines(keepends=True)
    many = (rows * (300_000 // len(rows) + 1))[:300_000]
    (run / "candidates.csv").write_text("".join([heading, *many]))
    made = page(tmp_path, run)
    assert "has 300,000 networks; this page holds the first 2,000." in made.text
    assert made.values["networks"]["roles"].count("candidate") == MOST


def test_what_is_no_run_is_refused(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, other = tmp_path / "page.html", tmp_path / "other.html"
    other.write_text("<p>mine</p>")
    (tmp_path / "empty").mkdir()
    for arguments, message in (
        ([str(tmp_path / "empty")], "it has no run.json"),
        ([str(tmp_path / "nowhere")], "there is no such folder"),
        ([str(run), "--out", str(other)], "other.html exists and is no page of nas report"),
        ([str(run), "--out", str(tmp_path / "page.pdf")], "expected a file that ends with .html"),
        ([str(run), "--out", str(tmp_path / "nowhere/page.html")], "there is no such"),
        ([str(run), "--latency", "cpu"], "--latency measures the networks of studies"),
    ):
        given = arguments if len(arguments) > 1 else [*arguments, "--out", str(out)]
        assert message in refused(main, given, capsys)
    for damage in (b"", b"\xff\xfe", b"rank\n1\n", b'"'):
        (run / "candidates.csv").write_bytes(damage)
        assert "candidates.csv" in refused(main, [str(run), "--out", str(out)], capsys)
    for state in (b"", b"[1]", b'{"request": 3}', b"{" * 10000):
        (run / "run.json").write_bytes(state)
        assert "run.json is damaged" in refused(main, [str(run), "--out", str(out)], capsys)
    assert not out.exists() and other.read_text() == "<p>mine</p>"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_is_read_only_is_refused(
    found: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tmp_path.chmod(0o500)
    assert "permission denied" in refused(main, [str(found), "--out", str(tmp_path / "page.html")], capsys)
    tmp_path.chmod(0o700)


def test_a_page_is_replaced_by_the_next(found: Path, tmp_path: Path) -> None:
    out = report([found], tmp_path / "page.html")
    before = out.read_bytes()
    assert report([found], out).read_bytes() == before


def test_a_page_survives_values_of_wrong_types(run: Path, tmp_path: Path) -> None:
    state = json.loads((run / "run.json").read_text())
    request = state["request"]
    for wrong in ({key: [{}] for key in request}, {**request, "budgets": {"flops": {}}, "score": 3}):
        of_wrong_types = {name: [{}] for name in state if name != "format"}
        (run / "run.json").write_text(json.dumps({**of_wrong_types, "request": wrong}))
        page(tmp_path, run)
    table = pd.read_csv(run / "candidates.csv")
    table[table.columns.drop("arch")] = "=1+1"
    table.to_csv(run / "candidates.csv", index=False)
    page(tmp_path, run)
    arch, file = table["arch"].iloc[0], tmp_path / "table.csv"
    for cost in ("inf", "-inf", "", "much", "9" * 400):
        file.write_text(f"arch,flops,flops_share\n{arch},{cost},{cost}\n{arch},,\n")
        assert page(tmp_path, file).values["networks"]["specs"] == [arch, arch]
