"""The optimizer of a recipe: what decays, the learning rate of each step, the moving average of weights."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, LRScheduler, SequentialLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from nas.train.config import Recipe


def optimizer_of(model: nn.Module, recipe: Recipe, device: torch.device) -> torch.optim.Optimizer:
    """The optimizer of a model."""
    groups = _groups(model, recipe.weight_decay)
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=recipe.lr, fused=True)
    return torch.optim.SGD(
        groups,
        lr=recipe.lr,
        momentum=recipe.momentum,
        nesterov=recipe.nesterov and recipe.momentum > 0,
        fused=device.type == "cuda",
    )


def schedule_of(optimizer: torch.optim.Optimizer, recipe: Recipe, steps: int) -> LRScheduler:
    """Linear warm-up, then a cosine to 0 at the last step.

    Args:
        optimizer: The optimizer.
        recipe: The recipe.
        steps: Steps per epoch.
    """
    warm = round(min(recipe.warmup, recipe.epochs / 2) * steps)
    cosine = CosineAnnealingLR(optimizer, max(recipe.epochs * steps - warm, 1))
    if not warm:
        return cosine
    return SequentialLR(optimizer, [LinearLR(optimizer, 1 / (warm + 1), total_iters=warm), cosine], [warm])


def average_of(model: nn.Module, decay: float) -> AveragedModel:
    """An exponential moving average of the weights of a model, and of its buffers."""
    average = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]

    def update(averaged: Any, current: Any, count: Any) -> None:
        if averaged[0].is_floating_point():
            average(averaged, current, count)
        else:  # integers, such as channel indices, are copied: an average of them makes no sense
            for target, source in zip(averaged, current, strict=True):
                target.copy_(source)

    return AveragedModel(model, multi_avg_fn=update, use_buffers=True)


def _groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Parameter groups with and without weight decay: norms and biases have none."""
    matrices = [parameter for parameter in model.parameters() if parameter.ndim > 1]
    vectors = [parameter for parameter in model.parameters() if parameter.ndim <= 1]
    return [{"params": matrices, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0}]
