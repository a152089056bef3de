"""Files in object stores and other file systems that are named by a URL, through fsspec."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from nas.files import reason, write_whole
from search_spaces import RequestError
from search_spaces.errors import shown

_ON_DISK = ("file", "local")


@dataclass(frozen=True)
class Remote:
    """A file, or what stands for a folder, at a URL, with the few methods of `pathlib.Path` that are needed.

    Credentials are those of the environment, as the library of the store finds them.

    Attributes:
        url: The URL, as s3://bucket/run.

    >>> Remote("memory://run") / "row1-seed0.pt"
    Remote(url='memory://run/row1-seed0.pt')
    """

    url: str

    def __truediv__(self, name: str) -> Remote:
        return Remote(f"{self.url.rstrip('/')}/{name}")

    def __str__(self) -> str:
        return self.url

    def absolute(self) -> Remote:
        """Itself."""
        return self

    def check(self) -> None:
        """Check that the package of the store is installed, and that a server answers where one is needed.

        Raises:
            RequestError: It is not, none does, or the scheme is unknown.
        """
        try:
            self._system()
        except OSError as error:
            raise RequestError(f"--checkpoints {shown(self.url)}: {reason(error)}") from None

    def exists(self) -> bool:
        """Whether there is a file.

        Raises:
            RequestError: The store cannot be reached.
        """
        return bool(self._read("exists"))

    def read_bytes(self) -> bytes:
        """The content.

        Raises:
            RequestError: It cannot be read.
        """
        return bytes(self._read("cat_file"))

    def write_whole(self, content: bytes) -> None:
        """Replace the content, whole or not at all.

        Raises:
            OSError: It cannot be written.
        """
        if urlsplit(self.url).scheme not in _ON_DISK:  # stores put objects whole
            self._tried("pipe_file", content)
            return
        unfinished = Remote(f"{self.url}.{secrets.token_hex(4)}.unfinished")
        unfinished._tried("pipe_file", content)
        unfinished._tried("mv", self._system()[1])

    def unlink(self) -> None:
        """Remove the file.

        Raises:
            OSError: It cannot be removed.
        """
        self._tried("rm_file")

    def _read(self, method: str) -> Any:
        try:
            return self._tried(method)
        except OSError as error:
            raise RequestError(f"cannot read {self}: {reason(error)}") from None

    def _tried(self, method: str, *arguments: Any) -> Any:
        """What a method of the file system returns."""
        system, path = self._system()
        with _as_errors_of_the_system():
            return getattr(system, method)(path, *arguments)

    def _system(self) -> tuple[Any, str]:
        """The file system and the path in it.

        Raises:
            RequestError: The package of the store is not installed, or the scheme is unknown.
            OSError: The server does not answer, for file systems that connect at once.
        """
        import fsspec

        options = {"auto_mkdir": True} if urlsplit(self.url).scheme in _ON_DISK else {}
        try:
            with _as_errors_of_the_system(ImportError, ValueError):
                system, path = fsspec.core.url_to_fs(self.url, **options)
        except (ImportError, ValueError) as error:
            raise RequestError(f"--checkpoints {shown(self.url)}: {error}") from None
        return system, str(path)


@contextmanager
def _as_errors_of_the_system(*others: type[Exception]) -> Iterator[None]:
    """Turn the errors of a library during a block, except some others, into errors of the system."""
    try:
        yield
    except Exception as error:
        if isinstance(error, (OSError, *others)):
            raise
        raise OSError(f"{type(error).__name__}: {error}") from error


def located(text: str) -> Path | Remote:
    """A path, or what is at a URL.

    Raises:
        RequestError: The URL has a password, which would be written to run.json.

    >>> located("shared/run"), located("s3://bucket/run")
    (PosixPath('shared/run'), Remote(url='s3://bucket/run'))
    """
    if "://" not in text:
        return Path(text)
    if "@" in urlsplit(text).netloc:
        raise RequestError(
            "--checkpoints: a URL with a user name or password is kept in run.json; leave them out"
        )
    return Remote(text.rstrip("/"))


def write_at(place: Path | Remote, content: bytes) -> None:
    """Replace the content of a file, wherever it is, whole or not at all.

    Raises:
        OSError: It cannot be written; its old content remains.
    """
    if isinstance(place, Remote):
        place.write_whole(content)
    else:
        write_whole(place, content)


def try_writing(folder: Path | Remote) -> None:
    """Write a file into a folder and remove it.

    Raises:
        OSError: The folder does not exist, or cannot be written.
    """
    file = folder / f".{secrets.token_hex(4)}.unfinished"
    write_at(file, b"")
    file.unlink()
