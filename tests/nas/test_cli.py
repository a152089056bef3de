"""The parts common to all commands: numbers, one-line errors, signals and streams."""

from __future__ import annotations

import argparse
import importlib.util
import signal
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import pytest

from nas.cli import error_line, progress, run, wrapped
from nas.commands import COMMANDS
from nas.values import Range, at_least, literal
from tests.conftest import PATIENCE, REPOSITORY, Command, environment


@pytest.mark.parametrize(
    "text", ["0", "-1", "1.5", "1e3", "", " 5", "1_000", "\uff11", "\u0663", "abc", "2147483648", "9" * 5000]
)
def test_whole_numbers_have_bounds_and_ascii_digits(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError) as refused:
        at_least(1)(text)
    assert len(str(refused.value)) < 140


def test_whole_numbers_inside_their_bounds_pass() -> None:
    assert [at_least(0, 7)(text) for text in ("0", "7", "+3", "007")] == [0, 7, 3, 7]
    with pytest.raises(argparse.ArgumentTypeError, match=r"'1,000' is not a whole number .*; write 1000"):
        at_least(1)("1,000")
    with pytest.raises(argparse.ArgumentTypeError, match="'8' is too large; the most is 7"):
        at_least(0, 7)("8")


@pytest.mark.parametrize(
    "text", ["-0.1", "1.1", "nan", "inf", "", " 1", "0_1", "\uff11", "\u0663", "x" * 5000]
)
def test_numbers_have_bounds_and_ascii_digits(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is not a number of minutes from 0 to 1") as refused:
        Range(0, 1, unit="of minutes").read(float, text)
    assert len(str(refused.value)) < 140
    assert [Range(0, 1).read(float, inside) for inside in ("0", "1", ".5", "1e-3")] == [0, 1, 0.5, 0.001]


@pytest.mark.parametrize("text", ["\uff11", "\u0663", "1_0", " 1"])
def test_what_no_one_types_as_a_number_is_text(text: str) -> None:
    assert literal(text) == text


def test_errors_are_one_short_line_without_escape_codes() -> None:
    line = error_line("no \x1b[31mred\x07\nfile " + "9" * 5000 + " " + "long " * 5000 + "\udcff; say so")
    assert line.isprintable() and len(line) == 600
    assert line.startswith(r"error: no \x1b[31mred\x07 file 999") and line.endswith(r"\udcff; say so")
    path = "/" + "/".join(["a"] * 90)
    assert error_line(f"{path}: no such file") == f"error: {path}: no such file"


def test_long_lines_are_wrapped_but_paths_stay_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    path = "/a-folder" * 20
    lines = wrapped(f"{'word ' * 30}{path}").splitlines()
    assert lines[-1] == path and max(map(len, lines[:-1])) <= 80 and len(lines) == 3


def _shell(command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", command.format(python=sys.executable)],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        timeout=PATIENCE,
    )


FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
COUNT = "{python} -m nas.exact --space mlp --params 10K --count"


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        pytest.param(f"{COUNT} >/dev/full", 2, "cannot write standard output: No space left", marks=FULL),
        (f"{COUNT} >&-", 2, "standard output is closed"),
        (f"{COUNT} --space nope 2>&-", 2, ""),
        pytest.param(f"{COUNT} --space nope 2>/dev/full", 2, "", marks=FULL),
        (f"({COUNT}; echo $? >&2) | true", 0, "0"),
    ],
)
def test_full_closed_and_broken_streams(command: str, code: int, message: str) -> None:
    done = _shell(command)
    assert (done.returncode, done.stdout) == (code, "")
    assert message in done.stderr and done.stderr.count("\n") == bool(message)


def test_only_a_broken_standard_output_is_no_fault() -> None:
    def broken(arguments: Sequence[str]) -> int:
        raise BrokenPipeError  # as of a worker that has died

    with pytest.raises(BrokenPipeError):
        run(broken, [])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_command_is_interrupted_in_its_first_imports(number: signal.Signals, tmp_path: Path) -> None:
    # A module of that name ahead of the real one: the signal arrives while it is imported.
    (tmp_path / "numpy.py").write_text(f"import os\nos.kill(os.getpid(), {int(number)})\nwhile True: pass\n")
    modules = [f"nas.{name}" for name in COMMANDS if importlib.util.find_spec(f"nas.{name}")]
    assert len(modules) == 10
    every = [*([name] for name in modules), *(["nas", name] for name in COMMANDS)]
    for words in every if number == signal.SIGINT else (every[0], every[-1]):  # both have one handler
        done = subprocess.run(
            [sys.executable, "-m", *words],
            capture_output=True,
            text=True,
            env={**environment(), "PYTHONPATH": f"{tmp_path}:{REPOSITORY}"},
            cwd=tmp_path,
            timeout=PATIENCE,
        )
        assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n"), words


def test_a_command_is_interrupted_at_work(capsys: pytest.CaptureFixture[str]) -> None:
    def work(arguments: Sequence[str]) -> int:
        signal.raise_signal(signal.SIGTERM)
        return 0

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as ended:
        run(work, [])
    assert (ended.value.code, capsys.readouterr().err) == (130, "interrupted\n")
    assert signal.getsignal(signal.SIGTERM) is before


def test_long_work_tells_how_far_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    errors = ""
    with progress("measuring", 3, every=0.001) as advance:
        advance()
        while "measuring: 1 of 3, 0 s\n" not in errors:
            errors += capsys.readouterr().err
    with progress("measuring", 3) as advance:
        advance()
    assert "of 3" not in capsys.readouterr().err.replace("measuring: 1 of 3, 0 s\n", "")


def test_one_command_lists_and_runs_all(command: Command) -> None:
    overview = command("nas", "--help")
    assert max(map(len, overview.stdout.splitlines())) <= 80
    assert overview.returncode == 0 and all(f"  {name} " in overview.stdout for name in COMMANDS)
    assert command("nas").returncode == 2
    assert command("nas", "--version").stdout == f"zero-cost-nas {version('zero-cost-nas')}\n"
    wrong = command("nas", "serach")
    assert (wrong.returncode, wrong.stdout) == (2, "") and "did you mean search?" in wrong.stderr
    assert command("nas", "score", "mlp:w8").stdout == command("nas.score", "mlp:w8").stdout != ""
