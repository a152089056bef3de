"""Training of networks; `nas.train` is both this package and its function."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas import callable_package
from nas.arguments import takes_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from nas.networks import Many, One


@takes_options(
    "nas.train.config:Recipe",
    "nas.train.config:TrainConfig",
    "nas.train.session:Hardware",
    old_names=("batch",),
)
def train(
    networks: One | Many | Path,
    *,
    dataset: str,
    data: str | Path = "data",
    recipe: str = "quick",
    top: int | None = None,
    seeds: int | Sequence[int] = (0,),
    out: str | Path | None = None,
    device: str | None = None,
    threads: int | None = None,
    **values: Any,
) -> pd.DataFrame:
    """Train networks and store checkpoints and results in a run folder, like the command `nas train`.

    Ctrl-C saves the progress and raises KeyboardInterrupt; `nas train --resume FOLDER` continues.

    Args:
        networks: An architecture, a spec "space:spec", or a list of these; or a table with a column
            `arch`, such as the result of a search, or the path of its CSV.
        dataset: Name of the data set, such as "cifar10"; "folder" for folders of images.
        data: Folder of the data set.
        recipe: Name of the recipe.
        top: Number of networks to train, from the first; all by default.
        seeds: Train each network with each of these.
        out: An empty or new folder for the run; by default one under results/trained.
        device: "cpu", "cuda" or "cuda:1"; by default cuda if there is one.
        threads: CPU threads of torch; by default the fastest number in a few timed steps.
        values: Further options of the command: values of the recipe, such as `epochs=30` or `lr=0.05`; of
            the data `val_fraction`, `image_size`, `images`, `stem_stride` and `cache`; of the hardware
            `download`, `parallel`, `on`, `checkpoints`, `workers`, `compile` and `checkpoint_minutes`.

    Returns:
        The table trained.csv of the folder: one row per network and seed, with row, arch, seed, nn_mass,
        flops, macs, params, top1 and top5 in percent on the test set, status ("done" or "failed") and
        reason. `attrs["folder"]` is the folder, for `nas.load(folder, row)` and `nas.read(folder)`.

    Raises:
        RequestError: The request is invalid, or the data set is missing.
        TypeError: An argument has the wrong type or an unknown name.
    """
    from nas.signals import interruptions
    from nas.train import request, session
    from search_spaces.errors import checked_path

    archs = request.specs("networks", networks, top)
    config = request.train_config(archs, dataset, data, recipe, seeds, values)
    hardware = request.hardware({**values, "device": device, "threads": threads})
    if out is not None:
        checked_path("out", out)
    request.check_data(config, hardware)
    path = None if out is None else Path(out)
    with interruptions() as interrupted, session.process_group(device, hardware.on) as (own, processes):
        with session.preserve_threads():
            run, folder = session.run_training(config, None, path, hardware, own, processes, interrupted)
        if interrupted():
            raise KeyboardInterrupt(f"go on with: {folder.resume}")
    table = run.table
    table.attrs["folder"] = str(folder.path)
    return table


callable_package(__name__)
