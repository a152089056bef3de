"""Folders of runs: made whole, locked, described by their run.json, and read again."""

from __future__ import annotations

import errno
import json
import os
import platform
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from nas.files import leftovers, read_whole
from search_spaces import RequestError

T = TypeVar("T")

CHECKPOINTS = "checkpoints"
"""The folder in that of a training that holds its checkpoints."""
_LOCK = ".lock"
SHOWN = 200
"""Characters of an error that are shown."""
_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)
"""How a file system without locks answers; commands work there without."""


@contextmanager
def begun(path: Path | None, under: Path, name: str) -> Iterator[Path]:
    """A new folder for a block to write its run.json to; if the block fails, nothing is left.

    Args:
        path: Where it was asked for: there may be nothing, an empty folder, or the rest of a failed start.
        under: Where folders of its kind are, if no path was asked for; it is named for the time then.
        name: What it is.

    Raises:
        RequestError: There is something in it already, or it cannot be made.
    """
    new = path is None or not path.exists()
    if path is None:
        path = _numbered(under, f"{datetime.now():%Y%m%d-%H%M%S}-{name}")
    with writing(path):
        path.mkdir(parents=True, exist_ok=True)
        _check_empty(path)
    try:
        with locked(path):
            _check_empty(path)  # it may have been used before it was locked
            with writing(path):
                yield path
    except BaseException:
        if new:
            with suppress(OSError):
                path.rmdir()
        raise


def made(path: Path | None, under: Path, name: str) -> Path:
    """Make a new folder without a run.json; see `begun`."""
    with begun(path, under, name) as folder:
        return folder


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other commands out of a folder while a block works in it; blocks of one thread may be nested.

    The system releases the lock of a process that is killed, and what its writers left is removed here. A
    folder that is not there is not locked: who opens it says so.

    Raises:
        RequestError: Another command is at work in the folder, or it cannot be written.
    """
    from filelock import FileLock, Timeout

    if not path.is_dir():
        yield
        return
    file = path.absolute() / _LOCK
    lock = FileLock(file, timeout=0, is_singleton=True, fallback_to_soft=False)
    try:
        lock.acquire()
    except Timeout:
        raise RequestError(f"{path} is in use by {_holder(file)}; wait for it, or stop it") from None
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise RequestError(f"cannot write {path}: {error.strerror or error}") from None
        yield
        return
    outermost = lock.lock_counter == 1
    try:
        if outermost:
            with writing(path):
                file.write_text(json.dumps(_present()))
                _clear(path)
        yield
    finally:
        if outermost:
            with suppress(OSError):
                file.unlink()  # while it is held: who has opened it by now finds that it is gone
        lock.release()


def _present() -> dict[str, str]:
    since = f"{datetime.now():%Y-%m-%d %H:%M:%S}"
    return {"pid": str(os.getpid()), "host": platform.node(), "since": since}


def _holder(file: Path) -> str:
    """Who holds a lock, as its file says."""
    try:
        who = json.loads(file.read_bytes())
        return f"process {who['pid']} on {who['host']} since {who['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another command"


def _check_empty(path: Path) -> None:
    """Check that there is nothing in a folder but what a failed start may have left."""
    if not _is_blank(path):
        raise RequestError(f"{path} is not empty; choose another --out, or go on with --resume {path}")


def _is_blank(path: Path) -> bool:
    ours = {path / _LOCK, *leftovers(path)}
    checkpoints = path / CHECKPOINTS
    if checkpoints.is_dir() and not any(checkpoints.iterdir()):
        ours.add(checkpoints)
    return ours.issuperset(path.iterdir())


def _clear(path: Path) -> None:
    """Remove unfinished files of writers that were killed."""
    for folder in (path, path / CHECKPOINTS):
        for file in leftovers(folder):
            file.unlink(missing_ok=True)


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
        content = read_whole(file)
    except OSError as error:
        if error.errno == errno.ENOENT and path.is_dir() and _is_blank(path):
            raise RequestError(f"{path}: no {kind} was begun in it; begin one with --out {path}") from None
        raise RequestError(f"{path} is not the folder of a {kind}: run.json: {error.strerror}") from None
    try:
        return of_state(json.loads(content))
    except RequestError as error:
        raise RequestError(f"{file}: {error}") from None
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError,
            MemoryError) as error:  # fmt: skip
        raise RequestError(f"{file} is damaged ({repr(error)[:SHOWN]}); start a new {kind}") from None


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


def processor() -> str:
    """The processor's name, where the system tells."""
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else ():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
