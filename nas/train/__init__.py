"""Training: from networks to a table of what they reach. `nas.train` is also the function of this package."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas import callable_package

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from nas.networks import Many, One


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
    """Train networks, and keep what they reach in a folder, as the command `nas train` does.

    Ctrl-C saves what was done and raises KeyboardInterrupt; `nas train --resume FOLDER` goes on.

    Args:
        networks: An architecture, its text as "space:spec", or a list of these; or a table with a column
            `arch`, such as a search gives, or the path of its CSV.
        dataset: Name of the data set, as "cifar10"; "folder" for folders of images.
        data: Where it is.
        recipe: Name of the recipe.
        top: Train the first so many networks; all if not given.
        seeds: Train each network with each of these.
        out: An empty or new folder to keep the run in; by default one under results/trained.
        device: "cpu", "cuda" or "cuda:1"; by default cuda if there is one.
        threads: Threads that torch computes with on a CPU; by default the fastest number in a few steps.
        values: Values of the recipe, such as `epochs=30` or `lr=0.05`; of the data `val_fraction`,
            `image_size`, `images`, `stem_stride` and `cache`; and of the machine `download`, `parallel`,
            `workers`, `compile` and `checkpoint_minutes`, as the command's options.

    Returns:
        trained.csv of the folder: a row a network and seed, with row, arch, seed, nn_mass, flops, macs,
        params, top1 and top5 in percent on the test set, status ("done" or "failed") and reason.
        `attrs["folder"]` is the folder, for `nas.load(folder, row)` and `nas.read(folder)`.

    Raises:
        RequestError: The request makes no sense, or the data set is not there.
        TypeError: An argument is of another kind.
    """
    from nas.signals import interruptions
    from nas.train import request, session
    from search_spaces.errors import checked_path

    request.check_names(train, values)
    archs = request.specs("networks", networks, top)
    order = request.order(archs, dataset, data, recipe, seeds, values)
    hardware = request.hardware({**values, "device": device, "threads": threads})
    if out is not None:
        checked_path("out", out)
    request.check_data(order, hardware)
    where = None if out is None else Path(out)
    with interruptions() as interrupted, session.started(device) as (own, processes):
        with session.threads_kept():
            run, folder = session.trained(order, None, where, hardware, own, processes, interrupted)
        if interrupted():
            raise KeyboardInterrupt(f"go on with: {folder.resume}")
    table = run.table
    table.attrs["folder"] = str(folder.path)
    return table


callable_package(__name__)
