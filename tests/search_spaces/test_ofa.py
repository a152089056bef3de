"""Once-for-All's MobileNetV3: counts equal fvcore's and the published ones, networks equal torchvision's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torchvision.models.mobilenetv3 import InvertedResidualConfig, MobileNetV3

import search_spaces
from nas import score
from nas.verify import compare, recount
from search_spaces import OFAMobileNetV3, RequestError
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


def of_torchvision(network: OFAMobileNetV3) -> nn.Module:
    """The network as a MobileNetV3 of torchvision, without the bias of the layer after pooling."""
    settings = [InvertedResidualConfig(16, 3, 16, 16, False, "RE", 1, 1, 1)]
    before = 16
    for stage, (channels, stride, se, activation) in enumerate(
        (
            (24, 2, False, "RE"),
            (40, 2, True, "RE"),
            (80, 2, False, "HS"),
            (112, 1, True, "HS"),
            (160, 2, True, "HS"),
        )
    ):
        blocks = zip(network.kernels[stage], network.expansions[stage], strict=True)
        for place, (kernel, expansion) in enumerate(blocks):
            hidden, step = before * int(expansion), 1 if place else stride
            settings.append(
                InvertedResidualConfig(before, int(kernel), hidden, channels, se, activation, step, 1, 1)
            )
            before = channels
    made = MobileNetV3(settings, 1280, num_classes=network.num_classes, norm_layer=nn.BatchNorm2d)
    made.classifier[0].register_parameter("bias", None)
    return made


def test_counts_equal_the_published_ones() -> None:
    """Source: mbnv3w10_evoga_acc.csv of IntelLabs/DyNAS-T; its MACs include squeeze-and-excitation."""
    published = OFAMobileNetV3(("57", "333", "55", "7333", "555"), ("43", "463", "43", "3666", "434"))
    figures = published.figures()
    assert (figures.params, figures.macs) == (5_029_656, 255_502_624)


@pytest.mark.parametrize("network", [SMALLEST, LARGEST, MIXED], ids=str)
def test_networks_equal_those_of_torchvision(network: OFAMobileNetV3) -> None:
    check_same_network(network, of_torchvision(network))


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
