"""The stages of a network as a table: what each is, what it costs, and its share of the whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nas.tables import FIGURES
from search_spaces import RequestError
from search_spaces.chain import ChainArchitecture, described
from search_spaces.errors import shown

if TYPE_CHECKING:
    import pandas as pd

    from search_spaces import Architecture


def stage_table(network: Architecture) -> pd.DataFrame:
    """What each stage of a network is, and what it costs.

    Returns:
        One row per stage, in order: stage (its name), blocks (residual blocks, or layers of a cell), skips
        (those with a skip connection), channels and side (in pixels; 1 for features) of its output; nn_mass,
        flops, macs, params; and of each of these its fraction of the network, `nn_mass_of_network` etc., nan
        where the network has none.

    Raises:
        RequestError: The network is not a chain of stages, such as one of torchvision.

    >>> import search_spaces
    >>> table = stage_table(search_spaces.parse("mobilenet:mobilenet_v2"))
    >>> table.loc[[0, 3, 8], ["stage", "blocks", "skips", "channels", "side", "nn_mass", "params"]]
         stage  blocks  skips  channels  side  nn_mass   params
    0     stem       0      0        32   112      0.0      928
    3  stage_3       3      2        32    28    104.0    39696
    8     head       0      0      1000     1      0.0  1693160
    """
    import pandas as pd

    if not isinstance(network, ChainArchitecture):
        raise RequestError(
            f"{shown(str(network))} has no stages to list; give a network of a space, such as"
            " mobilenet:mobilenet_v2"
        )
    found = zip(described(network.chain(), network.choices()), network.outlines(), strict=True)
    rows = [
        {
            "stage": stage.name,
            "blocks": len(outline.blocks),
            "skips": outline.skips,
            "channels": outline.channels,
            "side": outline.side,
            **stage.figures.numbers(),
        }
        for stage, outline in found
    ]
    table = pd.DataFrame(rows)
    costs = table[list(FIGURES)]
    total = costs.sum()
    return table.join((costs / total.where(total > 0)).add_suffix("_of_network"))


def compared(first: Architecture, second: Architecture) -> pd.DataFrame:
    """The stages of two networks side by side, matched by name.

    Returns:
        One row per stage of either network: stage; blocks, skips, channels, side, nn_mass, flops, macs and
        params of both, `blocks_of_1`, `blocks_of_2` etc., missing where one has no such stage.

    Raises:
        RequestError: A network is not a chain of stages.

    >>> import search_spaces
    >>> table = compared(*map(search_spaces.parse, ("mobilenet:mobilenet_v2", "mobilenet:nn_mass_b")))
    >>> table.loc[[3, 5], ["stage", "blocks_of_1", "blocks_of_2", "nn_mass_of_1", "nn_mass_of_2"]]
         stage  blocks_of_1  blocks_of_2  nn_mass_of_1  nn_mass_of_2
    3  stage_3            3            4         104.0         156.0
    5  stage_5            3            4         312.0         468.0
    """
    ours, theirs = stage_table(first), stage_table(second)
    table = ours.merge(theirs, "outer", "stage", suffixes=("_of_1", "_of_2"))
    longer, shorter = sorted((ours["stage"], theirs["stage"]), key=len, reverse=True)
    table = table.set_index("stage").loc[list(dict.fromkeys([*longer, *shorter]))].reset_index()
    described = ("blocks", "skips", "channels", "side", *FIGURES)
    kinds = {f"{name}_of_{number}": "Int64" for name in described for number in (1, 2) if name != "nn_mass"}
    return table.astype(kinds)[["stage", *(f"{name}_of_{number}" for name in described for number in (1, 2))]]


def with_total(table: pd.DataFrame) -> pd.DataFrame:
    """A table of stages with a last row for the whole network, or for each of two."""
    import pandas as pd

    summed = [name for name in table if str(name).startswith(FIGURES)]
    whole = pd.DataFrame([{"stage": "network", **table[summed].sum()}])
    return pd.concat([table, whole.astype({name: table[name].dtype for name in summed})], ignore_index=True)
