"""Baselines: networks of torchvision, for comparison with search results; they cannot be searched."""

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
"""Networks with a width multiplier."""

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
"""Networks whose five downsampling layers pad the image, so that no image is too small for them."""

BATCH_NORM_MOMENTUM = 0.1
"""The momentum of all other networks of this package. Some networks of torchvision have a lower one (MNASNet
0.0003), with which the statistics of a short training would hardly differ from their initial values."""


@dataclass(frozen=True)
class Torchvision(Architecture):
    """A network of torchvision, with torchvision's initialisation.

    Parameters and operations are counted on the built network; NN-Mass is not defined (nan).

    Attributes:
        name: torchvision's name of the network, one of `NAMES`.
        width_mult: Width multiplier (`alpha` of MNASNet); 1 for networks that are not in `SCALED`.
        resolution: Side of the input, in pixels.
        num_classes: Number of outputs.
        stem_stride: Stride of the first convolution, 1 or 2; use 1 for small images.

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
                f"{self.family}: {self.name} has no width multiplier; leave out {self.width_mult},"
                f" or use a network that has one: {scaled}"
            )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a spec.

        Raises:
            RequestError: There is no such network, or the spec does not parse.
        """
        name = text.removeprefix(f"{cls.family}:")
        if not any(f"{name}_".startswith(f"{known}_") for known in NAMES):
            names = f"; the baselines are {listed(NAMES, 5)} (docs/training.md, torchvision baselines)"
            raise RequestError(f"unknown network {shown(name)}{did_you_mean(name, NAMES) or names}")
        return super().parse(text)

    def figures(self) -> Figures:
        """Parameters and operations, counted on the built network; NN-Mass is nan."""
        return _figures(self)

    def assemble(self) -> nn.Module:
        """Build the module, with torchvision's initialisation."""
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
        """Do nothing: torchvision initialises the weights while it builds the network."""


def _mnasnet(alpha: float, num_classes: int) -> nn.Module:
    from torch import nn
    from torchvision import models

    class MNASNet(models.MNASNet):  # type: ignore[misc]
        """Loads weights from a state dict without the version number that torchvision's class requires."""

        _load_from_state_dict = nn.Module._load_from_state_dict

    return MNASNet(alpha, num_classes)


@cache
def _figures(network: Torchvision) -> Figures:
    from search_spaces.counting import counted

    return counted(network.assemble, network.input_shape)


register_family(Torchvision)
