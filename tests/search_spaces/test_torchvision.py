"""torchvision baselines: counts equal fvcore's, networks and weights equal torchvision's."""

import math
from contextlib import suppress

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchvision import models

import search_spaces
from nas import score
from nas.verify import compare, recount
from search_spaces import MobileNet, RequestError, Torchvision
from search_spaces.counting import counted
from search_spaces.torchvision import NAMES, SCALED
from tests.search_spaces.conformance import check_round_trip, check_training

KINDS = (
    Torchvision("mobilenet_v2", width_mult=1.15),
    Torchvision("mobilenet_v3_large"),
    Torchvision("mobilenet_v3_small", width_mult=0.5),
    Torchvision("mnasnet1_0", width_mult=1.1),
    Torchvision("mnasnet0_5"),
    Torchvision("efficientnet_b0"),
    Torchvision("efficientnet_v2_s"),
    Torchvision("regnet_x_400mf"),
    Torchvision("regnet_y_400mf"),
    Torchvision("resnet18"),
    Torchvision("resnext50_32x4d"),
    Torchvision("shufflenet_v2_x1_0"),
)
"""One network of each kind with its own builder."""


def baselines() -> st.SearchStrategy[Torchvision]:
    """Any baseline with any settings."""
    return st.one_of(
        st.builds(
            Torchvision,
            name=st.sampled_from(names),
            width_mult=widths,
            resolution=st.integers(1, 300),
            num_classes=st.integers(1, 2000),
            stem_stride=st.sampled_from([1, 2]),
        )
        for names, widths in (
            (NAMES, st.just(1.0)),
            (SCALED, st.integers(7, 28).map(lambda step: step / 20)),
        )
    )


@pytest.mark.parametrize(
    "constants", [(64, 100, 1), pytest.param((97, 10, 2), marks=pytest.mark.slow)], ids=str
)
@pytest.mark.parametrize("network", KINDS, ids=str)
def test_counts_equal_fvcore(network: Torchvision, constants: tuple[int, int, int]) -> None:
    made = Torchvision(network.name, network.width_mult, *constants)
    compare(made, recount(made))


def test_torchvisions_mobilenet_costs_what_ours_costs() -> None:
    for stem in (1, 2):
        ours = score(MobileNet(width_mult=0.75, resolution=96, stem_stride=stem))
        theirs = score(Torchvision("mobilenet_v2", width_mult=0.75, resolution=96, stem_stride=stem))
        assert math.isnan(theirs.pop("nn_mass")) and ours.items() > theirs.items()


@given(baselines())
def test_specs_round_trip(network: Torchvision) -> None:
    check_round_trip(network)


def test_all_names_exist_in_torchvision() -> None:
    assert len(set(NAMES)) == len(NAMES) and set(NAMES) < set(models.list_models(models))


@pytest.mark.parametrize("name", ["mnasnet0_75", "mnasnet1_0", "mobilenet_v3_small", "regnet_y_400mf"])
def test_initial_weights_equal_those_of_torchvision(name: str) -> None:
    states = []
    for build in (Torchvision(name).build, lambda: models.get_model(name, weights=None)):
        torch.manual_seed(0)
        states.append(build().state_dict())
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


@pytest.mark.parametrize("name", ["mnasnet1_0", "mobilenet_v3_small", "regnet_y_400mf"])
def test_batch_statistics_converge_in_a_short_training(name: str) -> None:
    """With torchvision's momentum those of MNASNet would keep their initial values."""
    network = Torchvision(name, width_mult=0.5 if name in SCALED else 1.0, resolution=32).build()
    images = torch.randn(4, 3, 32, 32)
    norm = next(layer for layer in network.modules() if isinstance(layer, torch.nn.BatchNorm2d))

    def reached(*_: object) -> None:
        raise StopIteration  # the layers after it are of no interest

    norm.register_forward_hook(reached)

    def run() -> torch.Tensor:
        with torch.no_grad(), suppress(StopIteration):
            network(images)
        assert norm.running_mean is not None
        return norm.running_mean.clone()

    found = [run() for _ in range(50)][-1]
    norm.reset_running_stats()
    norm.momentum = 1.0
    assert torch.allclose(found, run(), rtol=0.01, atol=1e-5)


def test_counting_leaves_the_random_state() -> None:
    state = torch.get_rng_state()
    Torchvision("mnasnet0_5", resolution=33).figures()
    assert torch.equal(torch.get_rng_state(), state)


def test_counting_allocates_no_weights() -> None:
    """The weights of the first network would need 85 GB; those of the others are on the meta device."""
    assert Torchvision("mobilenet_v2", width_mult=100).figures().params == 21_384_641_000
    for name in ("mobilenet_v3_small", "regnet_y_400mf", "mnasnet0_5", "shufflenet_v2_x0_5"):
        built: list[torch.nn.Module] = []

        def build(name: str = name, built: list[torch.nn.Module] = built) -> torch.nn.Module:
            built.append(Torchvision(name).assemble())
            assert all(weight.is_meta for weight in built[0].parameters())
            return built[0]

        assert counted(build, (3, 33, 33)).params > 0 and built


@pytest.mark.parametrize("name", ["mobilenet_v3_small", "shufflenet_v2_x0_5", "mnasnet0_5"])
def test_one_pixel_is_a_valid_image(name: str) -> None:
    made = Torchvision(name, resolution=1, num_classes=7, stem_stride=1)
    assert made.build().eval()(torch.zeros(1, 3, 1, 1)).shape == (1, 7)
    check_training(Torchvision(name, resolution=33, num_classes=7, stem_stride=1))


def test_a_state_dict_needs_no_version_number() -> None:
    made, other = (Torchvision("mnasnet0_5", num_classes=3).build() for _ in range(2))
    other.load_state_dict(dict(made.state_dict()))
    assert all(map(torch.equal, made.parameters(), other.parameters()))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("torchvision:mobilnet_v2", "unknown network 'mobilnet_v2' (did you mean mobilenet_v2?)"),
        (
            "torchvision:vit_b_16",
            "mobilenet_v3_small, mnasnet0_5 and 42 more (docs/training.md, torchvision baselines)",
        ),
        ("torchvision:", "unknown network ''"),
        (
            "torchvision:resnet18_w0.5",
            "resnet18 has no width multiplier; leave out 0.5, or use",
        ),
        ("torchvision:resnet18_q3", "'q3' at character 22"),
        ("torchvision:resnet18_r64_r64", "'r64' at character 26 gives resolution twice"),
        ("torchvision:efficientnet_v2_s_s3", "stem_stride is 3"),
        ("torchvision:mobilenet_v2_w0", "width_mult is 0"),
    ],
)
def test_unknown_networks_and_settings_are_refused(text: str, message: str) -> None:
    with pytest.raises(RequestError) as error:
        search_spaces.parse(text)
    assert message in str(error.value) and "\n" not in str(error.value)
