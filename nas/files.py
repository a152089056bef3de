"""Atomic writes, and reads of regular files."""

from __future__ import annotations

import errno
import io
import os
import re
import secrets
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from search_spaces import RequestError
from search_spaces.errors import shown

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_UNFINISHED = ".*.unfinished"
_REASONS = {
    errno.EACCES: "permission denied; change the permissions, or choose another path",
    errno.EPERM: "permission denied; change the permissions, or choose another path",
    errno.EROFS: "the file system is read-only; choose another path",
    errno.EEXIST: "a file of that name exists, and a folder is expected; choose another path",
    errno.ENOTDIR: "a part of the path is a file, and a folder is expected; choose another path",
    errno.EISDIR: "it is a folder, and a file is expected; choose another path",
    errno.ENOENT: "there is no such file or folder",
    errno.ENOSPC: "no space is left on the disk",
}


def write_whole(path: Path, content: str | bytes | pd.DataFrame) -> None:
    """Replace the content of a file atomically, with a table as CSV: readers see the old content or the new.

    Concurrent writers of one file do not interfere; the last content remains.

    Raises:
        OSError: The file cannot be written; its old content remains.
    """
    text = content if isinstance(content, str | bytes) else as_csv(content)
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


def as_csv(table: pd.DataFrame) -> str:
    """A table as CSV; `read_csv` is the inverse. No cell starts a formula in a spreadsheet."""
    from nas.cells import with_harmless_cells

    return with_harmless_cells(table).to_csv(index=False)


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
        RequestError: There is no file, it does not contain a table, or two of its columns have one name.
    """
    import pandas as pd

    from nas.cells import with_original_cells

    try:
        check_regular(path)
        table = pd.read_csv(path, index_col=False)
        names = pd.read_csv(path, index_col=False, header=None, nrows=1, dtype=str).iloc[0].dropna()
    except FileNotFoundError:
        raise RequestError(f"{path}: there is no such file; {expected}") from None
    except IsADirectoryError:
        file = path / "candidates.csv"
        way = f"; give {file}" if file.exists() else ""
        raise RequestError(f"{path} is not a table but a folder{way}; {expected}") from None
    except OSError as error:
        raise RequestError(f"cannot read {path}: {reason(error)}; {expected}") from None
    except ValueError as error:
        raise RequestError(f"{path} is not a table: {_csv_fault(error)}; {expected}") from None
    if len(repeated := names[names.duplicated()]):  # pandas would rename the second
        raise RequestError(f"{path} has two columns {shown(repeated.iloc[0])}; leave one of them")
    return with_original_cells(table)


def _csv_fault(error: ValueError) -> str:
    """Why pandas cannot read a CSV file, in words of users."""
    if isinstance(error, UnicodeDecodeError):
        return "it is not text in UTF-8"
    if "No columns" in str(error):
        return "it is empty"
    if fields := re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", str(error)):
        return f"line {fields[2]} has {fields[3]} fields, not {fields[1]}"
    return "it is not CSV"


def reason(error: OSError) -> str:
    """Why the system refused an operation on a file, and the way out if there is one.

    >>> reason(FileExistsError(errno.EEXIST, "File exists"))
    'a file of that name exists, and a folder is expected; choose another path'
    """
    return _REASONS.get(error.errno or 0, error.strerror or str(error))


def check_regular(path: Path) -> None:
    """Check that a path is a regular file, a folder, or does not exist.

    Raises:
        OSError: The path is a pipe or device.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise OSError(errno.EINVAL, "not a regular file", str(path))


def check_target(name: str, path: Path, suffix: str) -> None:
    """Check that a file can be written, as far as can be known before its content is made.

    Args:
        name: Name of the argument, for the message.
        path: The file.
        suffix: The end that its name must have.

    Raises:
        RequestError: The name has another end, the path is no file, or its folder does not exist.
    """
    if path.suffix != suffix:
        raise RequestError(f"{name} {path}: expected a file that ends with {suffix}; write {path}{suffix}")
    try:
        check_regular(path)
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "is a folder", str(path))
        if not path.parent.is_dir():
            raise FileNotFoundError(errno.ENOENT, "no such folder", str(path.parent))
        if not os.access(path.parent, os.W_OK):  # where `write_whole` makes the file that replaces it
            raise PermissionError(errno.EACCES, "not writable", str(path.parent))
    except OSError as error:
        raise RequestError(f"cannot write {path}: {reason(error)}") from None


def as_png(figure: Figure, dpi: int = 130) -> bytes:
    """Render a figure as PNG; `dpi` is its resolution in pixels per inch."""
    figure.set_dpi(dpi)
    if layout := figure.get_layout_engine():
        layout.execute(figure)
        figure.set_layout_engine(None)  # with a layout savefig draws twice, first for the layout alone
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=dpi)
    return image.getvalue()
