"""What all commands share: one-line errors, exit codes, numbers and names as people type them."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

import search_spaces
from nas.budget import COSTS
from search_spaces import RequestError
from search_spaces.architecture import Value
from search_spaces.errors import shown
from search_spaces.spec import read_number

DONE, REQUEST_WRONG, INTERRUPTED = 0, 2, 130
MOST_ROWS = 100_000
"""Rows of a table that one may ask for."""
MOST_SEED = 2**32 - 1
"""Every random generator takes it."""

FORMATS = ("table", "json", "csv")
FLOPS_NOTE = (
    "FLOPs as fvcore counts: a multiply-add is 1, batch norm 2 an element. MACs: conv and linear only."
)
BUDGETS_NOTE = f"Budgets: 400M, 3.7M, 1.2G, 400e6, or a band as 380M:400M. {FLOPS_NOTE}"


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line and whose options are written out."""

    def __init__(self, command: str, **settings: Any) -> None:
        super().__init__(f"python -m {command}", allow_abbrev=False, **settings)

    def error(self, message: str) -> NoReturn:
        """Say what is wrong in one line and exit with 2."""
        self.exit(REQUEST_WRONG, " ".join(["error:", *message.split()]) + "\n")


def run(command: Callable[[Sequence[str]], int], arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command and exit: 0 done, 2 the request was wrong, 130 interrupted; a fault of ours raises."""
    try:
        code = command(sys.argv[1:] if arguments is None else arguments)
        sys.stdout.flush()
    except RequestError as error:
        print("error:", *str(error).split(), file=sys.stderr)
        code = REQUEST_WRONG
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        code = INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone, as in `| head`; what is left in the buffer has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = DONE
    sys.exit(code)


def add_question(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that say which networks of which space are asked for."""
    add = parser.add_argument
    add("--space", help=f"one of {', '.join(search_spaces.names())}")
    for cost in COSTS:
        add(f"--{cost}", metavar="BUDGET", help=f"cap or band of {cost}, as 400M")
    fix = "pin a choice or set a constant, as width_mult=1.0"
    like = "find the cheapest networks of its base width"
    across = "let --like change the base width, where NN-Mass promises nothing"
    add("--fix", nargs="+", action="extend", type=assignment, metavar="NAME=VALUE", help=fix)
    add("--like", metavar="SPEC|REFERENCE", help=f"{like} with at least its NN-Mass")
    add("--minimize", choices=COSTS, help="the cost that --like minimises (flops)")
    add("--across-widths", action="store_true", help=across)


def asked(options: argparse.Namespace) -> dict[str, Any]:
    """What the arguments of `add_question` say, as the arguments of a `nas.question.Question`.

    Raises:
        RequestError: There is no space, or a name is pinned twice.
    """
    if not options.space:
        raise RequestError(f"give --space, one of {', '.join(search_spaces.names())}")
    return {
        "space": options.space,
        "budgets": budgets(options),
        "fix": pins(options),
        "like": options.like,
        "minimize": options.minimize,
        "across_widths": options.across_widths,
    }


def budgets(options: argparse.Namespace) -> dict[str, str]:
    """The budgets given, by cost."""
    return {cost: getattr(options, cost) for cost in COSTS if getattr(options, cost) is not None}


def pins(options: argparse.Namespace) -> dict[str, Value]:
    """The choices pinned and constants set.

    Raises:
        RequestError: One is given twice.
    """
    given = dict(options.fix or ())
    if len(given) < len(options.fix or ()):
        raise RequestError("--fix is given twice for one name; give one value each")
    return given


def literal(text: str) -> Value:
    """A whole number, a number, or else the text itself.

    >>> literal("2"), literal("0.35"), literal("depthwise")
    (2, 0.35, 'depthwise')
    """
    for kind in (int, float):
        with suppress(ValueError):
            return read_number(kind, text)
    return text


def assignment(text: str) -> tuple[str, Value]:
    """A name and a value from "name=value".

    Raises:
        argparse.ArgumentTypeError: There is no "=".
    """
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise argparse.ArgumentTypeError(f"{shown(text)} is not NAME=VALUE, such as width_mult=1.0")
    return name, literal(value)


def at_least(least: int, most: int = 2**31 - 1) -> Callable[[str], int]:
    """A converter of whole numbers from `least` to `most`, in ASCII digits."""

    def convert(text: str) -> int:
        try:
            number = read_number(int, text)
        except ValueError:
            number = least - 1
        if number < least:
            raise argparse.ArgumentTypeError(f"{shown(text)} is not a whole number of at least {least}")
        if number > most:
            raise argparse.ArgumentTypeError(f"{shown(text)} is too large; the most is {most}")
        return number

    return convert


@contextmanager
def progress(title: str, total: int, completed: int = 0) -> Iterator[Callable[[], None]]:
    """A progress bar on standard error, where that is a terminal; it yields what advances it by one."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=total, completed=completed)
        yield lambda: bar.advance(task)


@contextmanager
def interruptions() -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C or SIGTERM into an answer to the question it yields; the second raises."""
    signals: list[int] = []

    def note(number: int, frame: object) -> None:
        signals.append(number)
        if len(signals) > 1:
            raise KeyboardInterrupt

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(signals)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
