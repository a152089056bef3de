"""Augmentation and mixing, with torchvision's transforms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nas.train.recipe import Recipe

if TYPE_CHECKING:
    from torch import Tensor
    from torchvision.transforms import v2


@dataclass(frozen=True)
class Augment:
    """What is done to uint8 images before they are trained on.

    Attributes:
        transform: The transforms; all images they are given at once share their draws.
        any_size: Whether they take images of any size, and cut out of them what is wanted.
    """

    transform: v2.Transform
    any_size: bool

    def __call__(self, images: Tensor) -> Tensor:
        """Images of shape (..., C, H, W) to the same of shape (..., C, side, side)."""
        augmented: Tensor = self.transform(images)
        return augmented


def augmentation(recipe: Recipe, side: int) -> Augment | None:
    """What a recipe does to images of a side, or nothing."""
    if recipe.crop == "none" and not (recipe.flip or recipe.erase):
        return None
    from torchvision.transforms import v2  # it takes seconds, and points need none

    steps: list[v2.Transform] = []
    if recipe.crop == "pad":
        steps.append(v2.RandomCrop(side, padding=side // 8))
    elif recipe.crop == "resized":
        steps.append(v2.RandomResizedCrop(side, antialias=True))
    if recipe.flip:
        steps.append(v2.RandomHorizontalFlip())
    if recipe.erase:
        steps.append(v2.RandomErasing(recipe.erase, scale=(0.25, 0.25), ratio=(1, 1)))
    return Augment(v2.Compose(steps), recipe.crop == "resized")


def mixing(recipe: Recipe, classes: int) -> v2.Transform | None:
    """Mixup, CutMix or one of them by chance, of images and labels; or nothing."""
    if not (recipe.mixup or recipe.cutmix):
        return None
    from torchvision.transforms import v2

    ways: list[v2.Transform] = []
    if recipe.mixup:
        ways.append(v2.MixUp(alpha=float(recipe.mixup), num_classes=classes))
    if recipe.cutmix:
        ways.append(v2.CutMix(alpha=float(recipe.cutmix), num_classes=classes))
    return v2.RandomChoice(ways) if len(ways) > 1 else ways[0]
