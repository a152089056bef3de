"""The tutorial and the examples: every command runs, and what they print is what they show."""

from __future__ import annotations

import re
import runpy
import shlex
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY, Command
from tests.nas.train.conftest import images

__all__ = ["images"]

PAGE = REPOSITORY / "docs" / "tutorial.md"


def words(line: str) -> list[str]:
    """A line as words: tables of another width have the same."""
    return line.split()


def missing(shown: list[str], printed: list[str]) -> list[str]:
    """The lines shown that were not printed, or not in this order; `...` is for any lines."""
    rest = iter([words(line) for line in printed])
    return [line for line in shown if line != "..." and not any(words(line) == other for other in rest)]


def blocks(kind: str) -> list[tuple[list[str], list[str]]]:
    """The commands in blocks of a kind, as words, and the lines shown beneath each."""
    found = re.findall(rf"```{kind}\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return [
        (shlex.split(first.removeprefix("$ ")), shown)
        for first, *shown in (block.splitlines() for block in found)
    ]


def test_the_tutorial_shows_what_is_printed(command: Command, tmp_path: Path) -> None:
    asked = []
    for (program, name, *arguments), shown in blocks("console"):
        few = ["--trials", "100"] if name == "search" else []
        done = command(f"{program}.{name}", *arguments, *few)
        assert done.returncode == 0, done.stderr
        assert not missing(shown, done.stdout.splitlines())
        asked.append(name)
    assert asked == ["score", "search", "search", "score"]
    assert (tmp_path / "found" / "report.html").exists()


@pytest.mark.slow
def test_the_trainings_of_the_tutorial_work(command: Command, images: Path, tmp_path: Path) -> None:
    (given,) = (line[2:] for line, _ in blocks("console") if "mbconv" in line and "search" in line)
    assert command("nas.search", *given, "--trials", "100").returncode == 0
    asked = []
    for (program, name, *arguments), _ in blocks("sh"):
        if program == "nas":
            changed = {"photos": str(images), "15": "1", "64": "32"}
            few = ["--batch-size", "12"] if name == "train" else []
            done = command(f"nas.{name}", *(changed.get(word, word) for word in arguments), *few)
            assert done.returncode == 0, done.stderr
            asked.append(name)
    assert asked == ["train", "export"]
    assert (tmp_path / "trained" / "export" / "row1-seed0.onnx").exists()


def test_links_and_pictures_of_the_tutorial_are_there() -> None:
    for target in re.findall(r"\]\(([^)]+)\)", PAGE.read_text()):
        assert (PAGE.parent / target).exists(), target


@pytest.mark.slow
@pytest.mark.parametrize("script", sorted((REPOSITORY / "examples").glob("*.py")), ids=lambda one: one.stem)
def test_examples_run(
    script: Path,
    images: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(script), str(images), "--epochs", "1", "--image-size", "32"])
    runpy.run_path(str(script), run_name="__main__")
    assert "network.onnx: its outputs differ" in capsys.readouterr().out
    assert (tmp_path / "network.onnx").exists()
