"""Counts operations of any module in a forward pass on the meta device: fvcore's rules without fvcore."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from search_spaces.cost import Figures


def counted(build: Callable[[], nn.Module], input_shape: tuple[int, ...]) -> Figures:
    """Count the parameters and operations of a module in evaluation mode; NN-Mass is nan.

    This computes nothing, allocates no weights and uses no random numbers. It counts convolutions, linear
    layers, batch norm and adaptive average pooling: all that fvcore counts in the networks of
    `search_spaces.torchvision`.

    Args:
        build: Builds the module.
        input_shape: Shape of one input, without the batch dimension.

    >>> layer = counted(lambda: nn.Conv2d(3, 8, 3, stride=2, padding=1), (3, 32, 32))
    >>> layer.params, layer.operators
    (224, {'conv': 55296})
    """
    with _WithoutMemory():
        model = build().eval().to("meta")
    with torch.no_grad(), _Counting() as counting:
        model(torch.empty(1, *input_shape, device="meta"))
    params = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    return Figures(mass_units=float("nan"), params=params, operators=dict(counting.operators))


class SkipInitialisation(TorchFunctionMode):
    """Leaves weights uninitialised: initialisation takes longer than counting and does not affect counts.

    It skips the functions of `torch.nn.init`, and the tensor methods called by those that torch does not
    dispatch.
    """

    def __torch_function__(
        self,
        function: Any,
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        given = kwargs or {}
        random = function in (Tensor.normal_, Tensor.uniform_)
        if random or getattr(function, "__module__", None) == "torch.nn.init":
            return args[0] if args else given["tensor"]
        return function(*args, **given)


class _WithoutMemory(SkipInitialisation):
    """Allocates no memory for weights either: `torch.empty`, which layers call, uses the meta device.

    Other tensors stay on the CPU: RegNet computes its widths with them.
    """

    def __torch_function__(
        self,
        function: Any,
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        given = {**(kwargs or {}), "device": "meta"} if function is torch.empty else kwargs
        return super().__torch_function__(function, types, args, given)


def _convolution(inputs: Tensor, weight: Tensor, outputs: Tensor) -> int:
    return outputs.numel() * weight[0].numel()


def _linear(inputs: Tensor, weight: Tensor, outputs: Tensor) -> int:
    return inputs.numel() * len(weight)


def _batch_norm(inputs: Tensor, mean: Tensor, outputs: Tensor) -> int:
    return 2 * inputs.numel()


def _pooling(inputs: Tensor, size: object, outputs: Tensor) -> int:
    return inputs.numel()


_COUNTED: dict[object, tuple[str, Callable[[Tensor, Any, Tensor], int]]] = {
    functional.conv2d: ("conv", _convolution),
    functional.linear: ("linear", _linear),
    functional.batch_norm: ("batch_norm", _batch_norm),
    functional.adaptive_avg_pool2d: ("adaptive_avg_pool2d", _pooling),
}
"""For each function fvcore's name, and the operations from its first two arguments and its result."""


class _Counting(TorchFunctionMode):
    """Counts the operations of all functions that are called, by layers or between them."""

    def __init__(self) -> None:
        super().__init__()
        self.operators: Counter[str] = Counter()

    def __torch_function__(
        self,
        function: Any,
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        outputs = function(*args, **(kwargs or {}))
        if function in _COUNTED:
            name, operations = _COUNTED[function]
            self.operators[name] += operations(args[0], args[1], outputs)
        return outputs
