"""The worked example of docs/adding_a_space.md is a space like any other, once its file is saved."""

import importlib.util
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import search_spaces
from nas import exact, score
from nas.values import quantity
from search_spaces import Space, registry
from tests.conftest import REPOSITORY, Begin, Command
from tests.nas.train.conftest import images
from tests.search_spaces.conformance import Conformance

__all__ = ["images"]

README = REPOSITORY / "README.md"
EXACT = REPOSITORY / "docs" / "exact.md"
PAGE = REPOSITORY / "docs" / "adding_a_space.md"
SCORE = REPOSITORY / "docs" / "adding_a_score.md"


def code(page: Path = PAGE) -> str:
    (block,) = re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.DOTALL)
    return str(block)


def commands(page: Path) -> list[list[str]]:
    """The commands of this project that a page shows, as words after `python -m`."""
    text = page.read_text()
    found = re.findall(r"^    nas (.*)$", text, re.MULTILINE) + re.findall(r"\| `nas ([^`]*)`", text)
    assert found
    return [f"nas.{line}".split() for line in found]


class TestWorkedExample(Conformance):
    """The suite over the example."""

    @pytest.fixture(scope="class")
    @staticmethod
    def example(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Space]:
        """The example's space, registered while the class is tested."""
        file = tmp_path_factory.mktemp("docs") / "wide_resnet.py"
        file.write_text(code())
        specification = importlib.util.spec_from_file_location("wide_resnet", file)
        assert specification and specification.loader
        module = importlib.util.module_from_spec(specification)
        sys.modules["wide_resnet"] = module
        specification.loader.exec_module(module)
        yield search_spaces.get("wide-resnet")
        del registry._spaces["wide-resnet"], sys.modules["wide_resnet"]

    @pytest.fixture
    def space(self, example: Space) -> Space:
        """The space under test."""
        return example

    def test_it_has_the_size_its_authors_print(self, space: Space) -> None:
        assert round(space.references["wrn_28_10"].figures().params / 1e6, 1) == 36.5


def test_saving_the_file_is_all_it_takes(begin: Begin, tmp_path: Path) -> None:
    for package in ("nas", "search_spaces"):
        shutil.copytree(REPOSITORY / package, tmp_path / package)
    (tmp_path / "search_spaces" / "wide_resnet.py").write_text(code())
    for words in commands(PAGE):
        done = begin(tmp_path, *quick(words), anew=True).ended()
        assert done.returncode == 0 and done.stdout, done.stderr


def test_saving_the_file_of_a_score_is_all_it_takes(begin: Begin, tmp_path: Path) -> None:
    for package in ("nas", "search_spaces"):
        shutil.copytree(REPOSITORY / package, tmp_path / package)
    (tmp_path / "nas" / "proxies" / "l2_norm.py").write_text(code(SCORE))
    search, study = commands(SCORE)
    done = begin(tmp_path, *search, "--trials", "10", "--top", "1", anew=True).ended()
    assert done.returncode == 0 and "l2_norm" in done.stdout, done.stderr
    few = ["--count", "4", "--set", "epochs=1", "--out", "study"]
    done = begin(tmp_path, *study, *few, anew=True).ended()
    assert done.returncode == 0, done.stderr
    assert "l2_norm" in (tmp_path / "study" / "correlations.csv").read_text()
    assert (tmp_path / "study" / "study.png").exists()


@pytest.mark.parametrize("words", commands(README) + commands(EXACT), ids=" ".join)
def test_the_commands_of_the_pages_work(words: list[str], command: Command) -> None:
    if "--resume" in words:
        assert command("nas.search", "--space", "mlp", "--trials", "50", "--out", words[-1]).returncode == 0
    done = command(*quick(words))
    assert done.returncode == 0 and done.stdout, done.stderr


def test_the_way_from_a_budget_to_a_file_works(
    command: Command,
    images: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The commands of the README one after another, on images that are there and few."""
    (block,) = re.findall(r"## From a budget to a file\n+```sh\n(.*?)```", README.read_text(), re.DOTALL)
    few = f"--epochs 1 --dataset folder --data {images} --batch-size 12"
    block = block.replace("--epochs 5 --dataset cifar10 --data data --download", few)
    assert few in block
    *commands, load = block.replace("--flops 50M", "--flops 50M --trials 50 --top 2").splitlines()
    for line in commands:
        _, name, *arguments = shlex.split(line, comments=True)
        done = command(f"nas.{name}", *arguments)
        assert done.returncode == 0, done.stderr
    _, _, lines = shlex.split(load)
    monkeypatch.chdir(tmp_path)
    exec(lines, {})
    assert capsys.readouterr().out == "torch.Size([2, 3])\n"
    assert (tmp_path / "trained" / "export" / "row1-seed0.onnx").exists()


def test_the_code_of_the_readme_works() -> None:
    names: dict[str, Any] = {}
    lines = code(README).replace("seed=1)", "seed=1, trials=100, top=2)")
    assert "trials=100" in lines
    exec(lines, names)
    assert names["table"]["params"].between(3e6, 4e6).all()
    assert sum(one.numel() for one in names["model"].parameters()) == names["table"]["params"][0]


def test_the_code_about_exact_answers_works() -> None:
    exec(code(EXACT), {})


def test_the_table_of_the_readme_is_right() -> None:
    """Each row that it shows has the figures of its architecture."""
    rows = re.findall(r"^ *\d+  (\S+) +([\d.]+) +(\S+) +\d+% +(\S+) +(\S+) *$", README.read_text(), re.M)
    assert len(rows) == 7
    best = exact.best("mobilenet", 5, flops="400M", fix={"width_mult": 1.1})["arch"]
    assert [f"mobilenet:{name}" for name, *_ in rows[:5]] == best.tolist()
    for name, *shown in rows:
        figures = score(f"mobilenet:{name.replace('mobilenet_v2_scaled', 'w1.1')}")
        assert shown == [
            f"{figures['nn_mass']:.1f}",
            *(quantity(figures[c]) for c in ("flops", "macs", "params")),
        ]


def quick(words: list[str]) -> list[str]:
    """A command with fewer trials and rows, and images on which a ResNet-152 is counted soon."""
    few = ["--trials", "100", "--top", "1"] if "nas.search" in words and "--choices" not in words else []
    return [*words, *few, *(["--fix", "resolution=32"] if "resnet" in words and few else [])]
