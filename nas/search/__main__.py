"""The command `python -m nas.search`: from a budget to a table of architectures, each recounted by fvcore."""

from __future__ import annotations

if __name__ == "__main__":
    from nas.signals import guard

    guard()  # before the slow imports

import argparse
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import search_spaces
from nas.budget import COSTS, parse_budget
from nas.command_line import (
    BUDGETS_NOTE,
    DONE,
    FLOPS_NOTE,
    FORMATS,
    MOST_ROWS,
    MOST_SEED,
    Parser,
    add_question,
    asked,
    at_least,
    budgets,
    pins,
    progress,
    run,
)
from nas.folders import locked
from nas.latency.arguments import add_latency, wanted
from nas.problem import Problem
from nas.proxies.subject import BATCH
from nas.recount import Recounter
from nas.search import evidence
from nas.search.request import (
    DEFAULT_SAMPLER,
    DEFAULT_SCORE,
    DEFAULT_TRIALS,
    MEASURED_SAMPLER,
    MEASURED_TRIALS,
    Request,
    defaults,
)
from nas.search.run_folder import RunFolder
from nas.signals import INTERRUPTED, interruptions
from search_spaces import RequestError, Space

if TYPE_CHECKING:
    import pandas as pd

    from nas.search.run import Run
    from search_spaces.space import Options

MOST_TRIALS = 1_000_000
MOST_IMAGES = 4096

_STARTED = time.perf_counter()


def main(arguments: Sequence[str] | None = None) -> int:
    """Search as the arguments say; returns the exit code."""
    options = _parser().parse_args(arguments)
    if options.choices:
        if options.resume or options.out:
            raise RequestError("--choices shows a space and stops; leave out --resume and --out")
        for cost, written in budgets(options).items():
            parse_budget(cost, written)
        _show_choices(search_spaces.get(options.space or "mobilenet").fix(**pins(options)))
        return DONE
    wanted(options)  # a device that is not there is found out here, before anything is searched
    with interruptions() as interrupted, ExitStack() as held:
        if options.resume:
            held.enter_context(locked(options.resume))
            folder = RunFolder.open(options.resume)
            request = folder.request = _continued(folder.request, options)
            problem = Problem.of(request)
            if folder.changes:
                changes = "; ".join(folder.changes)
                print(f"note: {changes}: the table may not be that of an unbroken run", file=sys.stderr)
        else:
            request, folder = _request(options), None
            problem = Problem.of(request)
        with Recounter() as recounter:
            return _search(request, problem, folder, options, recounter, interrupted, held)


def _parser() -> Parser:
    parser = Parser(
        "nas.search",
        description="Find the architectures of the largest NN-Mass, or best other score, inside a budget,"
        " without training any.",
        epilog=BUDGETS_NOTE,
    )
    add_question(parser)
    add = parser.add_argument
    add("--choices", action="store_true", help="show what the space lets vary, and stop")
    add("--pareto", choices=COSTS, help="find the front of NN-Mass, or --score, against this cost")
    score = (
        "rank by this score, as depth, zen or synflow (nn_mass; docs/studies.md has all). One that looks at"
        " networks is measured on each inside the budgets, on normal noise, in 0.05 to some seconds"
    )
    add("--score", metavar="NAME", help=score)
    batch = f"images of noise that such a score looks at ({BATCH})"
    add("--score-batch", type=at_least(2, MOST_IMAGES), metavar="N", help=batch)
    per_width = "keep so many architectures of each base width at most, as NN-Mass compares no widths (all)"
    add("--per-width", type=at_least(1, MOST_ROWS), metavar="K", help=per_width)
    sampler = f"({DEFAULT_SAMPLER}; {MEASURED_SAMPLER} if a score is measured)"
    add("--sampler", help=f"Optuna's sampler: tpe, nsga2, random, ... {sampler}")
    trials = f"architectures to propose ({DEFAULT_TRIALS}; {MEASURED_TRIALS} if a score is measured)"
    add("--trials", type=at_least(1, MOST_TRIALS), help=trials)
    add("--seed", type=at_least(0, MOST_SEED), help="seed of the sampler, and of what is measured (0)")
    warm = "begin with members of the exact front, or with even draws if a score is measured (yes)"
    add("--warm-start", action=argparse.BooleanOptionalAction, help=warm)
    add("--top", type=at_least(1, MOST_ROWS), default=10, help="rows to recount and show (10)")
    add("--out", type=Path, metavar="FOLDER", help="where to keep the run (results/runs/...)")
    add("--resume", type=Path, metavar="FOLDER", help="go on with the run in this folder")
    add("--format", choices=FORMATS, default="table", help="how to print the table")
    add_latency(parser, most=True)
    return parser


