"""The score and the costs of one architecture, in closed form."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nas import callable_package

if TYPE_CHECKING:
    from search_spaces import Architecture


def score(architecture: Architecture | str) -> dict[str, float]:
    """NN-Mass and costs of an architecture.

    Args:
        architecture: An architecture, or "space:spec" or "space:reference".

    Returns:
        nn_mass (float); flops, macs and params (int), by fvcore's rules: one multiply-add is one operation.

    Raises:
        RequestError: The text stands for no architecture.
        TypeError: It is neither an architecture nor text.

    >>> score("mobilenet:mobilenet_v2")
    {'nn_mass': 1287.0, 'flops': 314193216, 'macs': 300774272, 'params': 3504872}
    """
    import search_spaces
    from search_spaces.errors import checked_kind

    wanted = "one architecture, or its text as SPACE:SPEC"
    checked_kind("architecture", architecture, (str, search_spaces.Architecture), wanted)
    if isinstance(architecture, str):
        architecture = search_spaces.parse(architecture)
    figures = architecture.figures()
    return {
        "nn_mass": float(figures.nn_mass),
        "flops": int(figures.flops),
        "macs": int(figures.macs),
        "params": int(figures.params),
    }


callable_package(__name__)
