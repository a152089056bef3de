"""`python -m nas.search`, as users run it: what it prints, keeps, refuses and survives."""

import io
import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import optuna
import pandas as pd
import pytest

import search_spaces
from nas import score
from nas.optimize.cli import main
from nas.optimize.request import Request
from nas.optimize.study import Journal
from nas.verify import FvcoreVerifier, Row
from tests.conftest import REPOSITORY, Begin, Command, environment, refused

QUICK = ("--space", "mobilenet", "--flops", "400M", "--sampler", "random")
TINY = ("--space", "mlp", "--flops", "20K", "--sampler", "random")


def candidates(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "candidates.csv")


def unlike_time(folder: Path) -> pd.DataFrame:
    """What two runs of one request have in common: everything but what was recounted when."""
    return candidates(folder).drop(columns="recounted")


def test_a_budget_becomes_a_table(command: Command, tmp_path: Path) -> None:
    done = command("nas.search", *QUICK, "--trials", "300", "--top", "2", "--out", "run")
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    for name in ("mobilenet_v2", "nn_mass_a", "nn_mass_b", "counted by fvcore", "mobilenet_v2_scaled"):
        assert name in " ".join(done.stdout.split())
    assert done.stdout.startswith(
        "Base width: width_mult=1.1, the largest at which mobilenet_v2 does not exceed"
    )
    assert "NN-Mass compares" not in done.stdout

    run = tmp_path / "run"
    assert {file.name for file in run.iterdir()} == {
        "run.json", "candidates.csv", "references.csv", "study.log", "mass.png"
    }  # fmt: skip
    table = candidates(run)
    assert list(table.columns) == [
        "rank", "arch", "nn_mass", "flops", "macs", "params", "flops_share", "found", "recounted"
    ]  # fmt: skip
    assert (table["flops"] <= 400e6).all() and table["arch"].is_unique
    assert table["nn_mass"].is_monotonic_decreasing
    assert table["recounted"].tolist() == [True] * 2 + [False] * (len(table) - 2)
    for row in table.head(2).itertuples():
        assert score(str(row.arch)) == {name: getattr(row, name) for name in score(str(row.arch))}

    state = json.loads((run / "run.json").read_text())
    assert state["status"] == "finished" and state["trials_done"] == 300
    assert state["proof"]["meeting"] == 1_234
    assert {"import", "sampling", "scoring", "recount", "total"} <= set(state["seconds"])
    assert {"optuna", "torch", "fvcore", "numpy", "pandas", "python"} <= set(state["versions"])
    backend = optuna.storages.journal.JournalFileBackend(str(run / "study.log"))
    study = optuna.load_study(study_name="search", storage=optuna.storages.JournalStorage(backend))
    assert len(study.trials) == 300


def test_the_stored_command_gives_the_same_table_in_another_process(command: Command, tmp_path: Path) -> None:
    first = command("nas.search", "--space", "mlp", "--params", "20K:60K", "--fix", "width=16",
                    "--trials", "250", "--top", "1", "--seed", "7", "--format", "csv",
                    "--out", "run")  # fmt: skip
    assert first.returncode == 0, first.stderr
    stored = json.loads((tmp_path / "run" / "run.json").read_text())["command"]
    words = stored.removeprefix("python -m nas.search ").split()
    again = command("nas.search", *words, "--top", "1", "--format", "csv", "--out", "again")
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "run/candidates.csv").read_bytes() == (tmp_path / "again/candidates.csv").read_bytes()


