"""MBConv networks: agreement with torchvision's EfficientNet, specs, training, and proofs in their space."""

from collections import OrderedDict
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torchvision import models
from torchvision.models.efficientnet import EfficientNet, MBConvConfig
from torchvision.models.efficientnet import MBConv as Block

import nas
import search_spaces
from nas import exact, score
from nas.tables import StageTables, enumerate_all
from nas.verify import compare, recount
from search_spaces import MBConv, RequestError
from search_spaces.registry import reference_name
from tests.conftest import examples
from tests.nas.train.conftest import write_images
from tests.search_spaces.conformance import check_training, rows, small

SPACE = search_spaces.get("mbconv")
REFERENCE = SPACE.references["efficientnet_b0"]
WIDTHS = (32, 16, 24, 40, 80, 112, 192, 320)


def no_layer(*arguments: object, **named: object) -> nn.Module:
    return nn.Identity()


def of_torchvision(made: MBConv) -> nn.Module:
    """The same network by torchvision's class, without memory for weights."""
    stages = [
        MBConvConfig(
            expansion,
            kernel,
            stride,
            before,
            after,
            depth,
            1.0,
            1.0,
            Block if se else partial(Block, se_layer=no_layer),
        )
        for expansion, kernel, stride, before, after, depth, se in zip(
            made.expansions,
            made.kernels,
            (1, 2, 2, 2, 1, 2, 1),
            WIDTHS,
            WIDTHS[1:],
            made.depths,
            made.se,
            strict=False,
        )
    ]
    with torch.device("meta"):
        return EfficientNet(stages, dropout=0.2, num_classes=made.num_classes)


def shapes(model: nn.Module) -> list[torch.Size]:
    return [value.shape for value in model.state_dict().values()]


def test_the_reference_has_the_published_costs() -> None:
    assert MBConv(activation="silu") == REFERENCE
    costs = {"nn_mass": 1664.0, "flops": 401_659_392, "macs": 385_814_752, "params": 5_288_548}
    assert score("mbconv:efficientnet_b0") == costs
    baseline = score("torchvision:efficientnet_b0")
    assert {name: baseline[name] for name in ("flops", "macs", "params")} == {
        name: costs[name] for name in ("flops", "macs", "params")
    }


def test_the_reference_computes_what_torchvisions_network_computes() -> None:
    torch.manual_seed(0)
    ours, theirs = REFERENCE.build().eval(), models.efficientnet_b0(weights=None)
    assert shapes(ours) == shapes(theirs)
    for module in theirs.modules():
        if isinstance(module, nn.Conv2d) and module.bias is not None:
            nn.init.normal_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    images = torch.randn(2, 3, 224, 224)
    with torch.no_grad():
        theirs(images)  # with the initial statistics all outputs would be nearly 0
        expected = theirs.eval()(images)
        ours.load_state_dict(OrderedDict(zip(ours.state_dict(), theirs.state_dict().values(), strict=True)))
        assert 0.01 < expected.std() < 10
        torch.testing.assert_close(ours(images), expected, rtol=0, atol=1e-5)


@pytest.mark.hypothesis
def test_weights_are_those_of_torchvisions_class() -> None:
    @examples(5, 100)
    @given(rows(SPACE), st.sampled_from(["relu", "silu"]))
    def holds(row: tuple[int, ...], activation: str) -> None:
        made = SPACE.fix(activation=activation).of_options(row)
        assert isinstance(made, MBConv)
        theirs = of_torchvision(made)
        assert made.figures().params == sum(weights.numel() for weights in theirs.parameters())
        with torch.device("meta"):
            assert shapes(made.assemble()) == shapes(theirs)

    holds()


