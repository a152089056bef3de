"""Trained networks, taken from the folder of a training run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nas.train.folder import TrainFolder
from search_spaces import RequestError
from search_spaces.errors import checked_kind, checked_path, checked_whole

if TYPE_CHECKING:
    from nas.train.classifier import Classifier


def load(folder: Path | str, row: int = 1, seed: int | None = None, best: bool = False) -> Classifier:
    """A trained network, on the CPU and in evaluation mode.

    Args:
        folder: The folder of a training run.
        row: The network's number in the column `row` of its trained.csv.
        seed: The seed that it was trained with; the first one if not given.
        best: Take the weights that did best on held-out images, not the last ones.

    Returns:
        A module that takes pixels from 0 to 1, of shape (N, C, side, side), and gives logits, of shape
        (N, classes). It normalises the pixels itself; its `network` is the bare network.

    Raises:
        RequestError: There is no such network in the folder, or it has not been trained to the end.
        TypeError: An argument is of another kind.
    """
    checked_path("folder", folder)
    row = checked_whole("row", row, 1)
    seed = None if seed is None else checked_whole("seed", seed)
    checked_kind("best", best, bool, "True or False")
    run = TrainFolder.open(Path(folder))
    rows = len(run.order.archs)
    if not 1 <= row <= rows:
        raise RequestError(f"{folder} has rows 1 to {rows}, not {row}")
    seeds = run.order.seeds_of(row)
    if seed is not None and seed not in seeds:
        raise RequestError(f"row {row} of {folder} has seeds {', '.join(map(str, seeds))}, not {seed}")
    if best and not run.order.holdout:
        raise RequestError(f"{folder}: no images were held out to choose the best weights by; take the last")
    from nas.train.checkpoint import Checkpoint
    from nas.train.job import DONE

    seed = seeds[0] if seed is None else seed
    path = run.checkpoint(f"row{row}-seed{seed}")
    if not path.exists():
        if run.rows().get((row, seed), {}).get("status") == DONE:
            raise RequestError(
                f"{path}: row {row} is trained, but its weights are not there; bring them back"
            )
        raise RequestError(f"{folder}: row {row} has not been trained; python -m nas.train --resume {folder}")
    kept = Checkpoint.load(path)
    outcome = kept.so_far()
    if outcome.status != DONE:
        done = f"{len(outcome.epochs)} of {kept.recipe.get('epochs')} epochs"
        raise RequestError(
            f"{folder}: row {row} has done {done}; go on with python -m nas.train --resume {folder}"
        )
    return kept.classifier(path, best)
