"""Folders of runs: creation, locking, run.json and resuming."""

from __future__ import annotations

import errno
import json
import os
import platform
import shlex
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
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
"""Status of a run in its run.json."""
TRAINING = "training"
"""Name of the folder of the training in the folder of a study."""
CHECKPOINTS = "checkpoints"
"""Name of the folder of checkpoints in the folder of a training."""
_LOCK = ".lock"
_PAUSE_RATIO = 20
"""The time between writes of a table is at least this multiple of the time of a write."""
_FORMAT = 1
"""Version of the format of run.json."""
SHOWN = 200
"""Largest number of characters of an error in a message."""
_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)
"""Errors of file systems without locks, where commands work without them."""


@contextmanager
def new_folder(path: Path | None, under: Path, name: str) -> Iterator[Path]:
    """Create a folder for a block that writes its run.json; if the block fails, the folder is removed.

    Args:
        path: The requested path, if any; a folder there must be empty, except for the rest of a failed start.
        under: Parent of a folder without a requested path, which is named after the time.
        name: Name of the run.

    Raises:
        RequestError: The folder is not empty, or cannot be created.
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


def create_folder(path: Path | None, under: Path, name: str) -> Path:
    """Create a folder without a run.json; see `new_folder`."""
    with new_folder(path, under, name) as folder:
        return folder


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Lock a folder against other commands during a block; blocks of one thread may be nested.

    The system releases the lock of a killed process; its unfinished files are removed here. A folder that
    does not exist is not locked: opening it raises the error.

    Raises:
        RequestError: Another command works in the folder, or it cannot be written.
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
                file.write_text(json.dumps(_this_process()))
                for left in _unfinished(path):
                    left.unlink(missing_ok=True)
        yield
    finally:
        if outermost:
            with suppress(OSError):
                file.unlink()  # before the release: a process that has opened it sees that it is gone
        lock.release()


def _this_process() -> dict[str, str]:
    since = f"{datetime.now():%Y-%m-%d %H:%M:%S}"
    return {"pid": str(os.getpid()), "host": platform.node(), "since": since}


def _holder(file: Path) -> str:
    """The holder of a lock, from the lock file."""
    try:
        holder = json.loads(file.read_bytes())
        return f"process {holder['pid']} on {holder['host']} since {holder['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another command"


def _check_empty(path: Path) -> None:
    """Check that a folder is empty, except for the rest of a failed start."""
    if not _is_blank(path):
        raise RequestError(f"{path} is not empty; choose another --out, or go on with --resume {path}")


def _is_blank(path: Path) -> bool:
    allowed = {path / _LOCK, *leftovers(path)}
    checkpoints = path / CHECKPOINTS
    if checkpoints.is_dir() and not any(checkpoints.iterdir()):
        allowed.add(checkpoints)
    return allowed.issuperset(path.iterdir())


def _unfinished(path: Path) -> list[Path]:
    """Unfinished files in the folder of a run, of a running process or of killed ones."""
    return [*leftovers(path), *leftovers(path / CHECKPOINTS)]


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Raise a `RequestError` for an `OSError` in a block."""
    try:
        yield
    except OSError as error:
        raise RequestError(f"cannot write {path}: {reason(error)}") from None


class Paced:
    """Calls what writes a table that grows, but not so often that it takes much of the time.

    Args:
        write: Writes the table.
        least: Least pause before each write, in seconds.
    """

    def __init__(self, write: Callable[[], None], least: float = 0.0) -> None:
        self._write, self._waits, self._least = write, False, least
        self._ended, self._seconds = time.monotonic(), 0.0

    def later(self) -> None:
        """Write now, or with a later call."""
        self._waits = True
        if time.monotonic() - self._ended >= max(self._least, _PAUSE_RATIO * self._seconds):
            self.close()

    def close(self) -> None:
        """Write what has not been written."""
        if self._waits:
            start = time.monotonic()
            self._write()
            self._ended, self._waits = time.monotonic(), False
            self._seconds = self._ended - start


def versions(packages: Iterable[str]) -> dict[str, str]:
    """The versions of Python and of packages."""
    found = {"python": platform.python_version()}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def _numbered(under: Path, name: str) -> Path:
    """Create a folder by name; a number is appended if the name is taken."""
    with writing(under):
        for number in count(1):
            path = under / (name if number == 1 else f"{name}-{number}")
            with suppress(FileExistsError):
                path.mkdir(parents=True)
                return path
    raise AssertionError("there is always another number")


def processor() -> str:
    """The name of the processor; the machine type if the system does not give it."""
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else ():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def why_no_run(path: Path, error: OSError) -> str:
    """Why the run.json in a folder cannot be read."""
    if error.errno not in (errno.ENOENT, errno.ENOTDIR):
        return f"run.json: {reason(error)}"
    if path.is_dir():
        return "it has no run.json"
    return "it is a file" if path.exists() else "there is no such folder"


def kind_of(state: Mapping[str, Any]) -> str:
    """The kind of run that wrote a run.json, as `Folder.kind`.

    Args:
        state: The contents of the run.json.

    Raises:
        KeyError: It has no request.
        TypeError: The request is not an object.

    >>> kind_of({"order": {}}), kind_of({"request": {"order": {}}}), kind_of({"request": {"space": "mlp"}})
    ('training', 'study', 'search')
    """
    if "order" in state:
        return "training"
    if "engine" in state["request"]:
        return "latency measurement"
    if "benchmark" in state["request"]:
        return "tabular benchmark"
    return "study" if "order" in state["request"] else "search"


