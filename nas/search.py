"""Search: from a budget to a ranked table of architectures."""

from __future__ import annotations

if __name__ == "__main__":
    from nas.commands import run_command

    run_command("search")

from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas import callable_package
from nas.arguments import takes_options

if TYPE_CHECKING:
    import pandas as pd

    from nas.bounds import Written
    from search_spaces import Architecture
    from search_spaces.architecture import Value


@takes_options("nas.optimize.request:Request")
def search(
    space: str,
    *,
    flops: Written | None = None,
    macs: Written | None = None,
    params: Written | None = None,
    like: str | Architecture | None = None,
    minimize: str | None = None,
    across_widths: bool = False,
    pareto: str | None = None,
    score: str | None = None,
    score_batch: int | None = None,
    fix: Mapping[str, Value] | None = None,
    sampler: str | None = None,
    trials: int | None = None,
    seed: int = 0,
    warm_start: bool = True,
    per_width: int | None = None,
    top: int = 10,
    out: str | Path | None = None,
    storage: str | None = None,
    study: str | None = None,
    workers: int = 1,
    on: str | None = None,
    **options: Any,
) -> pd.DataFrame:
    """Search a space for the architectures of the largest NN-Mass, or best other score, inside budgets.

    Args:
        space: Name of a registered space.
        flops: Budget on FLOPs by fvcore's rules, one multiply-add counted as one: "400M", a number, or a band
            as "380M:400M" or a tuple.
        macs: Budget on the multiply-adds of convolutions and linear layers.
        params: Budget on trainable parameters.
        like: A reference or spec: find the cheapest architectures with at least its NN-Mass and with its base
            width instead.
        minimize: The cost that `like` minimises, FLOPs by default.
        across_widths: Search all base widths, although NN-Mass does not compare widths. By default a search
            for the largest NN-Mass keeps one: the largest at which a baseline of the space exceeds no budget.
        pareto: A cost: find the Pareto front of NN-Mass, or of `score`, against it instead.
        score: Name of a registered proxy (`nas.proxies.names()`) to rank by instead of NN-Mass. A measured
            score is computed once for each architecture inside the budgets, at initialisation, on Gaussian
            noise with random labels.
        score_batch: Batch size of a measured score, 32 by default.
        fix: Choices to pin and constants to set, by name.
        sampler: One of nsga2, tpe, random, qmc; by default nsga2, or tpe for a measured score.
        trials: Number of architectures to propose: by default 1,000, or 200 for a measured score.
        seed: Seed of the sampler, and of the weights and noise of a measured score; the same seed and
            versions give the same table.
        warm_start: Begin with a uniform random sample inside the budgets, if nothing can be proven.
        per_width: Largest number of architectures per base width; ranks are those among all.
        top: Number of rows that fvcore verifies, from the first.
        out: An empty or new folder for the run; by default nothing is written.
        storage: URL of a storage of Optuna for the study, which others with the same request may join.
        study: Name of the study in the storage; by default that of the request.
        workers: Number of processes that run trials, with a storage.
        on: "ray" or "ray:HOST:PORT": a cluster that measures the scores known to be needed.
        options: Further options of `nas search`, by name.

    Returns:
        Distinct architectures that meet the budgets, best first: rank, the true one if the score is a sum
        over stages, missing if unknown; arch, the score if it is not NN-Mass, nn_mass, flops, macs, params,
        the fraction of each budget used, how it was found ("proof", "trial 7" or "study"), and recounted,
        whether fvcore verified it; with `pareto` front, whether it is on the exact front. In `attrs`:
        "proof", what is proven; "base_width", which one is kept and why, or None; "evidence", what is known
        of top-ranked networks, or None; "advice" on the resolution for a small budget, or None; and
        "scores", how a score was measured, or None.

    Raises:
        RequestError: The request is invalid, or no architecture was found that meets it.
        TypeError: An argument has the wrong type or an unknown name.
        nas.verify.CountMismatchError: The counts of fvcore differ from the closed forms.
        RuntimeError: The score failed on a network.

    >>> table = search("mobilenet", flops="400M", trials=50, sampler="random", top=1)
    >>> bool((table["flops"] <= 400e6).all()), table["recounted"].sum()
    (True, np.int64(1))
    """
    from nas.optimize.proof import ROWS
    from nas.optimize.request import Request
    from nas.optimize.run import Run
    from nas.optimize.sharing import Sharing
    from nas.query import as_fields
    from nas.tasks import Cluster
    from nas.values import MOST_ROWS
    from nas.verify import verify
    from search_spaces.errors import checked_path, checked_whole

    top = checked_whole("top", top, 0, MOST_ROWS)
    if out is not None:
        checked_path("out", out)
    given = as_fields(
        flops,
        macs,
        params,
        like,
        minimize=minimize,
        pareto=pareto,
        score=score,
        score_batch=score_batch,
        fix=fix,
        sampler=sampler,
        trials=trials,
        per_width=per_width,
    )
    always = {"space": space, "across_widths": across_widths, "seed": seed, "warm_start": warm_start}
    request = Request.of({**given, **always, **options})
    sharing = Sharing(storage, study, workers)
    run = Run(request, request.problem(), sharing=sharing if storage is not None else None, on=Cluster(on).on)
    folder = None if out is None else run.create_folder(Path(out))
    with folder.locked() if folder else nullcontext():
        run.prove(top)
        run.explore()
        run.draw(top)
        best = run.best(top)
        verify(best.to_dict("records"))
        run.finish(best)
    run.found.attrs["proof"] = run.sentence(len(best) or ROWS)
    run.found.attrs["base_width"] = run.width.sentence() if run.width else None
    run.found.attrs["evidence"] = run.evidence
    run.found.attrs["advice"] = request.advice
    run.found.attrs["scores"] = run.scores.sentence() if run.scores else None
    return run.found


callable_package(__name__)
