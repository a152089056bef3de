"""Atomic writes, and reads of regular files."""

from __future__ import annotations

import errno
import io
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from search_spaces import RequestError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_UNFINISHED = ".*.unfinished"


def write_whole(path: Path, content: str | bytes | pd.DataFrame) -> None:
    """Replace the content of a file atomically, with a table as CSV: readers see the old content or the new.

    Concurrent writers of one file do not interfere; the last content remains.

    Raises:
        OSError: The file cannot be written; its old content remains.
    """
    text = content if isinstance(content, str | bytes) else content.to_csv(index=False)
    data = text.encode() if isinstance(text, str) else text
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}.unfinished")
    file = unfinished.open("xb")
    try:
        with file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except BaseException:
        with suppress(OSError):
            unfinished.unlink()
        raise
    _keep_name(path.parent)


def _keep_name(folder: Path) -> None:
    """Sync the entries of a folder to disk, if the file system supports it."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def leftovers(folder: Path) -> list[Path]:
    """Temporary files in a folder, of running writers or of writers that were killed."""
    return [path for path in folder.glob(_UNFINISHED) if not path.is_dir()]


def read_whole(path: Path) -> bytes:
    """The content of a file.

    Raises:
        OSError: The file cannot be read, or is a pipe or device, which might never end.
    """
    check_regular(path)
    return path.read_bytes()


def read_csv(path: Path, expected: str) -> pd.DataFrame:
    """The table in a CSV file.

    Args:
        path: The file.
        expected: Description of the expected content, for the message.

    Raises:
        RequestError: There is no file, or it does not contain a table.
    """
    import pandas as pd

    try:
        check_regular(path)
        return pd.read_csv(path, index_col=False)
    except FileNotFoundError:
        raise RequestError(f"{path}: there is no such file; {expected}") from None
    except (OSError, ValueError) as error:
        raise RequestError(f"{path} is not a table ({error}); {expected}") from None


def check_regular(path: Path) -> None:
    """Check that a path is a regular file, a folder, or does not exist.

    Raises:
        OSError: The path is a pipe or device.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise OSError(errno.EINVAL, "not a regular file", str(path))


def as_png(figure: Figure, dpi: int = 130) -> bytes:
    """Render a figure as PNG; `dpi` is its resolution in pixels per inch."""
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=dpi)
    return image.getvalue()
