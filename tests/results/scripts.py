"""The scripts beside committed results, as modules."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

from tests.conftest import REPOSITORY

PUBLISHED = REPOSITORY / "results" / "published"
FITTED = REPOSITORY / "results" / "fitted"


def published(name: str) -> ModuleType:
    """A script of results/published; it finds its neighbours, as when Python runs it."""
    return _script(PUBLISHED, name)


def fitted(name: str) -> ModuleType:
    """A script of results/fitted; likewise."""
    return _script(FITTED, name)


def _script(folder: Path, name: str) -> ModuleType:
    sys.path.insert(0, str(folder))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(folder))