@pytest.mark.parametrize(
    "made",
    [
        MBConv((1,) * 7, (3,) * 7, (1,) * 7, (False,) * 7),
        MBConv(
            (4, 6, 1, 4, 6, 1, 4), (5, 3, 5, 3, 5, 3, 5), (3, 1, 2, 3, 1, 4, 2), (True, False) * 3 + (True,)
        ),
        MBConv((6,) * 7, (5,) * 7, (3, 3, 3, 3, 3, 4, 3), (True,) * 7),
    ],
    ids=str,
)
def test_parameters_follow_from_the_layers(made: MBConv) -> None:
    """The sum over all blocks, written as a formula of its own."""
    total = 3 * 9 * 32 + 2 * 32 + 320 * 1280 + 2 * 1280 + 1281 * 1000
    for stage, (expansion, kernel, depth, se) in enumerate(
        zip(made.expansions, made.kernels, made.depths, made.se, strict=True)
    ):
        for block in range(depth):
            before, after = WIDTHS[stage + (block > 0)], WIDTHS[stage + 1]
            hidden, squeezed = before * expansion, max(1, before // 4)
            total += (expansion > 1) * (before + 2) * hidden + (kernel**2 + 2) * hidden + (hidden + 2) * after
            total += se * ((hidden + 1) * squeezed + (squeezed + 1) * hidden)
    assert score(made)["params"] == total


@pytest.mark.parametrize(("activation", "gate"), [("relu", nn.Hardsigmoid), ("silu", nn.Sigmoid)])
def test_the_activation_is_that_of_all_layers(activation: str, gate: type[nn.Module]) -> None:
    kinds = [type(module) for module in MBConv(activation=activation).assemble().modules()]
    other = {"relu": (nn.SiLU, nn.Sigmoid), "silu": (nn.ReLU, nn.Hardsigmoid)}[activation]
    assert not set(other) & set(kinds)
    assert kinds.count(gate) == 16
    assert kinds.count(nn.ReLU if activation == "relu" else nn.SiLU) == 2 + 15 + 16 + 16


def test_mass_is_that_of_blocks_with_a_skip() -> None:
    """Squeeze-and-excitation, kernels and activation do not change it."""
    made = MBConv((1, 4, 6, 1, 4, 6, 1), depths=(2, 1, 3, 2, 3, 4, 2))
    skips = ((16, 1, 1), (40, 6, 2), (80, 1, 1), (112, 4, 2), (192, 6, 3), (320, 1, 1))
    mass = sum(n * (i + 2 * i * e) * i / (2 * i + i * e) for i, e, n in skips)
    for se, kernel, activation in ((True, 3, "relu"), (False, 5, "silu")):
        other = MBConv(made.expansions, (kernel,) * 7, made.depths, (se,) * 7, activation=activation)
        assert score(other)["nn_mass"] == pytest.approx(mass)


def test_the_space_has_the_documented_size() -> None:
    assert SPACE.size == exact.count("mbconv") == 36**6 * 48


@pytest.mark.hypothesis
def test_other_constants_are_counted_exactly() -> None:
    space = small(SPACE).fix(stem_stride=1, activation="silu")

    @examples(3, 30)
    @given(rows(space))
    def holds(row: tuple[int, ...]) -> None:
        made = space.of_options(row)
        compare(made, recount(made))

    holds()


def test_one_block_with_kernels_larger_than_the_image_trains() -> None:
    check_training(MBConv((2,) * 7, (31,) * 7, (1,) * 7, resolution=17, num_classes=7, stem_stride=1))


def test_the_reference_is_not_the_network_of_another_activation() -> None:
    assert reference_name(MBConv(activation="silu", resolution=32, num_classes=10)) == "efficientnet_b0"
    assert reference_name(MBConv()) == ""
    assert str(SPACE.parse("efficientnet_b0")).endswith("_se1111111_silu")


def test_switches_are_true_or_false_and_written_as_digits() -> None:
    made = MBConv(se=(True, False) * 3 + (True,), stem_stride=1)
    assert str(made) == "mbconv:e1-6-6-6-6-6-6_k3-3-5-3-5-5-3_d1-2-2-3-3-4-1_se1010101_s1"
    assert MBConv(se=[1, 0, 1, 0, 1, 0, np.True_], stem_stride=1) == made == MBConv.parse(str(made))  # type: ignore[arg-type]
    assert all(type(entry) is bool for entry in MBConv(se=np.ones(7, np.int8)).se)  # type: ignore[arg-type]
    assert SPACE.fix(se_1=True).choices["se_1"] == SPACE.fix(se_1=1).choices["se_1"] == (True,)
    with pytest.raises(TypeError, match="expansion_1 is True, expected one of its options"):
        SPACE.fix(expansion_1=True)
    found = nas.search("mbconv", fix={"se_1": True, "kernel_1": 3}, trials=5, top=0)
    assert found["arch"].str.contains("_se1").all()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("k3-3-3-3-3-3-4", "kernel_7 is 4, expected an odd number of at least 1"),
        ("k3-3-3-3-3-3-33", "kernel_7 is 33, expected an odd number of at most 31"),
        ("se11", "se is (True, True), expected 7 switches"),
        ("e1-6-6-6-6-6-6_se1111112", "'se1111112' at character 16 is not one of"),
        ("e1-6-6-6-6-6-6_gelu", "relu|silu"),
        ("efficientnet_b1", "(did you mean efficientnet_b0?)"),
    ],
)
def test_the_error_of_a_wrong_spec_names_what_is_wrong(text: str, expected: str) -> None:
    with pytest.raises(RequestError) as error:
        SPACE.parse(text)
    assert expected in str(error.value)


def test_proven_optima_are_those_of_all_networks() -> None:
    """With four stages pinned 62,208 networks remain, few enough to score each."""
    items = ("expansion", "kernel", "depth", "se")
    pins = {
        f"{item}_{stage}": (4, 3, 2, True)[place]
        for place, item in enumerate(items)
        for stage in (1, 2, 3, 4)
    }
    space = SPACE.fix(**pins)
    every = StageTables.of(space).score(enumerate_all(space))
    inside = (every["flops"] <= 300e6) & (every["params"] <= 5e6)
    budgets = {"flops": "300M", "params": "5M", "fix": pins}
    assert exact.best("mbconv", **budgets)["nn_mass"].item() == every["nn_mass"][inside].max()
    assert exact.count("mbconv", **budgets) == inside.sum()


def test_the_largest_mass_of_the_whole_space_is_proven() -> None:
    found = exact.best("mbconv", 3, flops="400M", params="5M")
    assert found.attrs["gap"] == 0 and (found["nn_mass"] == 2448.0).all()


def test_it_is_trained_on_small_images(tmp_path: Path) -> None:
    made = MBConv((1, 4, 1, 1, 1, 1, 1), depths=(1, 2, 1, 1, 1, 1, 1), se=(True, True) + (False,) * 5)
    images = write_images(tmp_path / "colours", each=24)
    table = nas.train(
        str(made), dataset="folder", data=images, epochs=1, batch_size=12, out=tmp_path / "run", stem_stride=1
    )
    assert table["status"].tolist() == ["done"] and table["arch"].item().endswith("_r8_c3_s1")
    assert nas.load(tmp_path / "run", row=1).architecture == MBConv.parse(table["arch"].item())


def test_the_front_of_the_whole_space_is_proven() -> None:
    """Kernels and squeeze-and-excitation cost and add no mass: the front has neither."""
    found = exact.front("mbconv", "params", flops="400M")
    assert found.attrs["gap"] == 0 and len(found) > 100
    assert (
        found["arch"].str.contains("_k3-3-3-3-3-3-3_d").all()
        and found["arch"].str.endswith("_se0000000").all()
    )
    assert found["nn_mass"].iloc[0] == exact.best("mbconv", flops="400M")["nn_mass"].item()
