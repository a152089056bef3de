"""Networks that others designed by hand, as torchvision builds them: to compare with, not to search for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, ClassVar, Self

from search_spaces.architecture import Architecture
from search_spaces.cost import Figures
from search_spaces.errors import RequestError, did_you_mean, listed, shown
from search_spaces.registry import register_family
from search_spaces.spec import choice, constant

if TYPE_CHECKING:
    from torch import nn

SCALED = ("mnasnet1_0", "mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small")
"""Networks that torchvision builds at any width."""

NAMES = (
    *SCALED,
    *("mnasnet0_5", "mnasnet0_75", "mnasnet1_3"),
    *(f"efficientnet_b{size}" for size in range(8)),
    *(f"efficientnet_v2_{size}" for size in "sml"),
    *(f"regnet_x_{size}" for size in ("400mf", "800mf", "1_6gf", "3_2gf", "8gf", "16gf", "32gf")),
    *(f"regnet_y_{size}" for size in ("400mf", "800mf", "1_6gf", "3_2gf", "8gf", "16gf", "32gf", "128gf")),
    *(f"resnet{depth}" for depth in (18, 34, 50, 101, 152)),
    *("resnext50_32x4d", "resnext101_32x8d", "resnext101_64x4d", "wide_resnet50_2", "wide_resnet101_2"),
    *(f"shufflenet_v2_x{width}" for width in ("0_5", "1_0", "1_5", "2_0")),
)  # fmt: skip
"""Networks of torchvision that halve an image five times with layers that pad, so that none is too small."""

BATCH_NORM_MOMENTUM = 0.1
"""That of all other networks here. Some of torchvision's have less (MNASNet 0.0003), and would after a short
training be tested with statistics of hardly any image."""


@dataclass(frozen=True)
class Torchvision(Architecture):
    """A network of torchvision, with weights as it initialises them.

    Parameters and operations are counted on the built network; NN-Mass is not defined for it (nan).

    Attributes:
        name: torchvision's name of the network, one of `NAMES`.
        width_mult: Width multiplier, of those in `SCALED`; `alpha` of MNASNet.
        resolution: Side of the input, in pixels.
        num_classes: Outputs.
        stem_stride: Stride of the first convolution; 1 suits small images.

    >>> str(Torchvision("mobilenet_v3_large", width_mult=0.75, resolution=64))
    'torchvision:mobilenet_v3_large_w0.75_r64'
    """

    family: ClassVar[str] = "torchvision"

    name: str = choice("mobilenet_v2", words=NAMES)
    width_mult: float = choice(1.0, "w", least=0.01, most=100, terse=True)
    resolution: int = constant(224, "r", most=4096)
    num_classes: int = constant(1000, "c")
    stem_stride: int = constant(2, "s", most=2)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width_mult != 1 and self.name not in SCALED:
            scaled = ", ".join(SCALED)
            raise RequestError(
                f"{self.family}: {self.name} has no width multiplier, so leave out {self.width_mult};"
                f" those that have one are {scaled}"
            )

    @classmethod
    def parse(cls, text: str) -> Self:
        """The network that a spec stands for.

        Raises:
            RequestError: There is no such network, or the spec does not parse.
        """
        name = text.removeprefix(f"{cls.family}:")
        if not any(f"{name}_".startswith(f"{known}_") for known in NAMES):
            few = f"; of torchvision there are {listed(NAMES, 5)} (docs/training.md, known networks)"
            known = did_you_mean(name, NAMES) or few
            raise RequestError(f"unknown network {shown(name)}{known}")
        return super().parse(text)

    @property
    def input_shape(self) -> tuple[int, ...]:
        return (3, self.resolution, self.resolution)

    def figures(self) -> Figures:
        """Parameters and operations, as counted; NN-Mass is nan."""
        return _figures(self)

    def assemble(self) -> nn.Module:
        """The module with its weights as torchvision draws them."""
        from torch import nn
        from torchvision import models

        if self.name.startswith("mnasnet"):
            alpha = float(self.name.removeprefix("mnasnet").replace("_", "."))
            model = _mnasnet(self.width_mult * alpha, self.num_classes)
        else:
            width = {"width_mult": self.width_mult} if self.name in SCALED else {}
            model = models.get_model(self.name, weights=None, num_classes=self.num_classes, **width)
        stem = next(layer for layer in model.modules() if isinstance(layer, nn.Conv2d))
        stem.stride = (self.stem_stride, self.stem_stride)
        for layer in model.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.momentum = BATCH_NORM_MOMENTUM
        return model

    def initialise(self, model: nn.Module) -> None:
        """Leave the weights as torchvision drew them."""


def _mnasnet(alpha: float, num_classes: int) -> nn.Module:
    from torch import nn
    from torchvision import models

    class MNASNet(models.MNASNet):  # type: ignore[misc]
        """One that can be given its weights without the number of the version that wrote them."""

        _load_from_state_dict = nn.Module._load_from_state_dict

    return MNASNet(alpha, num_classes)


@cache
def _figures(network: Torchvision) -> Figures:
    from search_spaces.counting import counted

    return counted(network.assemble, network.input_shape)


register_family(Torchvision)
