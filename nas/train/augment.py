"""Augmentation of batches on whatever device they lie on, with torchvision's transforms.

A transform of torchvision draws once a call, for all images it is given. So a batch is cut into slices of a
few images, each with a draw of its own: images that share a draw are others in every epoch.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torchvision.transforms import v2

from nas.train.recipe import Recipe

_TOGETHER = 8
"""Images that share a draw. Fewer make the slices so many that a fast GPU waits for them."""


def augmentation(recipe: Recipe, side: int) -> Callable[[Tensor], Tensor]:
    """What is done to a batch of uint8 images before they are normalised.

    Shape: (N, C, side, side) to the same.
    """
    steps: list[v2.Transform] = []
    if recipe.crop == "pad":
        steps.append(v2.RandomCrop(side))
    elif recipe.crop == "resized":
        steps.append(v2.RandomResizedCrop(side, antialias=True))
    if recipe.flip:
        steps.append(v2.RandomHorizontalFlip())
    if recipe.erase:
        steps.append(v2.RandomErasing(recipe.erase, scale=(0.25, 0.25), ratio=(1, 1)))
    if not steps:
        return lambda images: images
    each = v2.Compose(steps)
    pad = v2.Pad(side // 8) if recipe.crop == "pad" else v2.Identity()

    def augmented(images: Tensor) -> Tensor:
        return torch.cat([each(slice_) for slice_ in pad(images).split(_TOGETHER)])

    return augmented


def mixing(recipe: Recipe, classes: int) -> v2.Transform | None:
    """Mixup, CutMix or one of them by chance, of normalised images and labels; or nothing."""
    ways: list[v2.Transform] = []
    if recipe.mixup:
        ways.append(v2.MixUp(alpha=recipe.mixup, num_classes=classes))
    if recipe.cutmix:
        ways.append(v2.CutMix(alpha=recipe.cutmix, num_classes=classes))
    if not ways:
        return None
    return v2.RandomChoice(ways) if len(ways) > 1 else ways[0]
