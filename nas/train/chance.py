"""Seeds that follow from other seeds, so that every random number of a training can be drawn again."""

from __future__ import annotations

import numpy as np


def derived(*numbers: int) -> int:
    """A seed for what these numbers name, such as a seed, an epoch and a step.

    >>> derived(0, 1) == derived(0, 1), derived(0, 1) == derived(1, 0)
    (True, False)
    """
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])
