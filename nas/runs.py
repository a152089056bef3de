"""Folders of runs: created whole, locked, described by their run.json, and opened again."""

from __future__ import annotations

import errno
import json
import os
import platform
import shlex
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, Protocol, Self, TypeVar

from nas.files import leftovers, read_whole, reason, write_whole
from nas.schema import checked
from search_spaces import RequestError

if TYPE_CHECKING:
    import pandas as pd

Status = Literal["running", "interrupted", "nothing found", "finished"]
"""How far a run is, as its run.json says."""
CHECKPOINTS = "checkpoints"
"""The folder in that of a training that holds its checkpoints."""
_LOCK = ".lock"
_FORMAT = 1
"""Of run.json."""
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
            raise RequestError(f"cannot write {path}: {reason(error)}") from None
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


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the file system refuses into a request error."""
    try:
        yield
    except OSError as error:
        raise RequestError(f"cannot write {path}: {reason(error)}") from None


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
    """The processor's name, where the system has it."""
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else ():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def no_run(path: Path, error: OSError) -> str:
    """Why the run.json in a folder cannot be read."""
    if path.is_dir():
        return "it has no run.json" if error.errno == errno.ENOENT else f"run.json: {reason(error)}"
    return "it is a file" if path.exists() else "there is no such folder"


def kind_of(state: Mapping[str, Any]) -> str:
    """Of what kind the run is that wrote a run.json: "search", "training" or "study".

    Args:
        state: What the run.json holds.

    Raises:
        KeyError: It holds no request.
        TypeError: The request is not an object.

    >>> kind_of({"order": {}}), kind_of({"request": {"order": {}}}), kind_of({"request": {"space": "mlp"}})
    ('training', 'study', 'search')
    """
    if "order" in state:
        return "training"
    return "study" if "order" in state["request"] else "search"


class Asked(Protocol):
    """What a run was asked for, as its folder needs it; a `nas.schema.Stored` with a name."""

    def as_json(self) -> dict[str, Any]:
        """The request as plain values."""

    @classmethod
    def of_json(cls, values: object) -> Self:
        """The request that `as_json` gave."""

    def name(self) -> str:
        """A short name for the run's folder."""


R = TypeVar("R", bound=Asked)


class Folder(Generic[R]):
    """A run's folder: the request, how far the run is, and its files, each whole at any moment.

    Attributes:
        path: Where it is.
        request: What was asked for.
        state: What its run.json holds.
        status: How far the run is.
    """

    request_class: type[R]
    """Of the request."""
    kind: ClassVar[str]
    """What it is the folder of: "search", "training" or "study"."""
    module: ClassVar[str]
    """The command that goes on with it, as Python's -m runs it."""
    under: ClassVar[Path]
    """Where a folder is created if no path is given."""
    packages: ClassVar[tuple[str, ...]]
    """Packages that decide the results."""
    key: ClassVar[str] = "request"
    """What its run.json calls the request."""

    def __init__(self, path: Path, request: R, state: Mapping[str, Any] | None = None) -> None:
        self.path, self.request, self.state = path, request, dict(state or {})
        self.status: str = self.fact("status", str, "running")
        self._versions: dict[str, str] = self.fact("versions", dict[str, str], {})

    @classmethod
    def create(cls, request: R, path: Path | None, facts: Mapping[str, Any] | None = None) -> Self:
        """Make a new folder: at `path`, or one named for the request and the time.

        Args:
            request: What is asked for.
            path: There may be nothing, an empty folder, or the rest of a failed start.
            facts: Facts for run.json that are known from the start.

        Raises:
            RequestError: There is something at `path` already, or it cannot be written.
        """
        with begun(path, cls.under, request.name()) as new:
            folder = cls(new, request, facts)
            folder.save_state("running")
        return folder

    @classmethod
    def open(cls, path: Path) -> Self:
        """The folder of an earlier run.

        Raises:
            RequestError: It is not one, or is damaged.
        """
        file = path / "run.json"
        try:
            content = read_whole(file)
        except OSError as error:
            if error.errno == errno.ENOENT and path.is_dir() and _is_blank(path):
                hint = f"begin one with --out {path}"
                raise RequestError(f"{path}: no {cls.kind} was begun in it; {hint}") from None
            why = no_run(path, error)
            way = f"give one that {cls.module.replace('.', ' ')} made"
            raise RequestError(f"{path} is not the folder of a {cls.kind}: {why}; {way}") from None
        try:
            state = json.loads(content)
            if state.get("format", _FORMAT) != _FORMAT:
                raise ValueError(f"format {state['format']}")
            kind = kind_of(state)
            if kind == cls.kind:
                return cls(path, cls.request_class.of_json(state[cls.key]), state)
        except RequestError as error:
            raise RequestError(f"{file}: {error}") from None
        except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError,
                MemoryError) as error:  # fmt: skip
            raise RequestError(f"{file} is damaged ({repr(error)[:SHOWN]}); start a new {cls.kind}") from None
        raise RequestError(f"{path} is the folder of a {kind}, expected that of a {cls.kind}")

    def fact(self, name: str, kind: Any, default: Any) -> Any:
        """A fact of run.json, or the default where there is none.

        Raises:
            TypeError: It is not of that kind.
        """
        return checked(kind, self.state.get(name, default), name)

    def facts(self) -> dict[str, Any]:
        """Facts that run.json holds at any time, apart from those of the base class."""
        return {}

    @property
    def finished(self) -> bool:
        """Whether the run is finished."""
        return self.status == "finished"

    @property
    def resume(self) -> str:
        """The command that goes on with the run."""
        return f"python -m {self.module} --resume {shlex.quote(str(self.path))}"

    @property
    def changes(self) -> list[str]:
        """Versions that are not those that the run was opened with, in words."""
        now = versions(self.packages)
        return [
            f"{name} was {then}, is {now.get(name)}"
            for name, then in self._versions.items()
            if then != now.get(name)
        ]

    def locked(self) -> AbstractContextManager[None]:
        """Keep other commands out while a block works in the folder; see `locked`."""
        return locked(self.path)

    def save_state(self, status: Status, facts: Mapping[str, Any] | None = None) -> None:
        """Write run.json.

        Raises:
            RequestError: It cannot be written.
        """
        self._write(
            {
                "format": _FORMAT,
                "status": status,
                self.key: self.request.as_json(),
                **self.facts(),
                **(facts or {}),
                "versions": versions(self.packages),
                "machine": platform.platform(),
            }
        )

    def _write(self, state: dict[str, Any]) -> None:
        self.save(self.path / "run.json", json.dumps(state, indent=2) + "\n")
        self.state, self.status = state, state["status"]

    def save(self, file: Path, content: str | bytes | pd.DataFrame) -> None:
        """Write a file of the folder, whole or not at all.

        Raises:
            RequestError: It cannot be written.
        """
        with writing(file):
            write_whole(file, content)
