"""Search: from a budget to a ranked table of architectures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from nas.budget import Written
    from search_spaces.architecture import Value


def search(
    space: str,
    *,
    flops: Written | None = None,
    macs: Written | None = None,
    params: Written | None = None,
    like: str | None = None,
    minimize: str | None = None,
    across_widths: bool = False,
    pareto: str | None = None,
    fix: Mapping[str, Value] | None = None,
    sampler: str | None = None,
    trials: int | None = None,
    seed: int = 0,
    warm_start: bool = True,
    top: int = 10,
    out: str | Path | None = None,
) -> pd.DataFrame:
    """Search a space for the architectures of the largest NN-Mass inside budgets.

    Args:
        space: Name of a registered space.
        flops: Budget on FLOPs by fvcore's rules, one multiply-add counted as one: "400M", a number, or a band
            as "380M:400M" or a tuple.
        macs: Budget on the multiply-adds of convolutions and linear layers.
        params: Budget on trainable parameters.
        like: A reference or spec: look for the cheapest architectures of at least its NN-Mass and of its base
            width instead.
        minimize: The cost that `like` minimises, FLOPs by default.
        across_widths: With `like`, let the base width vary, where NN-Mass promises nothing.
        pareto: A cost: look for the front of NN-Mass against it instead.
        fix: Choices to pin and constants to set, by name.
        sampler: Name of an Optuna sampler; by default the one that measured best.
        trials: How many architectures are proposed.
        seed: Seed of the sampler; the same seed and versions give the same table.
        warm_start: Begin with members of the exact front.
        top: How many of the best rows fvcore recounts, in this process.
        out: An empty or new folder to keep the run in; by default nothing is written.

    Returns:
        Architectures that meet the budgets, best first, none twice: rank, arch, nn_mass, flops, macs, params,
        the share of each budget used, the trial that first proposed it, and whether it was recounted.
        `attrs["proof"]` says how near the first is to the proven optimum.

    Raises:
        RequestError: The request makes no sense, or no architecture was found that meets it.
        nas.recount.MiscountError: fvcore counts otherwise than the closed form.

    >>> table = search("mobilenet", flops="400M", trials=50, sampler="random", top=1)
    >>> bool((table["flops"] <= 400e6).all()), table["recounted"].sum()
    (True, np.int64(1))
    """
    from nas.budget import as_text
    from nas.problem import Problem
    from nas.recount import verify
    from nas.search.request import DEFAULT_SAMPLER, DEFAULT_TRIALS, Request
    from nas.search.run import Run
    from nas.search.run_folder import RunFolder
    from search_spaces import RequestError

    written = {"flops": flops, "macs": macs, "params": params}
    if top < 0:
        raise RequestError(f"top is {top}, expected a whole number of at least 0")
    request = Request(
        space=space,
        budgets={cost: as_text(budget) for cost, budget in written.items() if budget is not None},
        fix=fix or {},
        like=None if like is None else str(like),
        minimize=minimize,
        across_widths=across_widths,
        pareto=pareto,
        sampler=sampler or DEFAULT_SAMPLER,
        trials=DEFAULT_TRIALS if trials is None else trials,
        seed=seed,
        warm_start=warm_start,
    )
    run = Run(request, Problem.of(request))
    run.folder = None if out is None else RunFolder.create(request, Path(out))
    run.explore()
    run.draw(top)
    verify(run.best(top).to_dict("records"))
    run.finish(recounted=top)
    run.found.attrs["proof"] = run.proof.sentence(run.goal, run.found) if run.proof else None
    return run.found
