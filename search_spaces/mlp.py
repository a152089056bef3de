"""Multilayer perceptrons with random concatenation-type skips, the smallest networks of the NN-Mass paper.

Source: Bhardwaj, Li, Marculescu, CVPR 2021, arXiv 1910.00780.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from search_spaces.blocks import DenseCell, dense_layers, useful_links
from search_spaces.chain import Chain, ChainArchitecture, Stage, Values
from search_spaces.cost import Column
from search_spaces.layers import Linear, Part, Uncounted
from search_spaces.registry import register
from search_spaces.space import Space
from search_spaces.spec import choice, constant

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class MLP(ChainArchitecture):
    """One cell of linear layers with ReLU, and a linear classifier.

    Attributes:
        width: Neurons per layer.
        depth: Number of layers without the classifier.
        links: Link budget: neurons that a layer may read from layers before the previous one.
        in_features: Number of inputs; images are flattened.
        num_classes: Number of outputs.

    >>> str(MLP(width=16, depth=20))
    'mlp:w16_d20_t10'
    """

    family: ClassVar[str] = "mlp"

    width: int = choice(8, "w", most=10_000)
    depth: int = choice(12, "d", most=1000)
    links: int = choice(10, "t", least=0)
    in_features: int = constant(784, "i")
    num_classes: int = constant(10, "c")

    @property
    def input_shape(self) -> tuple[int, ...]:
        return (self.in_features,)

    def initialise(self, model: nn.Module) -> None:
        from search_spaces.modules import initialise_features

        initialise_features(model)

    def chain(self) -> Chain:
        """The stages; the state before the classifier is the width."""

        def cell(entering: Values, chosen: Values) -> tuple[Sequence[Part], Values]:
            width, depth, links = chosen["width"], chosen["depth"], chosen["links"]

            def layer(features_in: Column) -> tuple[Part, ...]:
                return (Linear(features_in, width), Uncounted("ReLU"))

            first = (Uncounted("Flatten"), *layer(self.in_features))
            dense = DenseCell(width, depth, first, dense_layers(width, depth, links, layer), seed=0)
            return (dense,), {"width": width}

        def canonical(entering: Values, chosen: Values) -> Values:
            useful = useful_links(chosen["width"], chosen["depth"])
            return {**chosen, "links": np.minimum(chosen["links"], useful)}

        def head(entering: Values, chosen: Values) -> tuple[Sequence[Part], Values]:
            return (Linear(entering["width"], self.num_classes),), {}

        return (Stage("cell", ("width", "depth", "links"), cell, canonical), Stage("head", (), head))


register(
    Space(
        name="mlp",
        architecture=MLP,
        choices={
            "width": tuple(range(8, 65, 8)),
            "depth": tuple(range(2, 33)),
            "links": tuple(range(0, 65)),
        },
        base=("width",),
        baselines=("mlp_8",),
        references={"mlp_8": MLP(), "mlp_16": MLP(width=16)},
    )
)
