"""Proxies: explicitly calculated values, and a conformance suite for every registered proxy."""

from __future__ import annotations

import copy
import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

import search_spaces
from nas import proxies, score
from nas.proxies import Subject
from nas.proxies.registry import register
from nas.train.data import Data
from search_spaces import MLP, Architecture, DenseNet, MBConv, MobileNet, RequestError, ResNet, Torchvision
from search_spaces.chain import figures_of
from search_spaces.modules import Residual
from tests.nas.train.conftest import data, images

__all__ = ["data", "images"]

SMALL: dict[str, Architecture] = {
    "densenet": DenseNet(width_mult=1, depths=(4, 3, 3), links=(5, 10, 10), resolution=8, num_classes=3),
    "mlp": MLP(depth=5, in_features=12, num_classes=3),
    "mbconv": MBConv(
        (1, 2) + (1,) * 5,
        depths=(1, 2) + (1,) * 5,
        se=(True, True) + (False,) * 5,
        resolution=16,
        num_classes=3,
    ),
    "mobilenet": MobileNet(
        width_mult=0.35,
        depths=(1, 2, 1, 1, 1, 1, 1),
        expansions=(1,) + (2,) * 6,
        resolution=16,
        num_classes=3,
    ),
    "resnet": ResNet(depths=(1, 1, 1, 1), width_per_group=8, resolution=16, num_classes=3),
}


def linear(*rows: list[float]) -> nn.Linear:
    layer = nn.Linear(len(rows[0]), len(rows), bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(rows))
    return layer


def subject(network: nn.Module, images: list[list[float]], labels: list[int] | None = None) -> Subject:
    """A subject with a given network."""
    pixels = torch.tensor(images)
    return Subject(
        SMALL["mlp"],
        lambda: copy.deepcopy(network),
        0,
        pixels,
        torch.tensor(labels or [0] * len(images)),
        classes=2,
    )


def value(name: str, of: Subject) -> float:
    return proxies.measure(name, of).value


def test_ldi_of_known_singular_values() -> None:
    """Two neurons with weights 3 and 1: both are on for the first image, one for the second."""
    network = nn.Sequential(linear([3.0, 0.0], [0.0, 1.0]), nn.ReLU(), linear([1.0, 1.0]))
    assert value("ldi", subject(network, [[1.0, 1.0]])) == pytest.approx((3 + 1) / 2)
    assert value("ldi", subject(network, [[1.0, -1.0]])) == pytest.approx((3 + 0) / 2)
    assert value("ldi", subject(network, [[1.0, 1.0], [1.0, -1.0]])) == pytest.approx((2 + 1.5) / 2)


def test_ldi_of_a_convolution_uses_its_kernel() -> None:
    convolution = nn.Conv2d(2, 2, 3, groups=2, bias=False)
    nn.init.zeros_(convolution.weight)
    with torch.no_grad():
        convolution.weight[0, 0, 0, 0], convolution.weight[1, 0, 1, 1] = 3.0, 4.0
    network = nn.Sequential(convolution, nn.Flatten(), nn.Linear(2 * 4, 2))
    of = Subject(SMALL["densenet"], lambda: network, 0, torch.rand(2, 2, 4, 4), torch.tensor([0, 1]), 2)
    assert value("ldi", of) == pytest.approx(3.5)


def test_the_gradient_of_two_equal_logits() -> None:
    """Softmax gives 1/2 each, so the gradient is -1/2 for the true class and 1/2 for the other."""
    of = subject(linear([1.0], [1.0]), [[1.0]], [0])
    assert value("grad_norm", of) == pytest.approx(math.sqrt(0.5))
    assert value("snip", of) == pytest.approx(1.0)


@pytest.mark.parametrize("activation", [nn.ReLU, nn.ReLU6])
def test_synflow_sums_all_paths(activation: type[nn.Module]) -> None:
    """With |w|, 1 + 2 + 3 + 4 = 10 flows through each of the two layers, 7 of it through one neuron."""
    network = nn.Sequential(linear([1.0, -2.0], [3.0, 4.0]), activation(), linear([-1.0, 1.0]))
    assert value("synflow", subject(network, [[5.0, -7.0]])) == pytest.approx(math.log(20))


