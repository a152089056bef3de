"""The package's names: imported when used, and functions that share the name of their package."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

import nas
import nas.optimize.run as module


def test_functions_leave_their_packages_importable() -> None:
    assert module.Run.__module__ == "nas.optimize.run"
    assert nas.score("mobilenet:mobilenet_v2") == nas.score.score("mobilenet:mobilenet_v2")  # type: ignore[attr-defined]
    assert {"space", "flops", "top"} <= set(inspect.signature(nas.search).parameters)


def test_names_are_listed_and_others_are_none() -> None:
    assert {"exact", "load", "read", "score", "search", "study", "train"} <= set(dir(nas))
    assert all(callable(function) for function in (nas.search, nas.load, nas.exact.best))
    with pytest.raises(AttributeError, match="no attribute 'serach'"):
        nas.serach  # type: ignore[attr-defined]  # noqa: B018


def test_importing_it_imports_nothing_else() -> None:
    imported = "import sys, nas; print([name for name in sys.modules if name.startswith(('nas.', 'numpy'))])"
    done = subprocess.run([sys.executable, "-c", imported], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
