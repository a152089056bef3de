"""torch.compile, warmed up before training begins, and left out where it fails."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, cast

import torch
from torch import Tensor, nn

Compile = Literal["auto", "on", "off"]

WORTH_IT = 5_000
"""Steps from which "auto" compiles on a GPU; it takes so long that it must be won back."""


@dataclass(frozen=True)
class Forward:
    """How a model is run in training.

    Attributes:
        run: The model, compiled or not: pixels to logits.
        compiled: Whether it is compiled.
        seconds: What compiling took.
        failure: Why compiling failed, if it did.
    """

    run: nn.Module
    compiled: bool = False
    seconds: float = 0.0
    failure: str = ""


def wanted(how: Compile, device: torch.device, steps: int) -> bool:
    """Whether a training of so many steps is to be compiled."""
    return how == "on" or (how == "auto" and device.type == "cuda" and steps >= WORTH_IT)


def compiled(model: nn.Module, one_step: Callable[[Callable[[Tensor], Tensor]], None]) -> Forward:
    """A model compiled, with no trace of the warm-up in it; or as it was, where it cannot be compiled.

    Args:
        model: In training mode.
        one_step: Runs what it is given on a batch like those of the training, forward and backward.
    """
    before = [buffer.clone() for buffer in model.buffers()]
    start = time.perf_counter()
    # Else torch.compile gives up, without a word, after a few networks of one class.
    torch.compiler.reset()
    run = cast(nn.Module, torch.compile(model))
    try:
        for _ in range(2):
            one_step(run)
    except Exception as error:  # whatever it is: compiling is a help, not a need
        reason = str(error).strip().partition("\n")[0]
        forward = Forward(model, failure=f"{type(error).__name__}: {reason}")
    else:
        forward = Forward(run, compiled=True, seconds=time.perf_counter() - start)
    model.zero_grad(set_to_none=True)
    with torch.no_grad():
        for buffer, value in zip(model.buffers(), before, strict=True):
            buffer.copy_(value)
    return forward
