"""Studies: train a population of networks and measure how well scores predict accuracy.

The package is callable: `nas.study(...)` runs a study.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas import callable_package
from nas.arguments import takes_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from nas.bounds import Written
    from nas.networks import Many, One
    from nas.study.population import Draw
    from search_spaces.architecture import Value


@takes_options(
    "nas.study.request:StudyRequest",
    "nas.train.config:Recipe",
    "nas.train.config:TrainConfig",
    "nas.train.session:Hardware",
    old_names=("batch",),
)
def study(
    space: str | None = None,
    *,
    dataset: str,
    networks: One | Many | Path | None = None,
    flops: Written | None = None,
    macs: Written | None = None,
    params: Written | None = None,
    fix: Mapping[str, Value] | None = None,
    count: int | None = None,
    draw: Draw | None = None,
    draw_seed: int | None = None,
    named_seeds: int | Sequence[int] | None = None,
    scores: Sequence[str] | None = None,
    score_batch: int | None = None,
    initialisations: int | None = None,
    data: str | Path = "data",
    recipe: str = "quick",
    seeds: int | Sequence[int] = (0,),
    out: str | Path | None = None,
    device: str | None = None,
    threads: int | None = None,
    **values: Any,
) -> dict[str, pd.DataFrame]:
    """Train a population of networks and measure how well scores predict accuracy, as `nas study` does.

    Ctrl-C saves the progress and raises KeyboardInterrupt; `nas study --resume FOLDER` continues.

    Args:
        space: The space to sample networks from; by default none are sampled.
        dataset: Name of the data set, as "cifar10"; "folder" for folders of images.
        networks: Networks to train besides the sample, as in `nas.train`.
        flops, macs, params: Budgets of the sample, as in `nas.search`.
        fix: Values of choices to hold fixed in the sample, by name.
        count: Size of the sample, 3 to 10,000; 24 by default.
        draw: "uniform", "spread" over NN-Mass and parameters (the default), "pairs" of equal NN-Mass, or
            "design", the networks that a fit needs.
        draw_seed: Seed of the sample; 0 by default.
        named_seeds: Training seeds of `networks`; `seeds` by default.
        scores: Names of the scores to compare; all by default.
        score_batch: Batch size of data-dependent scores, 2 to 4,096; 64 by default.
        initialisations: Number of initialisations over which scores are averaged; by default one for each
            training seed.
        data, recipe, seeds, device, threads: How networks are trained, as in `nas.train`.
        out: An empty or new folder for the study; by default one under results/studies.
        values: Further options of `nas study`, and values of the recipe, by name.

    Returns:
        The tables of the study, as `nas.read` returns them: `networks` has the scores and accuracy of each
        network, `correlations` the correlation of each score with accuracy. `attrs["folder"]` of each table
        is the folder.

    Raises:
        RequestError: The request is invalid, the data set is missing, or fewer than three networks finished
            training.
        TypeError: An argument has the wrong type.
        KeyboardInterrupt: The study was interrupted.
    """
    import io
    from contextlib import ExitStack, redirect_stdout

    from nas.options import options_of
    from nas.query import as_fields
    from nas.read import read
    from nas.signals import interruptions
    from nas.study.population import MOST_NETWORKS
    from nas.study.request import StudyRequest
    from nas.study.results_cli import conclude
    from nas.study.session import Session, requested
    from nas.train import request, session
    from search_spaces.errors import checked_path, checked_whole

    hardware = request.hardware({**values, "device": device, "threads": threads})
    if out is not None:
        checked_path("out", out)
    given = as_fields(
        flops,
        macs,
        params,
        space=space,
        fix=fix,
        draw=draw,
        draw_seed=draw_seed,
        scores=scores,
        score_batch=score_batch,
        initialisations=initialisations,
    )
    given |= {name: values.pop(name) for name in options_of(StudyRequest) if name in values}
    if named_seeds is not None:
        values["named_seeds"] = request.checked_seeds("named_seeds", named_seeds)
    study_request = requested(
        () if networks is None else request.specs("networks", networks, None),
        given,
        None if count is None else checked_whole("count", count, 3, MOST_NETWORKS),
        lambda archs: request.train_config(archs, dataset, data, recipe, seeds, values),
    )
    request.check_data(study_request.order, hardware)
    with interruptions() as interrupted, session.preserve_threads(), ExitStack() as held:
        prepared = Session.prepared(study_request, hardware).without_duplicates()
        prepared.print_note()
        folder = prepared.created(None if out is None else Path(out))
        held.enter_context(folder.locked())
        ended = prepared.train(folder, interrupted)
        if ended:
            with redirect_stdout(io.StringIO()):  # the tables hold what the command prints
                conclude(folder, None, interrupted)
        if not ended or interrupted():
            raise KeyboardInterrupt(f"go on with: {folder.resume}")
    tables = read(folder.path)
    for table in tables.values():
        table.attrs["folder"] = str(folder.path)
    return tables


callable_package(__name__)