def test_naswot_of_opposite_patterns() -> None:
    """Each image agrees with itself at both ReLUs and with the other image at none: K = 2 I."""
    network = nn.Sequential(linear([1.0, 0.0], [0.0, 1.0]), nn.ReLU(), linear([1.0, 1.0]))
    assert value("naswot", subject(network, [[1.0, -1.0], [-1.0, 1.0]])) == pytest.approx(math.log(4))
    assert value("naswot", subject(network, [[1.0, 1.0], [1.0, 1.0]])) == -math.inf


def test_zen_of_the_identity_is_the_norm_of_the_step() -> None:
    of = subject(nn.Sequential(nn.Flatten(), nn.Linear(10_000, 2)), [[0.0] * 10_000] * 4)
    assert value("zen", of) == pytest.approx(math.log(0.01 * 100), abs=0.02)


def test_zen_restores_the_scale_that_batch_norm_removes() -> None:
    """An input scaled by ten scores the same with and without batch norm."""

    class Norm(nn.Module):
        def __init__(self, norm: bool) -> None:
            super().__init__()
            self.norm = nn.BatchNorm2d(1) if norm else nn.Identity()
            self.head = nn.Linear(4096, 2)

        def forward(self, images: Tensor) -> Tensor:
            scores: Tensor = self.head(self.norm(10 * images).flatten(1))
            return scores

    with_norm, without = (
        Subject(SMALL["mlp"], lambda norm=norm: Norm(norm), 0, torch.zeros(8, 1, 64, 64), torch.zeros(8), 2)
        for norm in (True, False)
    )
    assert value("zen", with_norm) == pytest.approx(value("zen", without), abs=0.02)


def test_zen_removes_residual_sums_and_reads_the_input_of_the_pooling() -> None:
    """A block with a zero body is the identity with its residual sum, and zero without it."""

    class Nothing(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return 0 * images

    def network(last: nn.Module) -> nn.Module:
        return nn.Sequential(last, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 2))

    def zen(body: nn.Module) -> float:
        images, labels = torch.zeros(8, 1, 64, 64), torch.zeros(8)
        return value("zen", Subject(SMALL["mlp"], lambda: network(body), 0, images, labels, 2))

    whole, nothing = zen(nn.Identity()), zen(Nothing())
    assert whole == pytest.approx(math.log(0.01 * 64), abs=0.02)  # of 64x64 pixels, not of their mean
    assert zen(Residual(nn.Identity(), nn.Identity())) == whole
    assert zen(Residual(Nothing(), nn.Identity())) == nothing
    assert nothing < -50


def test_zico_of_two_known_gradients() -> None:
    """Gradients of a half and of one and a half: mean 1, deviation a half, for each of two weights."""
    of = subject(linear([0.0], [0.0]), [[1.0], [1.0], [3.0], [3.0]], [0] * 4)
    assert value("zico", of) == pytest.approx(math.log(2 + 2))
    with pytest.raises(RequestError, match="--score-batch 2: zico needs at least 4 images"):
        value("zico", subject(linear([0.0], [0.0]), [[1.0], [3.0]], [0, 0]))


def test_zico_uses_the_deviation_of_absolute_gradients() -> None:
    """Gradients -1/2 and 3/2 for each of two weights: |g| has mean 1 and deviation 1/2, g has deviation 1."""
    of = subject(linear([0.0], [0.0]), [[-1.0], [-1.0], [3.0], [3.0]], [0] * 4)
    assert value("zico", of) == pytest.approx(math.log(2 + 2))  # of signed gradients it would be log(1 + 1)


def test_closed_forms_equal_the_analytic_values() -> None:
    for architecture in SMALL.values():
        of = Subject.of_noise(architecture, 2)
        assert {name: value(name, of) for name in ("nn_mass", "params", "flops")} == {
            name: known for name, known in score(architecture).items() if name != "macs"
        }
    assert value("depth", Subject.of_noise(SMALL["densenet"], 2)) == 10
    assert value("depth", Subject.of_noise(SMALL["mlp"], 2)) == 5
    assert value("depth", Subject.of_noise(SMALL["mobilenet"], 2)) == 8


def test_sums_of_roots_are_of_stages() -> None:
    of = Subject.bare(SMALL["mobilenet"])
    stages = [figures_of(parts) for parts in SMALL["mobilenet"].stages()]  # type: ignore[attr-defined]
    assert value("root_mass", of) == pytest.approx(sum(math.sqrt(stage.nn_mass) for stage in stages))
    assert value("root_params", of) == pytest.approx(sum(stage.params**0.25 for stage in stages))


