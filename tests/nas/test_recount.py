"""The recount finds what the closed form gets wrong."""

from dataclasses import dataclass, replace

import pytest

import search_spaces
from nas.recount import MiscountError, Recounter, compare, recount, verify
from search_spaces import MLP
from search_spaces.chain import Chain, Stage, Values
from search_spaces.layers import Linear, Part


@dataclass(frozen=True)
class Misdescribed(Linear):
    """A layer whose module is one feature wider than what it says it costs."""

    def modules(self):  # type: ignore[no-untyped-def]
        return Linear(self.features_in, self.features_out + 1).modules()


@dataclass(frozen=True)
class Liar(MLP):
    """An MLP with a misdescribed classifier."""

    def chain(self) -> Chain:
        def head(entering: Values, chosen: Values) -> tuple[list[Part], Values]:
            return [Misdescribed(entering["width"], self.num_classes)], {}

        return (*super().chain()[:-1], Stage("head", (), head))


def test_a_misdescribed_layer_is_found() -> None:
    with pytest.raises(MiscountError, match=r"params is \d+ in closed form, \d+ when built and counted"):
        verify([Liar()])


@pytest.mark.parametrize("figure", ["flops", "macs", "params"])
def test_a_difference_of_one_is_found(figure: str) -> None:
    counted = recount(MLP())
    compare(MLP(), counted)
    with pytest.raises(MiscountError, match=figure):
        compare(MLP(), {**counted, figure: counted[figure] + 1})


def test_the_recounting_process_agrees_and_ends() -> None:
    references = list(search_spaces.get("mlp").references.values())
    with Recounter() as recounter:
        recounter.start(references)
        assert list(recounter.verify()) == references
        process = recounter._process
    assert process.poll() is not None


def test_a_dead_recounting_process_is_our_fault() -> None:
    with Recounter() as recounter:
        recounter._process.kill()
        with pytest.raises(RuntimeError, match="ended with exit code"):
            recounter.start([MLP()])
            list(recounter.verify())


def test_weights_are_not_drawn_for_a_count() -> None:
    assert recount(replace(MLP(), width=9)) == recount(replace(MLP(), width=9))