def _search(
    request: Request,
    problem: Problem,
    folder: RunFolder | None,
    options: argparse.Namespace,
    recounter: Recounter,
    interrupted: Callable[[], bool],
    held: ExitStack,
) -> int:
    started = time.perf_counter()
    from nas.search.run import Run

    imported = time.perf_counter() - started
    run = Run(request, problem, folder)
    if run.folder is None:
        run.folder = RunFolder.create(request, options.out)
        held.enter_context(run.folder.locked())
    run.add_seconds("import", imported)
    with progress("searching", run.request.trials, run.trials) as advance:
        run.explore(interrupted, advance)
    if not interrupted() and (asked := wanted(options)):
        with progress("measuring", options.top + len(run.compared)) as advance:
            run.measure(asked, options.top, interrupted, advance)
    if not interrupted():
        shown = _shown(run, options)
        recounter.start(shown.to_dict("records"))
        run.draw(options.top)
        with run.measured("recount"):
            for _ in recounter.verify():
                if interrupted():
                    break
    run.add_seconds("total", time.perf_counter() - _STARTED)
    if interrupted():
        run.stop()
        done = f"{run.trials:,} of {run.request.trials:,} trials"
        print(f"interrupted after {done}; {run.count:,} architectures were found", file=sys.stderr)
        where = shlex.quote(str(run.folder.path))
        print(f"go on with: python -m nas.search --resume {where}", file=sys.stderr)
        return INTERRUPTED
    run.finish(recounted=options.top)
    _print(run, shown, options)
    return DONE


def _request(options: argparse.Namespace) -> Request:
    score = options.score or DEFAULT_SCORE
    sampler, trials = defaults(score)
    return Request(
        **asked(options),
        pareto=options.pareto,
        score=score,
        score_batch=options.score_batch or BATCH,
        sampler=options.sampler or sampler,
        trials=options.trials or trials,
        seed=options.seed or 0,
        warm_start=options.warm_start is not False,
        per_width=options.per_width,
    )


def _continued(request: Request, options: argparse.Namespace) -> Request:
    """The stored request, with more trials if asked; anything else asked for must be what is stored.

    Raises:
        RequestError: The arguments ask for another search.
    """
    wishes = {
        "space": options.space,
        "fix": pins(options) or None,
        "like": options.like,
        "minimize": options.minimize,
        "across_widths": options.across_widths or None,
        "pareto": options.pareto,
        "score": options.score,
        "score_batch": options.score_batch,
        "sampler": options.sampler,
        "seed": options.seed,
        "warm_start": options.warm_start,
        "per_width": options.per_width,
    }
    given = {name: value for name, value in wishes.items() if value is not None}
    within = {**request.budgets, **budgets(options)}
    wanted = replace(request, **given, budgets=within, trials=options.trials or request.trials)
    if options.out:
        raise RequestError("--resume goes on in its own folder; leave out --out")
    if wanted.bounds() != request.bounds() or any(given[name] != getattr(request, name) for name in given):
        raise RequestError(
            f"--resume {options.resume}: that run was asked for as {request.arguments()}; leave out what"
            " differs, or start a new run"
        )
    if wanted.trials < request.trials:
        raise RequestError(
            f"--trials {wanted.trials}: that run was asked for {request.trials}; ask for as many"
        )
    return replace(request, trials=wanted.trials)


def _shown(run: Run, options: argparse.Namespace) -> pd.DataFrame:
    """The rows to show: the first candidates, in a terminal also the references."""
    import pandas as pd

    tables = [run.best(options.top), *([run.compared] if options.format == "table" else [])]
    shown: pd.DataFrame = pd.concat(tables, ignore_index=True).astype({"trial": "Int64"})
    return shown


def _print(run: Run, shown: pd.DataFrame, options: argparse.Namespace) -> None:
    from nas.show import show

    if options.format != "table":
        show(run.best(options.top), options.format)
        for said in filter(
            None, (evidence.said(run.request), run.widths(), run.scores and run.scores.sentence())
        ):
            print(said, file=sys.stderr)
        return
    best = len(run.best(options.top))
    shown = shown.assign(arch=shown["name"].fillna(shown["arch"])).drop(
        columns=["name", "recounted", "front"], errors="ignore"
    )
    show(shown, family=run.space.architecture.family, break_before=best)
    if known := evidence.said(run.request):
        _say(known)
    _say(
        f"{run.trials:,} trials ({run.request.sampler}, seed {run.request.seed}) found {run.count:,}"
        f" architectures for: {run.goal}. All rows above were built and recounted by fvcore, equal to the"
        f" unit. {run.seconds['total']:.1f} s."
    )
    if run.proof:
        _say(run.proof.sentence(run.goal, run.found))
    if widths := run.widths():
        _say(widths)
    _say(FLOPS_NOTE)
    if run.latency:
        _say(run.latency.sentence())
    if run.scores:
        _say(run.scores.sentence())
    elif run.request.score == DEFAULT_SCORE:
        _say("NN-Mass promises something only between networks of one base width: train the first few.")
    if run.folder:
        print(f"Kept in {run.folder.path}")


def _show_choices(space: Space) -> None:
    import pandas as pd

    from nas.show import show

    rows = [{"name": name, "options": _listed(options)} for name, options in space.choices.items()]
    constants = space.architecture(**space.constants).constants()
    rows += [
        {"name": name, "options": f"{value} (a constant; --fix sets it)"} for name, value in constants.items()
    ]
    show(pd.DataFrame(rows))
    _say(f"{space.name}: {space.size:,} architectures")


def _listed(options: Options) -> str:
    if len(options) <= 8:
        return ", ".join(map(str, options))
    return f"{options[0]}, {options[1]}, {options[2]}, ... {options[-1]} ({len(options)} options)"


def _say(text: str) -> None:
    """Print a sentence, wrapped to the terminal."""
    from nas.show import rendered

    print(rendered(text), end="")


if __name__ == "__main__":
    run(main)
