"""The worked example of docs/adding_a_space.md is a space like any other, once its file is saved."""

import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import search_spaces
from search_spaces import Space, registry
from tests.conftest import REPOSITORY, environment
from tests.search_spaces.conformance import Conformance

PAGE = REPOSITORY / "docs" / "adding_a_space.md"


def code() -> str:
    (block,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    return str(block)


class TestWorkedExample(Conformance):
    """The suite over the example."""

    examples = 40

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


def test_saving_the_file_is_all_it_takes(tmp_path: Path) -> None:
    for package in ("nas", "search_spaces"):
        shutil.copytree(REPOSITORY / package, tmp_path / package)
    (tmp_path / "search_spaces" / "wide_resnet.py").write_text(code())
    commands = re.findall(r"^    python -m (nas\..*)$", PAGE.read_text(), flags=re.MULTILINE)
    assert len(commands) == 2
    for command in commands:
        quick = ["--trials", "40", "--top", "1"] if "search" in command else []
        done = subprocess.run(
            [sys.executable, "-m", *command.split(), *quick], cwd=tmp_path, capture_output=True, text=True,
            env={**environment(), "PYTHONPATH": str(tmp_path)},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "NN-Mass" in done.stdout
