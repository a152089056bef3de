"""A network fitted to a data set: its family and choices stay, its inputs and outputs are the data's."""

from __future__ import annotations

from dataclasses import replace

from nas.train.data import Data
from search_spaces import Architecture, RequestError


def fitted(architecture: Architecture, data: Data) -> Architecture:
    """The architecture for the data's image size and classes.

    Raises:
        RequestError: It cannot be built for images so small; the message says for which it can.
    """
    wanted = {
        "resolution": data.side,
        "in_features": data.channels * data.side**2,
        "num_classes": len(data.classes),
    }
    known = architecture.constant_names()
    try:
        return replace(architecture, **{name: value for name, value in wanted.items() if name in known})
    except RequestError as error:
        raise RequestError(f"{architecture} on {data.name}: {error}") from None