def test_csv_is_the_table_alone_and_json_carries_the_proof(command: Command) -> None:
    evidence = Request("mlp", {"flops": "20K"}).evidence
    assert evidence is not None
    done = command("nas.search", *TINY, "--trials", "60", "--top", "2", "--format", "csv")
    assert len(pd.read_csv(io.StringIO(done.stdout))) == 2 and evidence in done.stderr
    done = command("nas.search", *TINY, "--trials", "60", "--top", "2", "--format", "json")
    printed = json.loads(done.stdout)
    assert [row["rank"] for row in printed["rows"]] == [1, 2] and len(printed["references"]) == 2
    assert printed["base_width"]["choices"] == {"width": 16} and printed["evidence"] == evidence
    assert printed["proof"]["meeting"] == 628 and Path(printed["folder"]).parts[0] == "results"


def test_runs_go_to_a_folder_of_their_own(command: Command, tmp_path: Path) -> None:
    for _ in range(2):
        assert command("nas.search", "--space", "mlp", "--flops", "10K", "--trials", "30").returncode == 0
    folders = list((tmp_path / "results" / "runs").iterdir())
    assert len(folders) == 2
    assert all("mlp-flops-10K" in folder.name for folder in folders)


def test_like_keeps_mass_and_base_width_and_costs_less(command: Command, tmp_path: Path) -> None:
    done = command("nas.search", "--space", "mobilenet", "--like", "mobilenet_v2", "--trials", "200",
                   "--top", "2", "--format", "csv", "--out", "run")  # fmt: skip
    assert done.returncode == 0, done.stderr
    table = candidates(tmp_path / "run")
    assert (table["nn_mass"] >= 1287).all() and table["flops"].is_monotonic_increasing
    assert table["arch"].str.startswith("mobilenet:w1.0_").all()
    assert table.loc[0, "flops"] < score("mobilenet:mobilenet_v2")["flops"]
    across = command("nas.search", "--space", "mobilenet", "--like", "mobilenet_v2", "--across-widths",
                     "--minimize", "params", "--trials", "100", "--top", "1", "--format", "csv",
                     "--out", "across")  # fmt: skip
    assert across.returncode == 0, across.stderr
    table = candidates(tmp_path / "across")
    assert table["params"].is_monotonic_increasing
    assert not table["arch"].str.startswith("mobilenet:w1.0_").all()


def test_a_front_has_no_network_that_another_beats(command: Command, tmp_path: Path) -> None:
    done = command("nas.search", "--space", "mlp", "--params", "20K", "--pareto", "params",
                   "--trials", "300", "--top", "1", "--format", "csv", "--out", "run")  # fmt: skip
    assert done.returncode == 0, done.stderr
    everything = candidates(tmp_path / "run")
    table = everything[everything["front"]]
    assert 0 < len(table) < len(everything)
    assert table["nn_mass"].is_monotonic_decreasing and table["params"].is_monotonic_decreasing
    assert table["nn_mass"].is_unique


def test_a_killed_verification_names_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    start = FvcoreVerifier.start

    def killed(verifier: FvcoreVerifier, rows: Sequence[Row]) -> None:
        verifier._process.kill()
        start(verifier, rows)

    run = ["--trials", "10", "--top", "1", "--format", "csv", "--out", str(tmp_path / "run")]
    with monkeypatch.context() as patched:
        patched.setattr(FvcoreVerifier, "start", killed)
        message = refused(main, [*TINY, *run], capsys)
    assert "was killed (SIGKILL)" in message
    assert f"go on with: python -m nas.search --resume {tmp_path / 'run'}" in message
    assert main(["--resume", str(tmp_path / "run"), "--top", "1"]) == 0


