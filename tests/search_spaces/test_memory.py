"""Peak activation memory: the closed form equals what is alive in built networks, by traces of them."""

from __future__ import annotations

import operator
from typing import Any

import pytest
import torch
from hypothesis import given
from torch import fx, nn

import search_spaces
from search_spaces.chain import ChainArchitecture
from search_spaces.counting import SkipInitialisation
from tests.conftest import examples
from tests.search_spaces.conformance import architecture, rows, small

IN_PLACE = (nn.BatchNorm2d, nn.Dropout, nn.Flatten, nn.ReLU, nn.ReLU6, nn.SiLU, nn.Sigmoid, nn.Hardsigmoid,
            nn.Hardswish)  # fmt: skip
"""Modules whose output takes the memory of their input."""


class Sizes(fx.Interpreter):
    """Runs a traced network and notes the elements of what each operation returns."""

    def __init__(self, traced: fx.GraphModule) -> None:
        super().__init__(traced)
        self.sizes: dict[fx.Node, int] = {}

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        self.sizes[n] = result.numel()
        return result


class Tracked:
    """Which blocks of memory the results of a traced network take, and the largest sum alive at once.

    A tensor lives until its last use. An element-wise operation takes the memory of its first operand that is
    not needed later; a concatenation extends the features of a cell; what a layer links is gathered at once.
    """

    def __init__(self, network: ChainArchitecture) -> None:
        with SkipInitialisation():
            self.traced = fx.symbolic_trace(network.assemble().eval())
        self.traced.graph.eliminate_dead_code()
        sizes = Sizes(self.traced)
        with torch.no_grad():
            sizes.run(torch.zeros(1, *network.input_shape))
        self.results = sizes.sizes
        self.blocks: list[int] = []
        self.taken: dict[fx.Node, frozenset[int]] = {}
        nodes = [node for node in self.traced.graph.nodes if node.op not in ("get_attr", "output")]
        self.place = {node: number for number, node in enumerate(nodes)}
        self.last = {
            node: max((self.place.get(user, 0) for user in node.users), default=-1) for node in nodes
        }

    def peak(self) -> int:
        """The largest sum of elements alive while an operation runs."""
        return max(map(self.alive, self.place))

    def alive(self, node: fx.Node) -> int:
        """Elements alive while an operation runs; the operations before it were asked first."""
        here = self.place[node]
        self.taken = {one: blocks for one, blocks in self.taken.items() if self.last[one] >= here}
        read = self.needed(here)
        self.taken[node] = self.output(node)
        return sum(self.blocks[block] for block in read | self.taken[node])

    def needed(self, since: int) -> frozenset[int]:
        """The blocks that operations from a place on read."""
        return frozenset().union(*(blocks for one, blocks in self.taken.items() if self.last[one] >= since))

    def output(self, node: fx.Node) -> frozenset[int]:
        """The blocks that the output of an operation takes."""
        operands = [one for one in node.all_input_nodes if one in self.taken]
        if node.op == "call_module":
            in_place = isinstance(self.traced.get_submodule(str(node.target)), IN_PLACE)
            return self.over(node, operands) if in_place else self.new(node)
        if node.target in (operator.add, operator.mul):
            return self.over(node, operands)
        if node.target is operator.getitem:
            return frozenset()  # no channel, where a cell starts
        if node.target == "index_select":
            return self.taken[operands[0]]  # the next operation gathers them
        if node.target is torch.cat and not any(one.target == "index_select" for one in operands):
            earlier, latest = operands
            return self.taken[earlier] | self.over(latest, [latest], at=node)
        return self.new(node)

    def new(self, node: fx.Node) -> frozenset[int]:
        """A new block for the result of a node."""
        self.blocks.append(self.results[node])
        return frozenset([len(self.blocks) - 1])

    def over(self, node: fx.Node, operands: list[fx.Node], at: fx.Node | None = None) -> frozenset[int]:
        """The block of the first operand of the size of the result that is not needed later, or a new one."""
        later = self.needed(self.place[at or node] + 1)
        for one in operands:
            if not self.taken[one] & later and self.results[one] == self.results[node]:
                return self.taken[one]
        return self.new(node)


def check_peak(network: ChainArchitecture) -> None:
    assert network.peak_memory(1) == Tracked(network).peak(), str(network)


@pytest.mark.parametrize("name", search_spaces.names())
def test_the_peak_is_what_is_alive_in_built_networks(name: str) -> None:
    space = small(search_spaces.get(name))
    for network in space.references.values():
        if isinstance(network, ChainArchitecture):
            check_peak(network)

    @examples(8, 60)
    @given(rows(space))
    def random(row: tuple[int, ...]) -> None:
        network = architecture(space, row)
        assert isinstance(network, ChainArchitecture)
        check_peak(network)

    random()


@pytest.mark.parametrize(
    "spec",
    ["nasbench-macro:02012100", "nasbench-macro:12121212",
     "ofa-mobilenetv3:k35-357-33-3355-77_e34-346-66-6644-63_r65",
     "densenet:k1_d1-2-3_t0-5-9_r9", "mlp:w8_d1_t9", "mlp:w8_d4_t0", "resnet:bottleneck_d1-1-2-1_w64_r33",
     "mobilenet-wide:w8-8-8-8-8-8-8_d2-2-2-2-2-2-2_e1-1-3-1-1-1-1_r33_s1"],
)  # fmt: skip
def test_the_peak_of_further_networks(spec: str) -> None:
    network = search_spaces.parse(spec)
    assert isinstance(network, ChainArchitecture)
    check_peak(network)
