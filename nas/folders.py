"""Folders of runs: made new, described by their run.json, and read again."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from search_spaces import RequestError

T = TypeVar("T")


def made(path: Path | None, under: Path, name: str) -> Path:
    """Make a new folder: at `path`, which may be there and empty, or one named for the time and what it is.

    Args:
        path: Where it was asked for.
        under: Where folders of its kind are, if it was not.
        name: What it is.

    Raises:
        RequestError: There is something in it already, or it cannot be made.
    """
    if path is None:
        return _numbered(under, f"{datetime.now():%Y%m%d-%H%M%S}-{name}")
    with writing(path):
        path.mkdir(parents=True, exist_ok=True)
        if any(path.iterdir()):
            raise RequestError(f"{path} is not empty; choose another --out, or go on with --resume {path}")
    return path


def read(path: Path, kind: str, of_state: Callable[[dict[str, Any]], T]) -> T:
    """What a folder's run.json describes.

    Args:
        path: The folder.
        kind: What it is the folder of, as "run".
        of_state: Makes it of the content.

    Raises:
        RequestError: It is no such folder, or is damaged.
    """
    file = path / "run.json"
    try:
        content = file.read_bytes()
    except OSError as error:
        raise RequestError(f"{path} is not the folder of a {kind}: run.json: {error.strerror}") from None
    try:
        return of_state(json.loads(content))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RequestError(f"{file} is damaged ({error!r}); start a new {kind}") from None


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the file system refuses into a request error."""
    try:
        yield
    except OSError as error:
        raise RequestError(f"cannot write {path}: {error.strerror or error}") from None


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Of Python and of packages."""
    found = {"python": platform.python_version()}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def _numbered(under: Path, name: str) -> Path:
    """Make a folder of that name, or of that name and a number where others have it."""
    with writing(under):
        for number in count(1):
            path = under / (name if number == 1 else f"{name}-{number}")
            with suppress(FileExistsError):
                path.mkdir(parents=True)
                return path
    raise AssertionError("there is always another number")
