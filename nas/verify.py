"""Verification: networks are built and counted by fvcore, which must equal the closed form to the unit.

Commands import torch and fvcore only in a separate process, which starts while the search is running and ends
with it.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import search_spaces
from nas.score import score
from search_spaces import Architecture, RequestError
from search_spaces.cost import MULTIPLY_ADDS

if TYPE_CHECKING:
    from fvcore.nn import FlopCountAnalysis

Row: TypeAlias = Mapping[Any, Any]
"""A row of a table; its columns include arch, nn_mass, flops, macs and params."""


class CountMismatchError(Exception):
    """The closed form, fvcore and a table do not agree: a bug in the description of a space."""


def recount(architecture: Architecture) -> dict[str, Any]:
    """Build a network and count its costs with fvcore, in evaluation mode and for one input.

    Returns:
        flops, macs, params, and operators: a dict of operations by fvcore's operator names.
    """
    import torch

    from search_spaces.counting import SkipInitialisation

    flop_count_analysis = _fvcore()
    with SkipInitialisation():
        model = architecture.assemble().eval()
    with torch.no_grad(), _one_thread(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        analysis = flop_count_analysis(model, torch.zeros(1, *architecture.input_shape))
        operators = {name: int(count) for name, count in analysis.by_operator().items() if count}
    return {
        "flops": sum(operators.values()),
        "macs": sum(operators.get(name, 0) for name in MULTIPLY_ADDS),
        "params": sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad),
        "operators": operators,
    }


def _fvcore() -> type[FlopCountAnalysis]:
    """Import fvcore's counter without its warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # fvcore imports a deprecated part of torch
        from fvcore.nn import FlopCountAnalysis

    logging.getLogger("fvcore").setLevel(logging.ERROR)
    counter: type[FlopCountAnalysis] = FlopCountAnalysis
    return counter


@contextmanager
def _one_thread() -> Iterator[None]:
    """Limit torch to one thread: for one image more gain little, and cost seconds on a busy machine."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def compare(
    architecture: Architecture, counted: dict[str, Any], shown: Mapping[str, Any] | None = None
) -> None:
    """Compare fvcore's count with the closed form, and the closed form with the values of a table.

    Args:
        counted: The result of `recount`.
        shown: nn_mass, flops, macs and params in the table.

    Raises:
        CountMismatchError: Two values differ.
    """
    expected = score(architecture)
    for name, value in expected.items():
        if shown is not None and shown[name] != value:
            raise CountMismatchError(
                f"{architecture}: {name} is {value} in closed form, {shown[name]} in the table"
            )
    operators = {name: int(count) for name, count in architecture.figures().operators.items() if count}
    for name, ours, theirs in (
        *((name, expected[name], counted[name]) for name in ("params", "flops", "macs")),
        ("operations by operator", operators, counted["operators"]),
    ):
        if ours != theirs:
            raise CountMismatchError(
                f"{architecture}: {name} is {ours} in closed form, {theirs} when built and counted"
            )


def verify(rows: Iterable[Row]) -> None:
    """Verify the rows of a table in this process.

    Raises:
        CountMismatchError: Two values of a row differ.
    """
    for row in rows:
        architecture = search_spaces.parse(row["arch"])
        compare(architecture, recount(architecture), row)


def start_process() -> subprocess.Popen[str]:
    """Start a process that reads specs from standard input and writes fvcore's counts, one per line."""
    # It imports from where this process does: -m alone would import from the working folder first, and run a
    # user's file that is called like a package. In a separate session Ctrl-C reaches only the command, which
    # then ends this process.
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "nas.verify"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path)},
        start_new_session=True,
    )


class FvcoreVerifier:
    """Verifies rows in a separate process, which imports torch while this one is busy.

    Use it as a context manager; leaving it ends the process.
    """

    def __enter__(self) -> Self:
        self._process = start_process()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()

    def start(self, rows: Sequence[Row]) -> None:
        """Start to verify the rows of a table; `verify` gives the results."""
        self._rows = rows
        # In a thread, because writing blocks once the pipe is full, and results are not read yet.
        Thread(target=self._send, daemon=True).start()

    def _send(self) -> None:
        with suppress(BrokenPipeError, ValueError):  # the process has ended
            for row in self._rows:
                print(row["arch"], file=self._process.stdin, flush=True)

    def verify(self) -> Iterator[Row]:
        """Yield each row once it is verified.

        Raises:
            CountMismatchError: Two values of a row differ.
            RequestError: The process was killed.
            RuntimeError: The process has failed.
        """
        assert self._process.stdout is not None
        for row in self._rows:
            answer = self._process.stdout.readline()
            if not answer:
                code = self._process.wait()
                process = f"the process that verifies {row['arch']}"
                if code < 0:
                    name = signal.Signals(-code).name
                    raise RequestError(f"{process} was killed ({name}), perhaps for lack of memory")
                raise RuntimeError(f"{process} ended with exit code {code}")
            compare(search_spaces.parse(row["arch"]), json.loads(answer), row)
            yield row


def main() -> None:
    """Read specs from standard input, and write each count as a line of JSON."""
    gc.disable()  # imports create no garbage, and collection takes a tenth of their time
    _fvcore()
    gc.freeze()
    gc.enable()
    with suppress(BrokenPipeError):  # the command has ended
        for line in sys.stdin:
            print(json.dumps(recount(search_spaces.parse(line.strip()))), flush=True)


if __name__ == "__main__":
    main()