def test_torch_is_left_to_the_recount(tmp_path: Path) -> None:
    """The searching process itself never imports it; `-X importtime` reports that process alone."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "nas.search", *TINY, "--trials", "20", "--top", "1"],
        cwd=tmp_path, env=environment(), capture_output=True, text=True,
    )  # fmt: skip
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert done.returncode == 0 and "counted by fvcore" in " ".join(done.stdout.split())
    assert "optuna" in imported and not {"torch", "fvcore"} & imported


@pytest.mark.parametrize(
    "arguments",
    [
        ["--choices", "--space", "mlp"],
        pytest.param([*TINY, "--trials", "20", "--top", "1"], marks=pytest.mark.slow),
    ],
)
def test_a_reader_that_has_gone_is_no_fault(tmp_path: Path, arguments: list[str]) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "nas.search", *arguments],
        cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout and process.stderr
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait() == 0


def test_like_of_no_mass_is_no_fault(command: Command) -> None:
    """Also: a network like itself is shown once, at the requested resolution."""
    massless = ["--like", "w0.35_d1-1-1-1-1-1-1", "--fix", "resolution=32"]
    done = command("nas.search", "--space", "mobilenet", *massless, "--trials", "30", "--top", "1")
    assert done.returncode == 0, done.stderr
    assert "nn_mass at least 0" in " ".join(done.stdout.split())
    done = command("nas.search", "--space", "mlp", "--like", "mlp:mlp_8", "--trials", "60", "--top", "1")
    assert done.stdout.count("mlp_8") == 1 and " like " not in done.stdout


def test_choices_are_shown(command: Command) -> None:
    done = command("nas.search", "--space", "mobilenet", "--choices")
    assert done.returncode == 0
    assert "0.35, 0.4, 0.45, ... 1.4 (22 options)" in done.stdout and "190,080" in done.stdout
    assert "resolution" in done.stdout


INVALID = {
    "no space": ([], "give --space, one of densenet, mbconv"),
    "unknown space": (["--space", "mobilnet"], "did you mean mobilenet?"),
    "unknown sampler": (["--space", "mlp", "--sampler", "tpo"], "did you mean tpe?"),
    "unknown reference": (
        ["--space", "mlp", "--like", "vgg"],
        "it is not a reference of mlp either (mlp_8, mlp_16)",
    ),
    "misspelt reference": (["--space", "mobilenet", "--like", "mobilenetv2"], "did you mean mobilenet_v2?"),
    "misspelt score": (["--space", "mlp", "--score", "nnmass"], "did you mean nn_mass?"),
    "misspelt choice": (["--space", "mlp", "--fix", "widht=8"], "did you mean width?"),
    "digits of another script": (["--space", "mlp", "--fix", "width=\uff18"], "is not an option of mlp"),
    "empty folder": (["--space", "mlp", "--out", ""], "--out '': an empty argument"),
    "a name that is too long": (["--space", "mlp", "--out", "n" * 5000], "File name too long"),
    "empty score": (["--space", "mlp", "--score="], "--score '': an empty argument"),
    "empty sampler": (["--space", "mlp", "--sampler", ""], "--sampler '': an empty argument"),
    "sampler of earlier versions": (
        ["--space", "mlp", "--sampler", "cmaes"],
        "choose from 'nsga2', 'tpe', 'random', 'qmc'",
    ),
    "choices of a budget": (
        ["--space", "mlp", "--choices", "--params", "x"],
        "--params x: expected a budget",
    ),
    "choices of a run": (["--choices", "--resume", "run"], "leave out --resume"),
    "endless top": (["--space", "mlp", "--top", "10000000000"], "'10000000000' is too large"),
    "endless seed": (["--space", "mlp", "--seed", "18446744073709551616"], "is too large"),
    "endless batch": (["--space", "mlp", "--score", "snip", "--score-batch", "1000000000"], "is too large"),
    "escape codes": (["--space", "a\x1b[31m"], r"unknown space 'a\x1b[31m'"),
    "unknown choice": (["--space", "mlp", "--fix", "height=2"], "mlp has no choice 'height'"),
    "no such option": (["--space", "mobilenet", "--fix", "width_mult=2"], "it has 0.35, 0.4"),
    "not an assignment": (["--space", "mlp", "--fix", "width"], "is not NAME=VALUE"),
    "no budget": (["--space", "mlp", "--flops", "abc"], "--flops abc: expected a budget"),
    "negative budget": (["--space", "mlp", "--flops", "-1"], "--flops -1: expected a budget"),
    "negative budget in millions": (["--space", "mlp", "--flops", "-4M"], "--flops -4M: expected a budget"),
    "zero budget": (["--space", "mlp", "--params", "0"], "--params 0: expected a budget"),
    "empty band": (["--space", "mlp", "--flops", ":"], "--flops :: expected a budget"),
    "reversed band": (["--space", "mlp", "--flops", "9K:8K"], "write 8K:9K"),
    "below the smallest": (
        ["--space", "mobilenet", "--flops", "12M"],
        "Add --fix resolution=96",
    ),
    "below the smallest at 96 pixels": (
        ["--space", "mobilenet", "--flops", "10M"],
        "the smallest network of mobilenet has 53,226,272 flops\n",
    ),
    "above the largest": (
        ["--space", "mlp", "--flops", "1G:2G"],
        "the largest network of mlp has 300,672 flops",
    ),
    "between two": (
        ["--space", "mobilenet", "--flops", "300000001:300000002"],
        "the nearest have 299,995,760 flops and 300,002,032 flops",
    ),
    "between two of a huge space": (
        ["--space", "mobilenet-wide", "--params", "3700001:3700003", "--trials", "20", "--out", "run"],
        "has params from 3,700,001 to 3,700,003; the nearest have 3.7M params and 3,700,008 params",
    ),
    "budgets that exclude each other": (
        ["--space", "mobilenet", "--flops", "900M:", "--params", "2M", "--across-widths"],
        "among those with flops at least 900M; the nearest has",
    ),
    "zero trials": (["--space", "mlp", "--trials", "0"], "'0' is not a whole number of at least 1"),
    "a spec that does not parse": (["--space", "mlp", "--like", "w8_dx"], "'dx' at character 4"),
    "no such argument": (["--space", "mlp", "--flop", "3M"], "--flop"),
    "a space without its option": (["mlp"], "unrecognized arguments: mlp (did you mean --space mlp?)"),
    "two searches": (["--space", "mlp", "--like", "mlp_8", "--pareto", "flops"], "leave out one of them"),
    "minimize without like": (["--space", "mlp", "--minimize", "params"], "give --like as well"),
    "a choice called self": (["--space", "mlp", "--fix", "self=1"], "mlp has no choice 'self'"),
    "a choice pinned twice": (["--space", "mlp", "--fix", "width=8", "--fix", "width=16"], "given twice"),
    "more than 64 bits": (["--space", "mobilenet", "--fix", "resolution=100000"], "of at most 4,096"),
    "an error of two lines": (["--space", "mlp", "--flops", "a\nb"], "--flops a b: expected a budget"),
    "a band without a whole number": (
        ["--space", "mlp", "--flops", "400.5:400.7"],
        "no whole number in the band",
    ),
    "not a folder": (["--resume", "x" * 300], "File name too long"),
    "a width that like cannot keep": (
        ["--space", "mobilenet", "--like", "w0.33"],
        "--like keeps the base width of w0.33",
    ),
    "no run": (["--resume", "."], "no search was started in it"),
    "unknown score": (
        ["--space", "mlp", "--score", "zenn"],
        "(did you mean zen?); there are nn_mass, params",
    ),
    "like by another score": (
        ["--space", "mlp", "--like", "mlp_8", "--score", "zen"],
        "--like looks for the cheapest networks of an NN-Mass; leave out --score",
    ),
    "a front of one figure": (
        ["--space", "mlp", "--pareto", "flops", "--score", "flops"],
        "--pareto flops against --score flops is no front",
    ),
    "images for no score that sees them": (
        ["--space", "mlp", "--score", "depth", "--score-batch", "8"],
        "--score-batch 8: depth uses no images",
    ),
    "a batch of one": (["--space", "mlp", "--score", "zen", "--score-batch", "1"], "of at least 2"),
    "unwritable": (["--space", "mlp", "--out", "/proc/self/run"], "cannot write /proc/self/run"),
}


@pytest.mark.parametrize("case", INVALID)
def test_an_invalid_request_gets_one_line(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments, message = INVALID[case]
    assert message in refused(main, arguments, capsys)
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("case", ["unknown space", "empty band", "no such argument", "unwritable"])
def test_an_invalid_request_exits_with_2(command: Command, tmp_path: Path, case: str) -> None:
    arguments, message = INVALID[case]
    done = command("nas.search", *arguments)
    assert done.returncode == 2 and not done.stdout
    assert message in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "results").exists()


class TestResume:
    """An interrupted or killed run resumes to the table of an uninterrupted run."""

    trials = 2000
    given = (
        *TINY,
        "--trials",
        str(trials),
        "--top",
        "1",
        "--format",
        "csv",
        "--out",
        "run",
    )
    constants: ClassVar = {"nas.optimize.run._LEAST_PAUSE": 0.0, "nas.runs._PAUSE_RATIO": 0.0}
    """It is saved after every block."""

    @pytest.fixture(scope="class")
    @staticmethod
    def complete(begin: Begin, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
        """The table of a run that nothing stopped."""
        folder = tmp_path_factory.mktemp("complete")
        assert begin(folder, "nas.search", *TestResume.given).ended().returncode == 0
        return unlike_time(folder / "run")

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_interrupted(
        self,
        begin: Begin,
        command: Command,
        tmp_path: Path,
        complete: pd.DataFrame,
        number: signal.Signals,
    ) -> None:
        run = tmp_path / "run"
        begun = begin(tmp_path, "nas.search", *self.given, constants=self.constants)
        begun.until((run / "study.log").exists)
        begun.send_signal(number)
        done = begun.ended()
        assert done.returncode == 130
        assert re.search(r"interrupted after [\d,]+ of 2,000 trials", done.stderr)
        assert "--resume" in done.stderr
        state = json.loads((run / "run.json").read_text())
        assert state["status"] == "interrupted" and 0 < state["trials_done"] < self.trials
        assert len(candidates(run)) == state["candidates"] > 0
        self.resumes(command, run, complete)

    @pytest.mark.parametrize("saves", [1, 3])
    def test_killed(
        self, begin: Begin, command: Command, tmp_path: Path, complete: pd.DataFrame, saves: int
    ) -> None:
        run, seen = tmp_path / "run", set[int]()
        begun = begin(tmp_path, "nas.search", *self.given, constants=self.constants)

        def saved() -> bool:
            if (run / "study.log").exists():
                seen.add((run / "study.log").stat().st_mtime_ns)
            return len(seen) >= saves

        begun.until(saved)
        begun.send_signal(signal.SIGKILL)
        assert begun.ended().returncode == -signal.SIGKILL
        assert json.loads((run / "run.json").read_text())["status"] == "running"
        assert len(Journal.load(run / "study.log").logs) > 0
        if (run / "candidates.csv").exists():
            assert candidates(run)["arch"].is_unique
        self.resumes(command, run, complete)

    def resumes(self, command: Command, run: Path, complete: pd.DataFrame) -> None:
        done = command("nas.search", "--resume", str(run), "--top", "1", "--format", "csv")
        assert done.returncode == 0, done.stderr
        assert json.loads((run / "run.json").read_text())["status"] == "finished"
        pd.testing.assert_frame_equal(unlike_time(run), complete)

    def test_more_trials_may_be_asked_for(self, command: Command, tmp_path: Path) -> None:
        shown = ("--top", "1", "--format", "csv")
        for trials, where in (
            ("230", [*TINY, "--out", "run"]),
            ("450", ["--resume", "run"]),
            ("450", [*TINY, "--out", "whole"]),
        ):
            assert command("nas.search", *where, "--trials", trials, *shown).returncode == 0
        pd.testing.assert_frame_equal(candidates(tmp_path / "run"), candidates(tmp_path / "whole"))

    def test_what_is_refused(
        self,
        command: Command,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.chdir(tmp_path)
        run = tmp_path / "run"
        assert command("nas.search", *TINY, "--trials", "40", "--top", "1", "--out", "run").returncode == 0
        for arguments, message in (
            (["--space", "resnet"], "the request of that run is --space mlp --flops 20K"),
            (["--flops", "30K"], "the request of that run is"),
            (["--params", "3M"], "the request of that run is"),
            (["--seed", "3"], "the request of that run is"),
            (["--score", "params"], "the request of that run is"),
            (["--score-batch", "8"], "the request of that run is"),
            (["--trials", "20"], "the total of that run is 40 already"),
            (["--out", "other"], "leave out --out"),
        ):
            assert message in refused(main, ["--resume", "run", *arguments], capsys)
        assert "run is not empty" in refused(main, [*TINY, "--out", "run"], capsys)
        before = {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in run.iterdir()}
        same = command("nas.search", "--resume", "run", "--flops", "20e3", "--top", "1")
        assert same.returncode == 0, same.stderr
        assert {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in run.iterdir()} == before

        state = json.loads((run / "run.json").read_text())
        del state["request"]["score"], state["request"]["score_batch"]  # as before there were other scores
        state["versions"]["optuna"] = "4.9.9"
        (run / "run.json").write_text(json.dumps(state))
        noted = command("nas.search", "--resume", "run", "--top", "1")
        assert noted.returncode == 0 and "note: optuna was 4.9.9, is" in noted.stderr

        for name, content in (
            ("run.json", "{"),
            ("run.json", "[]"),
            ("run.json", json.dumps({**state, "request": {**state["request"], "space": 5}})),
            ("run.json", json.dumps({**state, "request": {**state["request"], "budgets": ["20K"]}})),
            ("study.log", "{}\n"),
            ("study.log", ""),
        ):
            damaged = tmp_path / "damaged"
            shutil.copytree(run, damaged)
            (damaged / name).write_text(content)
            assert "damaged" in refused(main, ["--resume", "damaged"], capsys)
            shutil.rmtree(damaged)

        log = run / "study.log"
        log.write_text(log.read_text().replace("flops at most 20K", "flops at most 21K"))
        assert "the study is of another search" in refused(main, ["--resume", "run"], capsys)


def test_a_space_that_miscounts_stops_the_run(begin: Begin, tmp_path: Path) -> None:
    """A space file with a fault, dropped into the package: a traceback and exit 1, nothing verified."""
    shutil.copytree(REPOSITORY / "nas", tmp_path / "nas")
    shutil.copytree(REPOSITORY / "search_spaces", tmp_path / "search_spaces")
    layers = tmp_path / "search_spaces" / "layers.py"
    layers.write_text(layers.read_text().replace("params=weights + self.features_out", "params=weights"))
    done = begin(tmp_path, "nas.search", "--space", "mlp", "--trials", "20", anew=True).ended()
    assert done.returncode == 1
    assert "CountMismatchError" in done.stderr and "params is" in done.stderr
    assert "counted by fvcore" not in done.stdout


def test_a_search_without_a_budget_prints_its_evidence_too(command: Command) -> None:
    text = Request("mlp").evidence
    assert text is not None
    done = command("nas.search", "--space", "mlp", "--trials", "10", "--top", "1")
    assert text in " ".join(done.stdout.split()) and "No budget was given" in done.stdout


def test_other_spaces_are_searched_without_a_budget(command: Command) -> None:
    """Those that no other test searches by the command."""
    for name in {*search_spaces.names()} - {"mobilenet", "resnet", "densenet", "mlp"}:
        done = command("nas.search", "--space", name, "--trials", "30", "--top", "1", "--sampler", "random",
                       "--format", "csv")  # fmt: skip
        assert done.returncode == 0, done.stderr
