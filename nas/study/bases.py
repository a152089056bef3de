"""Base widths: NN-Mass promises something among networks that share one, and nothing across them."""

from __future__ import annotations

from collections.abc import Sequence

import search_spaces


def base_of(arch: str) -> str:
    """What a network's base width is, in words.

    >>> base_of("densenet:k2_d13-13-13_t40-80-125_conv3x3"), base_of("mlp:w8_d4_t5")
    ('width_mult 2, op conv3x3', 'width 8')
    >>> base_of("torchvision:efficientnet_b0")  # of no space
    'torchvision'
    """
    architecture = search_spaces.parse(arch)
    if architecture.family not in search_spaces.names():
        return architecture.family
    choices = architecture.choices()
    return ", ".join(f"{name} {choices[name]}" for name in search_spaces.get(architecture.family).base)


def telling(bases: Sequence[str]) -> list[str]:
    """Base widths of networks without what all of them have.

    >>> telling(["width_mult 1, op conv3x3", "width_mult 2, op conv3x3"])
    ['width_mult 1', 'width_mult 2']
    """
    parts = [base.split(", ") for base in bases]
    common = set(parts[0]).intersection(*parts)
    kept = [[part for part in own if part not in common] for own in parts]
    return [", ".join(own) or base for own, base in zip(kept, bases, strict=True)]
