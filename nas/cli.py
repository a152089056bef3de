"""The parts common to all commands: parser, one-line errors, exit codes, progress."""

from __future__ import annotations

import argparse
import errno
import io
import os
import re
import shutil
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from types import MappingProxyType
from typing import Any, NoReturn

import search_spaces
from nas.signals import INTERRUPTED, raising
from search_spaces import RequestError
from search_spaces.errors import did_you_mean, printable, shortened

DONE, REQUEST_WRONG = 0, 2
_LONGEST_WORD, _LONGEST_PATH, _LONGEST_LINE = 80, 200, 600

_EMPTY = re.compile("--[a-z-]+=")
_PASSWORD = re.compile(r"(://[^\s/:@]*:)\S+(?=@)")

FORMATS = ("table", "json", "csv")
FLOPS_NOTE = (
    "FLOPs as fvcore counts: a multiply-add is 1, batch norm 2 an element. MACs: conv and linear only."
)
BUDGETS_NOTE = f"Budgets: 400M, 3.7M, 1.2G, 400e6, or a band as 380M:400M. {FLOPS_NOTE}"


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line and whose options are written out."""

    appendix: Callable[[int], str] = staticmethod(lambda width: "")
    """Further lines of the help, for a terminal of a width."""
    renamed: Mapping[str, str] = MappingProxyType({})
    """Options of earlier versions, to their present names."""

    def __init__(self, program: str, **settings: Any) -> None:
        super().__init__(program, allow_abbrev=False, **settings)
        self._negative_number_matcher = re.compile(r"-\d")  # so that -400M is a wrong value, not an option

    def format_help(self) -> str:
        """The help, with the appendix."""
        further = self.appendix(shutil.get_terminal_size().columns - 2)
        return super().format_help() + (f"\n{further}" if further else "")

    def parse_args(self, arguments: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """Parse the arguments; empty and unknown ones are errors."""
        given = list(sys.argv[1:] if arguments is None else arguments)
        for before, argument in zip(["", *given], given, strict=False):
            if not argument or _EMPTY.fullmatch(argument):
                option = argument.rstrip("=") or before
                self.error(f"{option} '': an empty argument; give a value, or leave it out")
        options, unknown = self.parse_known_args(given, namespace)
        if unknown:
            name = unknown[0].partition("=")[0]
            hint = did_you_mean(name, self._option_string_actions)
            if name in self.renamed:
                hint = f" ({name} is {self.renamed[name]} now)"
            if name in search_spaces.names() and "--space" in self._option_string_actions:
                hint = f" (did you mean --space {name}?)"
            self.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
        for value in vars(options).values():
            for path in value if isinstance(value, list) else [value]:
                if isinstance(path, Path) and (fault := _impossible(path)):
                    self.error(f"{path}: {fault}")
        return options

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Add to argparse's error of a value that is no choice the choice most similar to it."""
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as error:
            error.message += did_you_mean(str(value), map(str, action.choices or ()))
            raise

    def error(self, message: str) -> NoReturn:
        """Print the error in one line and exit with 2."""
        self.exit(REQUEST_WRONG, f"{error_line(message)}\n")


def _impossible(path: Path) -> str:
    """Why a path is invalid; empty if it is valid."""
    try:
        path.stat()
    except OSError as error:
        if error.errno in (errno.ENAMETOOLONG, errno.ELOOP):
            return error.strerror or str(error)
    return ""


def run(command: Callable[[Sequence[str]], int], arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command and exit: 0 done, 2 the request was wrong, 130 interrupted; a fault of ours raises.

    A reader of its output that has gone, as in `| head`, is no fault; output that cannot be written is 2.
    What standard error cannot take is lost.
    """
    output = _standard_streams()
    try:
        with raising():
            code = _code_of(command, sys.argv[1:] if arguments is None else arguments)
            sys.stdout.flush()
    except RequestError as error:
        print(error_line(str(error)), file=sys.stderr)
        code = REQUEST_WRONG
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        code = INTERRUPTED
    failure = output and output.failure
    if code == DONE and failure and not isinstance(failure, BrokenPipeError):
        print(error_line(f"cannot write standard output: {failure.strerror}"), file=sys.stderr)
        code = REQUEST_WRONG
    sys.exit(code)


def _code_of(command: Callable[[Sequence[str]], int], arguments: Sequence[str]) -> int:
    if sys.stdout is None:
        raise RequestError("standard output is closed; leave it open, or send it to /dev/null")
    try:
        return command(arguments)
    except SystemExit as ended:  # of argparse
        return ended.code if isinstance(ended.code, int) else DONE


def error_line(message: str) -> str:
    """One line for a terminal: control characters are escaped, what is very long is cut in the middle.

    A password in a URL is not shown.

    >>> error_line("no\\x1b[31m\\nfile")
    'error: no\\\\x1b[31m file'
    >>> error_line("unknown: postgresql://me:pa/ss@host/data")
    'error: unknown: postgresql://me:***@host/data'
    """
    words = [
        shortened(word, _LONGEST_PATH if "/" in word else _LONGEST_WORD)
        for word in _PASSWORD.sub(r"\1***", printable(message)).split()
    ]
    return shortened(" ".join(["error:", *words]), _LONGEST_LINE)


def wrapped(text: str) -> str:
    """Text as lines that fit the terminal; long words, such as paths, stay whole."""
    width = shutil.get_terminal_size().columns
    return textwrap.fill(text, max(width, 20), break_long_words=False, break_on_hyphens=False)


class _Stream(io.FileIO):
    """A standard stream that never fails: from its first failure on, which it keeps, all is dropped."""

    failure: OSError | None = None

    def write(self, data: Any, /) -> int:
        """Write, or drop."""
        if self.failure is None:
            try:
                return super().write(data)
            except OSError as error:
                self.failure = error
        return memoryview(data).nbytes


def _standard_streams() -> _Stream | None:
    """Make standard output and error such streams, where they are this process's own; gives the first."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:  # closed: no file that is opened later may take its number
            os.open(os.devnull, os.O_RDWR)
    if sys.stderr is None or sys.stderr is sys.__stderr__:
        sys.stderr = _text(_Stream(2, "w", closefd=False), sys.stderr)
    if sys.stdout is None or sys.stdout is not sys.__stdout__:
        return None
    output = _Stream(1, "w", closefd=False)
    sys.stdout = _text(output, sys.stdout)
    return output


def _text(stream: _Stream, before: Any) -> io.TextIOWrapper:
    """A text stream that escapes what it cannot encode, such as names of files in other encodings."""
    if before is not None:
        before.flush()
    encoding, by_line = (before.encoding, before.line_buffering) if before else ("utf-8", True)
    return io.TextIOWrapper(io.BufferedWriter(stream), encoding, "backslashreplace", line_buffering=by_line)


@contextmanager
def progress(title: str, total: int, completed: int = 0, every: float = 10.0) -> Iterator[Callable[[], None]]:
    """Show on standard error how far work is: a bar in a terminal, elsewhere a line every 10 seconds.

    It yields what advances it by one.
    """
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import Progress

        with Progress(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(title, total=total, completed=completed)
            yield lambda: bar.advance(task)
        return
    done, ended, start = [completed], Event(), time.monotonic()

    def advance() -> None:
        done[0] += 1

    def report() -> None:
        while not ended.wait(every):
            seconds = time.monotonic() - start
            print(f"{title}: {done[0]:,} of {total:,}, {seconds:.0f} s", file=sys.stderr, flush=True)

    reporter = Thread(target=report, daemon=True)
    reporter.start()
    try:
        yield advance
    finally:
        ended.set()
        reporter.join()
