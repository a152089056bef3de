"""NAS-Bench-Macro: counts equal fvcore's and the published ones, layers are torchvision's blocks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torchvision.models.mobilenetv3 import InvertedResidual, InvertedResidualConfig
from torchvision.ops.misc import Conv2dNormActivation

import search_spaces
from nas import score
from nas.verify import compare, recount
from search_spaces import NASBenchMacro, RequestError
from tests.conftest import examples
from tests.search_spaces.conformance import check_round_trip, check_same_network, check_training

NETWORKS = st.builds(
    NASBenchMacro,
    st.text("012", min_size=8, max_size=8),
    resolution=st.integers(1, 40),
    num_classes=st.integers(1, 100),
)


def of_torchvision(layers: str) -> nn.Module:
    """The network, built from the blocks of torchvision's MobileNetV3."""
    parts: list[nn.Module] = [Conv2dNormActivation(3, 32)]
    before = 32
    for place, kind in enumerate(layers):
        stage = (place >= 2) + (place >= 5)
        channels, stride = 64 * 2**stage, 2 if place in (0, 2, 5) else 1
        if kind != "0":
            kernel, expansion = {"1": (3, 3), "2": (5, 6)}[kind]
            config = InvertedResidualConfig(
                before, kernel, expansion * before, channels, False, "RE", stride, 1, 1
            )
            parts.append(InvertedResidual(config, nn.BatchNorm2d))
        elif stride == 2:
            parts.append(Conv2dNormActivation(before, channels, 1, stride, activation_layer=None))
        before = channels
    pooled = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1280, 10))
    return nn.Sequential(*parts, Conv2dNormActivation(256, 1280, 1), *pooled)


def test_counts_equal_the_published_ones() -> None:
    """Source: nas-bench-macro_cifar10.json of xiusu/NAS-Bench-Macro, where MACs are `flops`."""
    figures = NASBenchMacro("02012100").figures()
    assert (figures.params, figures.macs) == (890_666, 47_327_744)


@pytest.mark.parametrize("layers", ["00000000", "02012100", "11111111", "22222222", "10210021"])
def test_networks_equal_those_of_torchvisions_blocks(layers: str) -> None:
    check_same_network(NASBenchMacro(layers), of_torchvision(layers))


@pytest.mark.hypothesis
@examples(4, 40)
@given(NETWORKS)
def test_the_closed_form_equals_fvcore(network: NASBenchMacro) -> None:
    compare(network, recount(network))


@given(NETWORKS)
def test_specs_and_choices_round_trip(network: NASBenchMacro) -> None:
    check_round_trip(network)


def test_mass_is_that_of_inverted_residuals_with_a_skip() -> None:
    def mass(width: int, expansion: int) -> float:
        hidden = width * expansion
        return (width + 2 * hidden) * width / (2 * width + hidden)

    assert score("nasbench-macro:00000000")["nn_mass"] == score("nasbench-macro:10200100")["nn_mass"] == 0
    found = score("nasbench-macro:11010020")["nn_mass"]
    assert found == pytest.approx(mass(64, 3) + mass(128, 3) + mass(256, 6))


@pytest.mark.parametrize("layers", ["00000000", "12120212"])
def test_networks_train(layers: str) -> None:
    check_training(NASBenchMacro(layers, resolution=9, num_classes=7))


@pytest.mark.parametrize("layers", ["0201210", "020121000", "02012103", "", "0201-2100", 2012100, None])
def test_other_layers_are_refused(layers: object) -> None:
    with pytest.raises(RequestError, match=r"layers is .*, expected 8 digits, each one of 0, 1, 2"):
        NASBenchMacro(layers)  # type: ignore[arg-type]


def test_it_is_not_a_space() -> None:
    assert "nasbench-macro" not in search_spaces.names()
    with pytest.raises(RequestError, match="not a search space: name one of its networks, such as nasbench-"):
        search_spaces.get("nasbench-macro")
