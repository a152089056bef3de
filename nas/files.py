"""Files written whole or not at all, whatever stops the writer, and read only where they are files."""

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
    """Replace a file's content, a table as CSV, in one step: a reader, or a kill, finds the old or the new.

    Several writers of one file do not disturb one another: the last one's content stays.

    Raises:
        OSError: The file cannot be written; the old one is left as it was.
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
    """Bring the names of a folder to the disk; not every file system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def leftovers(folder: Path) -> list[Path]:
    """Unfinished files in a folder: of writers at work, or that were killed."""
    return [path for path in folder.glob(_UNFINISHED) if not path.is_dir()]


def read_whole(path: Path) -> bytes:
    """The content of a file.

    Raises:
        OSError: It cannot be read, or is a pipe or device, which might never end.
    """
    check_regular(path)
    return path.read_bytes()


def read_csv(path: Path, expected: str) -> pd.DataFrame:
    """The table in a CSV file.

    Args:
        path: The file.
        expected: What should be there, for the message.

    Raises:
        RequestError: There is no table.
    """
    import pandas as pd

    try:
        check_regular(path)
        return pd.read_csv(path, index_col=False)
    except FileNotFoundError:
        raise RequestError(f"{path}: there is no such file; {expected}") from None
    except (OSError, ValueError) as error:
        raise RequestError(f"{path} is no table ({error}); {expected}") from None


def check_regular(path: Path) -> None:
    """Check that what is at a path, if anything is, can be read to an end.

    Raises:
        OSError: It is a pipe or device.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise OSError(errno.EINVAL, "not a regular file", str(path))


def as_png(figure: Figure, dpi: int = 130) -> bytes:
    """The figure drawn with so many pixels an inch."""
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=dpi)
    return image.getvalue()