class Request(Protocol):
    """The request of a run: a `nas.schema.Stored` with a name."""

    def as_json(self) -> dict[str, Any]:
        """The request as plain values."""

    @classmethod
    def of_json(cls, values: object) -> Self:
        """The inverse of `as_json`."""

    def name(self) -> str:
        """A short name for the run's folder."""


R = TypeVar("R", bound=Request)


class Folder(Generic[R]):
    """The folder of a run: its request, status and files; files are written atomically.

    Attributes:
        path: Path of the folder.
        request: Request of the run.
        state: Contents of run.json.
        status: Status of the run.
    """

    request_class: type[R]
    """Class of the request."""
    kind: ClassVar[str]
    """Kind of run: "search", "training", "study", "tabular benchmark" or "latency measurement"."""
    module: ClassVar[str]
    """Module of the command that resumes the run, for `python -m`."""
    under: ClassVar[Path]
    """Parent of folders created without a path."""
    packages: ClassVar[tuple[str, ...]]
    """Packages whose versions affect the results."""
    key: ClassVar[str] = "request"
    """Key of the request in run.json."""

    def __init__(self, path: Path, request: R, state: Mapping[str, Any] | None = None) -> None:
        self.path, self.request, self.state = path, request, dict(state or {})
        self.status: str = self.fact("status", str, "running")
        self._versions: dict[str, str] = self.fact("versions", dict[str, str], {})

    @classmethod
    def create(cls, request: R, path: Path | None, facts: Mapping[str, Any] | None = None) -> Self:
        """Create the folder of a new run.

        Args:
            request: Request of the run.
            path: A new or empty folder; by default one named after the time and the request.
            facts: Further facts for run.json.

        Raises:
            RequestError: The folder is not empty, or cannot be written.
        """
        with new_folder(path, cls.under, request.name()) as new:
            folder = cls(new, request, facts)
            folder.save_state("running")
        return folder

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the folder of an earlier run; one with unfinished files has the status "running".

        Raises:
            RequestError: The folder is not of such a run, or is damaged.
        """
        file = path / "run.json"
        try:
            content = read_whole(file)
        except OSError as error:
            if error.errno == errno.ENOENT and path.is_dir() and _is_blank(path):
                hint = f"start one with --out {path}"
                raise RequestError(f"{path}: no {cls.kind} was started in it; {hint}") from None
            why = why_no_run(path, error)
            hint = f"give one created by {cls.module.replace('.', ' ')}"
            raise RequestError(f"{path} is not the folder of a {cls.kind}: {why}; {hint}") from None
        try:
            state = json.loads(content)
            if state.get("format", _FORMAT) != _FORMAT:
                raise ValueError(f"format {state['format']}")
            kind = kind_of(state)
            if kind == cls.kind:
                if _unfinished(path):
                    state["status"] = "running"
                return cls(path, cls.request_class.of_json(state[cls.key]), state)
        except RequestError as error:
            raise RequestError(f"{file}: {error}") from None
        except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError,
                MemoryError) as error:  # fmt: skip
            raise RequestError(f"{file} is damaged ({repr(error)[:SHOWN]}); start a new {cls.kind}") from None
        way = f"; give {path / TRAINING}" if (kind, cls.kind) == ("study", "training") else ""
        raise RequestError(f"{path} is the folder of a {kind}, expected that of a {cls.kind}{way}")

    def fact(self, name: str, kind: Any, default: Any) -> Any:
        """A value of run.json, or the default if it is missing.

        Raises:
            TypeError: The value has the wrong type.
        """
        return checked(kind, self.state.get(name, default), name)

    def facts(self) -> dict[str, Any]:
        """Further values of run.json, besides those of the base class."""
        return {}

    @property
    def finished(self) -> bool:
        """Whether the run is finished."""
        return self.status == "finished"

    @property
    def resume(self) -> str:
        """The command that resumes the run."""
        return f"python -m {self.module} --resume {shlex.quote(str(self.path))}"

    @property
    def changes(self) -> list[str]:
        """Packages whose versions differ from those in run.json, in words."""
        now = versions(self.packages)
        return [
            f"{name} was {then}, is {now.get(name)}"
            for name, then in self._versions.items()
            if then != now.get(name)
        ]

    def locked(self) -> AbstractContextManager[None]:
        """Lock the folder against other commands during a block; see `locked`."""
        return locked(self.path)

    def save_state(self, status: Status, facts: Mapping[str, Any] | None = None) -> None:
        """Write run.json.

        Raises:
            RequestError: The file cannot be written.
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
        file = self.path / "run.json"
        with writing(file):
            write_whole(file, json.dumps(state, indent=2) + "\n")
        self.state, self.status = state, state["status"]

    def save(self, file: Path, content: str | bytes | pd.DataFrame) -> None:
        """Write a file of the folder, whole or not at all; a finished run is running until `save_state`.

        Raises:
            RequestError: The file cannot be written.
        """
        if self.status == "finished":
            self._write({**self.state, "status": "running"})
        with writing(file):
            write_whole(file, content)
