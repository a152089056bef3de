"""Networks fitted to a data set: their choices stay, inputs and outputs are the data's, stems as asked."""

from __future__ import annotations

from dataclasses import replace

from nas.budget import quantity
from nas.train.data import Data
from nas.train.order import GENERATED, NAMED, Order
from search_spaces import Architecture, RequestError, parse


def all_fitted(order: Order, data: Data) -> list[Architecture]:
    """The architectures of an order, fitted.

    Raises:
        RequestError: One cannot be built for images so small; the message says for which it can.
    """
    return [fitted(parse(arch), data, order.stem_stride) for arch in order.archs]


def shrunk(order: Order, data: Data) -> str:
    """A note on networks that were laid out for larger images than the data's; nothing if there are none."""
    laid_out = [parse(arch) for arch in order.archs]
    sides = [int(network.constants().get("resolution", data.side)) for network in laid_out]
    larger = [(side, network) for side, network in zip(sides, laid_out, strict=True) if side > data.side]
    if not larger:
        return ""
    open_stems = any("stem_stride" in network.constants() for _, network in larger)
    ways = ["--stem-stride 1 keeps more of them"] if open_stems and order.stem_stride is None else []
    if order.dataset not in (*NAMED, *GENERATED):
        ways.append("--image-size resizes the images")
    side, network = larger[0]
    now = fitted(network, data, order.stem_stride).figures().flops
    return (
        f"{len(larger)} of {len(laid_out)} networks were laid out for {side} pixels and are trained at"
        f" {data.side}: the first has {quantity(now)} FLOPs there, not {quantity(network.figures().flops)}"
        + "".join(f"; {way}" for way in ways)
    )


def fitted(architecture: Architecture, data: Data, stem_stride: int | None = None) -> Architecture:
    """The architecture for the data's image size and classes.

    Args:
        stem_stride: Stride of the stem of a network that leaves it open; its own if not given.

    Raises:
        RequestError: It takes colour images and the data have others, or cannot be built for images so
            small; the message says for which it can.
    """
    if len(architecture.input_shape) == 3 and data.channels not in (1, 3):
        raise RequestError(
            f"{architecture} on {data.name}: expected colour or grey images, not points of {data.channels}"
            " numbers; train networks of mlp on them"
        )
    wanted = {
        "resolution": data.side,
        "in_features": data.channels * data.side**2,
        "num_classes": len(data.classes),
    }
    if stem_stride is not None:
        wanted["stem_stride"] = stem_stride
    known = architecture.constant_names()
    try:
        return replace(architecture, **{name: value for name, value in wanted.items() if name in known})
    except RequestError as error:
        raise RequestError(f"{architecture} on {data.name}: {error}") from None
