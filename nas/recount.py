"""The recount: a network is built and counted by fvcore, which must agree with the closed form to the unit.

Torch and fvcore are imported only here, and for a command in a process of their own, which starts while the
search still runs and ends with it.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from threading import Thread
from types import TracebackType
from typing import Any, Self

import search_spaces
from nas.score import score
from search_spaces import Architecture
from search_spaces.figures import MULTIPLY_ADDS


class MiscountError(Exception):
    """The closed form and fvcore disagree: a fault in the description of a space."""


def recount(architecture: Architecture) -> dict[str, Any]:
    """Costs of the built network, traced by fvcore in evaluation mode with one input.

    Returns:
        flops, macs and params, and operators: operations by fvcore's operator names.
    """
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # fvcore imports a deprecated part of torch
        from fvcore.nn import FlopCountAnalysis

    logging.getLogger("fvcore").setLevel(logging.ERROR)
    with _without_initialisation():
        model = architecture.build().eval()
    with torch.no_grad(), _one_thread(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        analysis = FlopCountAnalysis(model, torch.zeros(1, *architecture.input_shape))
        operators = {name: int(count) for name, count in analysis.by_operator().items() if count}
    return {
        "flops": sum(operators.values()),
        "macs": sum(operators.get(name, 0) for name in MULTIPLY_ADDS),
        "params": sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad),
        "operators": operators,
    }


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


def _without_initialisation() -> AbstractContextManager[object]:
    """Leave weights as memory happens to be: drawing them takes longer than counting and changes no count."""
    from torch.overrides import TorchFunctionMode

    class LeaveWeights(TorchFunctionMode):
        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if getattr(function, "__module__", None) == "torch.nn.init":
                return args[0] if args else kwargs["tensor"]
            return function(*args, **(kwargs or {}))

    return LeaveWeights()


def compare(architecture: Architecture, counted: dict[str, Any]) -> None:
    """Hold a recount against the closed form.

    Raises:
        MiscountError: They differ.
    """
    expected = score(architecture)
    operators = {name: int(count) for name, count in architecture.figures().operators.items() if count}
    for name, ours, theirs in (
        *((name, expected[name], counted[name]) for name in ("params", "flops", "macs")),
        ("operations by operator", operators, counted["operators"]),
    ):
        if ours != theirs:
            raise MiscountError(
                f"{architecture}: {name} is {ours} in closed form, {theirs} when built and counted"
            )


def verify(architectures: Iterable[Architecture]) -> None:
    """Recount architectures in this process.

    Raises:
        MiscountError: One differs from its closed form.
    """
    for architecture in architectures:
        compare(architecture, recount(architecture))


class Recounter:
    """A process that recounts: it imports torch while this one does something else.

    Use it as a context; leaving ends the process.
    """

    def __enter__(self) -> Self:
        # A session of its own: Ctrl-C in the terminal is for the command, which then ends this process.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "nas.recount"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def start(self, architectures: Sequence[Architecture]) -> None:
        """Have architectures recounted; `verify` gives the outcome."""
        self._asked = architectures
        # A thread of its own: a pipe holds only so many specs, and nobody reads answers yet.
        Thread(target=self._ask, daemon=True).start()

    def _ask(self) -> None:
        with suppress(BrokenPipeError, ValueError):  # the process has died or was ended
            for architecture in self._asked:
                print(architecture, file=self._process.stdin, flush=True)

    def verify(self) -> Iterator[Architecture]:
        """The architectures, each when its recount is done and agrees.

        Raises:
            MiscountError: One differs from its closed form.
            RuntimeError: The process died.
        """
        assert self._process.stdout is not None
        for architecture in self._asked:
            answer = self._process.stdout.readline()
            if not answer:
                raise RuntimeError(
                    f"the recount of {architecture} ended with exit code {self._process.wait()}"
                )
            compare(architecture, json.loads(answer))
            yield architecture


def main() -> None:
    """Read specs from standard input, write each recount as a line of JSON."""
    import torch  # noqa: F401  # before the first spec arrives

    for line in sys.stdin:
        print(json.dumps(recount(search_spaces.parse(line.strip()))), flush=True)


if __name__ == "__main__":
    main()
