"""The scripts beside committed results, as modules."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

from tests.conftest import REPOSITORY

PUBLISHED = REPOSITORY / "results" / "published"


def published(name: str) -> ModuleType:
    """A script of results/published; it finds its neighbours, as when Python runs it."""
    sys.path.insert(0, str(PUBLISHED))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(PUBLISHED))
