"""MobileNetV3: counts equal fvcore's and the published ones, networks equal torchvision's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torchvision.models.mobilenetv3 import InvertedResidualConfig
from torchvision.models.mobilenetv3 import MobileNetV3 as TorchvisionMobileNetV3

import search_spaces
from nas import score
from nas.verify import compare, recount
from search_spaces import MobileNetV3, OFAMobileNetV3, RequestError
from tests.conftest import examples
from tests.search_spaces.conformance import check_round_trip, check_same_network, check_training

SMALLEST = OFAMobileNetV3(("33",) * 5, ("33",) * 5, resolution=17, num_classes=7)
LARGEST = OFAMobileNetV3(resolution=17, num_classes=7)
MIXED = OFAMobileNetV3(
    ("57", "353", "77", "3375", "355"), ("43", "434", "33", "3664", "434"), resolution=64, num_classes=10
)


@st.composite
def networks(draw: st.DrawFn) -> OFAMobileNetV3:
    """Any subnet of any settings."""

    def digits(kinds: str, depth: int) -> str:
        return draw(st.text(kinds, min_size=depth, max_size=depth))

    depths = draw(st.tuples(*[st.integers(2, 4)] * 5))
    return OFAMobileNetV3(
        tuple(digits("357", depth) for depth in depths),
        tuple(digits("346", depth) for depth in depths),
        resolution=draw(st.integers(1, 64)),
        num_classes=draw(st.integers(1, 100)),
        stem_stride=draw(st.sampled_from([1, 2])),
    )


def blocks_of(network: MobileNetV3 | OFAMobileNetV3) -> list[list[tuple[int, int]]]:
    """For each stage, the kernel and the expansion of each block."""
    if isinstance(network, OFAMobileNetV3):
        pairs = zip(network.kernels, network.expansions, strict=True)
        return [[(int(k), int(e)) for k, e in zip(*pair, strict=True)] for pair in pairs]
    stages = zip(network.depths, network.kernels, network.expansions, strict=True)
    return [[(kernel, expansion)] * depth for depth, kernel, expansion in stages]


def of_torchvision(network: MobileNetV3 | OFAMobileNetV3) -> nn.Module:
    """The network as a MobileNetV3 of torchvision, without the bias of the layer after pooling."""
    width = getattr(network, "width_mult", 1.0)
    stem, *widths, last = (
        InvertedResidualConfig.adjust_channels(channels, width)
        for channels in (16, 24, 40, 80, 112, 160, 1280)
    )
    settings = [InvertedResidualConfig(stem, 3, stem, stem, False, "RE", 1, 1, 1)]
    before = stem
    kinds = ((2, False, "RE"), (2, True, "RE"), (2, False, "HS"), (1, True, "HS"), (2, True, "HS"))
    for channels, (stride, se, activation), blocks in zip(widths, kinds, blocks_of(network), strict=True):
        for place, (kernel, expansion) in enumerate(blocks):
            hidden, step = before * expansion, 1 if place else stride
            settings.append(
                InvertedResidualConfig(before, kernel, hidden, channels, se, activation, step, 1, 1)
            )
            before = channels
    made = TorchvisionMobileNetV3(settings, last, num_classes=network.num_classes, norm_layer=nn.BatchNorm2d)
    made.classifier[0].register_parameter("bias", None)
    return made


def test_counts_equal_the_published_ones() -> None:
    """Source: mbnv3w10_evoga_acc.csv of IntelLabs/DyNAS-T; its MACs include squeeze-and-excitation."""
    published = OFAMobileNetV3(("57", "333", "55", "7333", "555"), ("43", "463", "43", "3666", "434"))
    figures = published.figures()
    assert (figures.params, figures.macs) == (5_029_656, 255_502_624)


WIDE = MobileNetV3(1.2, (2, 3, 4, 3, 2), (7, 3, 5, 3, 5), (4, 3, 6, 4, 3), resolution=64, num_classes=10)
NARROW = MobileNetV3(0.75, resolution=33, num_classes=3)


@pytest.mark.parametrize("network", [SMALLEST, LARGEST, MIXED, WIDE, NARROW], ids=str)
def test_networks_equal_those_of_torchvision(network: MobileNetV3 | OFAMobileNetV3) -> None:
    check_same_network(network, of_torchvision(network))


def test_stages_of_equal_blocks_are_those_of_the_supernet() -> None:
    equal = MobileNetV3(1.0, (2, 3, 4, 3, 2), (7, 3, 5, 3, 5), (4, 3, 6, 4, 3))
    subnet = OFAMobileNetV3(("77", "333", "5555", "333", "55"), ("44", "333", "6666", "444", "33"))
    assert equal.figures() == subnet.figures() and equal.peak_memory() == subnet.peak_memory()


def test_the_reference_costs_about_what_mobilenet_v3_large_does() -> None:
    """Its blocks differ in 5 of 15 expansions; Table 3 of the paper has 219M MACs and 5.4M parameters."""
    figures = search_spaces.parse("mobilenetv3:mobilenet_v3_like").figures()
    assert figures.macs == pytest.approx(219e6, rel=0.05) and figures.params == pytest.approx(5.4e6, rel=0.05)


@pytest.mark.hypothesis
@examples(4, 40)
@given(networks())
def test_the_closed_form_equals_fvcore(network: OFAMobileNetV3) -> None:
    compare(network, recount(network))


@given(networks())
def test_specs_and_choices_round_trip(network: OFAMobileNetV3) -> None:
    check_round_trip(network)


def test_mass_is_that_of_inverted_residuals_with_a_skip() -> None:
    def mass(width: int, expansion: int) -> float:
        hidden = width * expansion
        return (width + 2 * hidden) * width / (2 * width + hidden)

    found = score("ofa-mobilenetv3:k35-33-33-333-33_e34-36-36-363-36")["nn_mass"]
    expected = mass(16, 1) + mass(24, 4) + sum(mass(width, 6) for width in (40, 80, 112, 160)) + mass(112, 3)
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("network", [SMALLEST, LARGEST], ids=str)
def test_networks_train(network: OFAMobileNetV3) -> None:
    check_training(network)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("k35-357", r"kernels is \('35', '357'\), expected 5 strings"),
        ("k35-34-33-33-33", "kernels_2 is '34', expected 2 to 4 digits, each one of 3, 5, 7"),
        ("e33-33-33-33-3", "expansions_5 is '3', expected 2 to 4 digits, each one of 3, 4, 6"),
        (
            "k35-33-33-33-33_e33-333-33-33-33",
            "kernels_2 is 33 and expansions_2 is 333, expected one digit per block in both",
        ),
        ("k3x", "'k3x' at character 17 is not one of k7777-7777-7777-7777-7777, e6666"),
    ],
)
def test_the_error_of_a_wrong_spec_names_the_stage(spec: str, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        search_spaces.parse(f"ofa-mobilenetv3:{spec}")
