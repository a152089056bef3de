"""Scores that a cluster measures before the trials of a search: a stop or an error loses no trial."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest

import nas.tasks
import search_spaces
from nas import search
from nas.optimize.folder import RunFolder
from nas.optimize.request import Request
from nas.optimize.run import Run
from nas.proxies import Subject, registry
from nas.proxies.registry import register
from search_spaces import RequestError


def wanted() -> Request:
    return Request("mlp", {"params": "12K"}, score="length", sampler="random", trials=12)


ENGINE = """
from contextlib import nullcontext
from nas.tasks import Here, Place

def connected(address, need):
    return nullcontext(Here(Place()))
"""


@pytest.fixture
def on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An engine of `--on` whose only worker is this process."""
    (tmp_path / "engines").mkdir()
    (tmp_path / "engines" / "alone.py").write_text(ENGINE)
    monkeypatch.setattr(nas.tasks, "__path__", [*nas.tasks.__path__, str(tmp_path / "engines")])
    return "alone"


@pytest.fixture
def seen() -> Iterator[Counter[str]]:
    """How often each network was measured by `length`."""
    counts: Counter[str] = Counter()

    @register("length", "network")
    def length(subject: Subject) -> float:
        counts[str(subject.architecture)] += 1
        return float(str(subject.architecture.choices()["depth"]))

    yield counts
    del registry._proxies["length"]


def refuse() -> bool:
    raise RequestError("a node lacks something")


@pytest.mark.parametrize("ending", [lambda: True, refuse])
def test_what_is_measured_is_kept(
    ending: Callable[[], bool], on: str, seen: Counter[str], tmp_path: Path
) -> None:
    run = Run(wanted(), wanted().problem(), on=on)
    path = run.create_folder(tmp_path / "run").path
    try:
        run.explore(lambda: len(seen) >= 4 and ending())
    except RequestError as error:
        assert str(error).endswith(f"a node lacks something; then run python -m nas.search --resume {path}")
    else:
        run.stop()
    folder = RunFolder.open(path)
    assert folder.status == "interrupted" and 0 < folder.trials_done < wanted().trials

    again = Run(wanted(), wanted().problem(), folder, on=on)
    again.explore()
    references = map(str, search_spaces.get("mlp").references.values())  # each command measures these
    assert {seen[arch] for arch in set(seen) - set(references)} == {1}
    whole = search("mlp", params="12K", score="length", sampler="random", trials=12, top=0)
    pd.testing.assert_frame_equal(again.found, whole)
