"""Operations of any module, counted while one input passes through it: fvcore's rules, without fvcore."""

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
    """Parameters and operations of a module in evaluation mode; it has no NN-Mass (nan).

    Nothing is computed, no memory is taken for weights, and no random number is drawn. Counted are
    convolutions, linear layers, batch norm and adaptive average pooling: all that fvcore counts in the
    networks of `search_spaces.torchvision`.

    Args:
        build: Makes the module.
        input_shape: Of one input, without the batch.

    >>> layer = counted(lambda: nn.Conv2d(3, 8, 3, stride=2, padding=1), (3, 32, 32))
    >>> layer.params, layer.operators
    (224, {'conv': 55296})
    """
    with _WithoutWeights():
        model = build().eval().to("meta")
    with torch.no_grad(), _Counting() as counting:
        model(torch.empty(1, *input_shape, device="meta"))
    params = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    return Figures(mass_units=float("nan"), params=params, operators=dict(counting.operators))


class LeaveWeights(TorchFunctionMode):
    """Leaves weights as memory happens to be: drawing them takes longer than counting, and changes no count.

    It stops `torch.nn.init`, and what those of its functions draw by that cannot be stopped themselves.
    """

    def __torch_function__(
        self,
        function: Any,
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        given = kwargs or {}
        drawn = function in (Tensor.normal_, Tensor.uniform_)
        if drawn or getattr(function, "__module__", None) == "torch.nn.init":
            return args[0] if args else given["tensor"]
        return function(*args, **given)


class _WithoutWeights(LeaveWeights):
    """Gives weights no memory either: the layers' `torch.empty` makes tensors without.

    Making all tensors so would not do: RegNet computes its widths with some.
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


def _convolution(given: Tensor, weight: Tensor, came: Tensor) -> int:
    return came.numel() * weight[0].numel()


def _linear(given: Tensor, weight: Tensor, came: Tensor) -> int:
    return given.numel() * len(weight)


def _batch_norm(given: Tensor, mean: Tensor, came: Tensor) -> int:
    return 2 * given.numel()


def _pooling(given: Tensor, size: object, came: Tensor) -> int:
    return given.numel()


_COUNTED: dict[object, tuple[str, Callable[[Tensor, Any, Tensor], int]]] = {
    functional.conv2d: ("conv", _convolution),
    functional.linear: ("linear", _linear),
    functional.batch_norm: ("batch_norm", _batch_norm),
    functional.adaptive_avg_pool2d: ("adaptive_avg_pool2d", _pooling),
}
"""By function: fvcore's name, and the operations, from the first two arguments and the result."""


class _Counting(TorchFunctionMode):
    """Counts the functions that are called, whether by layers or by the code between them."""

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
        came = function(*args, **(kwargs or {}))
        if function in _COUNTED:
            name, operations = _COUNTED[function]
            self.operators[name] += operations(args[0], args[1], came)
        return came
