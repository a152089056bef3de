"""The recount: a network is built and counted by fvcore, which must agree with the closed form to the unit.

Torch and fvcore are imported only here, and for a command in a process of their own, which starts while the
search still runs and ends with it.
"""

from __future__ import annotations

import gc
import json
import logging
import subprocess
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from threading import Thread
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import search_spaces
from nas.score import score
from search_spaces import Architecture
from search_spaces.cost import MULTIPLY_ADDS

if TYPE_CHECKING:
    from fvcore.nn import FlopCountAnalysis

Row: TypeAlias = Mapping[Any, Any]
"""A row of a table: arch, nn_mass, flops, macs, params and more."""


class CountMismatchError(Exception):
    """The closed form and fvcore disagree: a fault in the description of a space."""


def recount(architecture: Architecture) -> dict[str, Any]:
    """Costs of the built network, traced by fvcore in evaluation mode with one input.

    Returns:
        flops, macs and params, and operators: operations by fvcore's operator names.
    """
    import torch

    from search_spaces.counting import LeaveWeights

    flop_count_analysis = _fvcore()
    with LeaveWeights():
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
    """The counter of fvcore, imported in silence."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # fvcore imports a deprecated part of torch
        from fvcore.nn import FlopCountAnalysis

    logging.getLogger("fvcore").setLevel(logging.ERROR)
    counter: type[FlopCountAnalysis] = FlopCountAnalysis
    return counter


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let torch use one thread: for one image more gain little, and on a busy machine they cost seconds."""
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
    """Hold a recount against the closed form, and both against the figures about to be shown.

    Args:
        shown: nn_mass, flops, macs and params of the architecture, from wherever they came.

    Raises:
        CountMismatchError: They differ.
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
    """Recount rows of a table in this process.

    Raises:
        CountMismatchError: One differs from what it shows.
    """
    for row in rows:
        architecture = search_spaces.parse(row["arch"])
        compare(architecture, recount(architecture), row)


def start_process() -> subprocess.Popen[str]:
    """Start a process that reads specs and writes their recounts, a line each."""
    # A session of its own: Ctrl-C in the terminal is for the command, which then ends this process.
    return subprocess.Popen(
        [sys.executable, "-m", "nas.verify"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


class FvcoreVerifier:
    """A process that recounts: it imports torch while this one does something else.

    Use it as a context; leaving ends the process.
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
        """Have rows of a table recounted; `verify` gives the outcome."""
        self._asked = rows
        # A thread of its own: a pipe holds only so many specs, and nobody reads answers yet.
        Thread(target=self._ask, daemon=True).start()

    def _ask(self) -> None:
        with suppress(BrokenPipeError, ValueError):  # the process has died or was ended
            for row in self._asked:
                print(row["arch"], file=self._process.stdin, flush=True)

    def verify(self) -> Iterator[Row]:
        """The rows, each when its recount is done and agrees.

        Raises:
            CountMismatchError: One differs from what it shows.
            RuntimeError: The process died.
        """
        assert self._process.stdout is not None
        for row in self._asked:
            answer = self._process.stdout.readline()
            if not answer:
                code = self._process.wait()
                raise RuntimeError(f"the recount of {row['arch']} ended with exit code {code}")
            compare(search_spaces.parse(row["arch"]), json.loads(answer), row)
            yield row


def main() -> None:
    """Read specs from standard input, write each recount as a line of JSON."""
    gc.disable()  # imports leave nothing to collect, and looking for it takes a tenth of their time
    _fvcore()
    gc.freeze()
    gc.enable()
    with suppress(BrokenPipeError):  # whoever asked has gone
        for line in sys.stdin:
            print(json.dumps(recount(search_spaces.parse(line.strip()))), flush=True)


if __name__ == "__main__":
    main()
