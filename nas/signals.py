"""Handlers of Ctrl-C and SIGTERM: one line and exit code 130, from the first import of a command on."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

INTERRUPTED = 130
"""Exit code of an interrupted command."""

_ENDING = (signal.SIGINT, signal.SIGTERM)


def guard() -> None:
    """On an interruption, print a line and exit with 130 at once: for the imports of a command."""
    for number in _ENDING:
        signal.signal(number, _end)


@contextmanager
def raising() -> Iterator[None]:
    """Let both signals raise KeyboardInterrupt."""
    with _handled(signal.default_int_handler):
        yield


@contextmanager
def interruptions() -> Iterator[Callable[[], bool]]:
    """Yield a function: whether a signal has arrived. A second signal raises KeyboardInterrupt."""
    signals: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        signals.append(number)
        if len(signals) > 1:
            raise KeyboardInterrupt

    with _handled(note):
        yield lambda: bool(signals)


@contextmanager
def _handled(handler: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield  # no other thread may handle signals, or is sent one
        return
    before = {number: signal.signal(number, handler) for number in _ENDING}
    try:
        yield
    finally:
        for number, handler_before in before.items():
            signal.signal(number, handler_before)


def _end(number: int, frame: FrameType | None) -> None:
    with suppress(OSError):
        os.write(2, b"interrupted\n")
    os._exit(INTERRUPTED)
