"""Networks fitted to a data set: their choices stay, inputs and outputs are the data's, stems as asked."""

from __future__ import annotations

from dataclasses import replace

from nas.train.data import Data
from nas.train.order import Order
from search_spaces import Architecture, RequestError, parse


def all_fitted(order: Order, data: Data) -> list[Architecture]:
    """The architectures of an order, fitted.

    Raises:
        RequestError: One cannot be built for images so small; the message says for which it can.
    """
    return [fitted(parse(arch), data, order.stem_stride) for arch in order.archs]


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