def test_deepmad_of_an_mlp_and_of_two_resolutions() -> None:
    """An MLP has one resolution, of side 1; the densest ResNet here has stem, pooling and four stages."""
    mlp = MLP(width=4, depth=3, links=0, in_features=12, num_classes=3)
    widths = math.log(12) + 2 * math.log(4)
    assert value("deepmad", Subject.bare(mlp)) == pytest.approx(8 * math.log(4) * widths)
    resnet = ResNet(depths=(1, 1, 1, 1), width_per_group=8, resolution=64, num_classes=3)
    entropy, expected = math.log(3 * 49), math.log(32**2 * 64) * math.log(3 * 49)
    for before, width, side in ((64, 8, 16), (8, 16, 8), (16, 32, 4), (32, 64, 2)):
        entropy += math.log(9 * before) + math.log(9 * width)
        expected += (8 if side == 2 else 1) * math.log(side**2 * width) * entropy
    assert value("deepmad", Subject.bare(resnet)) == pytest.approx(expected)


@pytest.mark.parametrize("name", proxies.names())
@pytest.mark.parametrize("family", SMALL)
def test_every_proxy_is_finite_and_deterministic(name: str, family: str) -> None:
    """And the same on duplicated images.

    Except for NASWOT, whose kernel becomes singular, and Zen, which uses its own noise.
    """
    state = torch.get_rng_state()
    of = Subject.of_noise(SMALL[family], 4)
    first, again = (value(name, one) for one in (of, Subject.of_noise(SMALL[family], 4)))
    assert first == again and math.isfinite(first)
    assert torch.equal(torch.get_rng_state(), state)
    if name not in ("naswot", "zen"):
        images, labels = of.images.repeat_interleave(2, 0), of.labels.repeat_interleave(2)
        assert value(name, replace(of, images=images, labels=labels)) == pytest.approx(first, rel=5e-2)


@pytest.mark.parametrize("name", proxies.names())
def test_torchvision_baselines_have_proxies(name: str) -> None:
    """Except for closed forms over stages, which are defined for our topologies only."""
    baseline = Torchvision("mobilenet_v3_small", width_mult=0.35, resolution=32, num_classes=3)
    first, again = (value(name, Subject.of_noise(baseline, 4)) for _ in range(2))
    undefined = proxies.get(name).closed_form and name not in ("params", "flops")
    assert math.isnan(first) if undefined else first == again and math.isfinite(first)


def test_stochastic_depth_is_off() -> None:
    of = Subject.of_noise(Torchvision("efficientnet_b0", resolution=32, num_classes=3), 4)
    network = of.network()
    assert all(torch.equal(network(of.images), network(of.images)) for _ in range(3))
    assert network.training and math.isnan(value("naswot", of))


def test_each_is_documented() -> None:
    for name in proxies.names():
        proxy = proxies.get(name)
        text = proxy.measure.__doc__ or ""
        assert proxy.more_is_better is True and proxy.title and proxy.axis
        if proxy.needs:
            assert all(part in text for part in ("Source:", "ore is better", "cost")), name


def test_images_are_a_batch_of_training_images(data: Data) -> None:
    from nas.train.data import fitted

    of = Subject.of_data(fitted(MLP(), data), data, batch=72)
    assert of.images.shape == (72, 3, 8, 8) and of.labels.bincount().tolist() == [24, 24, 24]
    torch.testing.assert_close(of.images.mean((0, 2, 3)), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(of.images.std((0, 2, 3)), torch.ones(3), atol=1e-3, rtol=0)
    again = Subject.of_data(fitted(MLP(), data), data, batch=5)
    assert torch.equal(again.images, of.images[:5])


def test_users_can_register_a_proxy() -> None:
    @register("answer", more_is_better=False)
    def answer(of: Subject) -> float:
        return 42.0

    try:
        assert value("answer", Subject.of_noise(SMALL["mlp"], 2)) == 42 and "answer" in proxies.names()
        with pytest.raises(ValueError, match="a proxy answer already"):
            register("answer")(answer)
    finally:
        from nas.proxies import registry

        del registry._proxies["answer"]
    with pytest.raises(RequestError, match="unknown score 'answer'; there are nn_mass"):
        proxies.get("answer")


def test_every_space_has_proxies() -> None:
    for name in search_spaces.names():
        assert proxies.measure("depth", Subject.of_noise(search_spaces.get(name).architecture(), 2)).value > 0
