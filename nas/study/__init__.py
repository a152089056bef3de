"""Studies: how well scores tell which networks are good, measured by training a population of them.

`nas.study` is also the function of this package.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from nas import callable_package

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from nas.networks import Many, One
    from nas.query import Written
    from nas.study.population import Draw
    from search_spaces.architecture import Value


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
    draw_seed: int = 0,
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
    """Train a population of networks, and see how well scores tell which are good, as `nas study` does.

    Ctrl-C saves what was done and raises KeyboardInterrupt; `nas study --resume FOLDER` goes on.

    Args:
        space: The space that networks are drawn from; none are drawn if not given.
        dataset: Name of the data set, as "cifar10"; "folder" for folders of images.
        networks: Further networks by name, as in `nas.train`.
        flops, macs, params: Budgets of those that are drawn, as in `nas.search`.
        fix: Choices to pin, by name.
        count: How many are drawn, 24 by default.
        draw: "uniform", "spread" over NN-Mass and parameters (the default), or "pairs" of equal NN-Mass.
        draw_seed: Seed of the draws.
        named_seeds: Train `networks` with these seeds instead.
        scores: Names of the scores to compare; all if not given.
        score_batch: Images that some of them look at, 64 by default.
        initialisations: Score so many initialisations of each network, and take the mean; by default one for
            each training seed.
        data, recipe, seeds, device, threads, values: How networks are trained, as in `nas.train`.
        out: An empty or new folder to keep the study in; by default one under results/studies.

    Returns:
        The tables of the study, as `nas.read` gives them: `networks` has the scores and the accuracy of each
        network, `correlations` how well each score predicts accuracy. `attrs["folder"]` of each is the
        folder.

    Raises:
        RequestError: The request makes no sense, the data set is not there, or fewer than three networks were
            trained to the end.
        TypeError: An argument is of another kind.
    """
    import io
    from contextlib import ExitStack, redirect_stdout

    import search_spaces
    from nas.optimize.request import MOST_IMAGES, MOST_SEED
    from nas.query import COSTS, as_text
    from nas.read import read
    from nas.signals import interruptions
    from nas.study.population import MOST_NETWORKS, Draw
    from nas.study.request import MOST_INITIALISATIONS
    from nas.study.results_cli import conclude
    from nas.study.session import Session, requested
    from nas.train import request, session
    from search_spaces import RequestError
    from search_spaces.errors import checked_kind, checked_path, checked_whole, shown

    checked_kind("space", space, (str, type(None)), "the name of a space or None")
    checked_kind("fix", fix, (Mapping, type(None)), "names with values")
    if draw is not None and (not isinstance(draw, str) or draw not in get_args(Draw)):
        raise RequestError(f"draw is {shown(draw)}, expected one of {', '.join(get_args(Draw))}, or None")
    if space is not None:
        search_spaces.get(space)
    if space is None and networks is None:
        raise RequestError("give a space to draw networks from, or networks")
    written = dict(zip(COSTS, (flops, macs, params), strict=True))
    budgets = {cost: as_text(budget) for cost, budget in written.items() if budget is not None}
    if space is None and (budgets or fix or count is not None or draw is not None):
        raise RequestError("budgets, fix, count and draw say what is drawn; give a space as well")
    if named_seeds is not None and (space is None or networks is None):
        raise RequestError("named_seeds sets networks apart from those of a space; give both, or seeds")
    checked_kind("scores", scores, (list, tuple, type(None)), "a list of names or None")
    for name in scores or ():
        checked_kind("scores", name, str, "a list of names or None")
    hardware = request.hardware({**values, "device": device, "threads": threads})
    if out is not None:
        checked_path("out", out)
    asked = requested(
        space or "",
        () if networks is None else request.specs("networks", networks, None),
        order_of=lambda archs: request.order(archs, dataset, data, recipe, seeds, values),
        budgets=budgets,
        fix=fix or {},
        count=_whole("count", count, 3, MOST_NETWORKS),
        draw=draw,
        draw_seed=checked_whole("draw_seed", draw_seed, 0, MOST_SEED),
        named_seeds=None if named_seeds is None else request.checked_seeds("named_seeds", named_seeds),
        scores=scores,
        score_batch=_whole("score_batch", score_batch, 2, MOST_IMAGES),
        initialisations=_whole("initialisations", initialisations, 1, MOST_INITIALISATIONS),
    )
    request.check_data(asked.order, hardware)
    with interruptions() as interrupted, session.threads_kept(), ExitStack() as held:
        one = Session.begun(asked, hardware).without_doubles()
        one.check()
        folder = one.created(None if out is None else Path(out))
        held.enter_context(folder.locked())
        ended = one.trained(folder, interrupted)
        if ended:
            with redirect_stdout(io.StringIO()):  # what the command shows is in the tables
                conclude(folder, None, interrupted)
        if not ended or interrupted():
            raise KeyboardInterrupt(f"go on with: {folder.resume}")
    tables = read(folder.path)
    for table in tables.values():
        table.attrs["folder"] = str(folder.path)
    return tables


def _whole(name: str, value: int | None, least: int, most: int) -> int | None:
    from search_spaces.errors import checked_whole

    return None if value is None else checked_whole(name, value, least, most)


callable_package(__name__)
