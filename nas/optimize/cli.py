"""The command `python -m nas.search`: from a budget to a table of architectures, each recounted by fvcore."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import search_spaces
from nas.cli import (
    BUDGETS_NOTE,
    DONE,
    FORMATS,
    Parser,
    progress,
    wrapped,
)
from nas.exact.problem import Problem
from nas.latency import LatencyConfig, latency_config
from nas.optimize.folder import RunFolder
from nas.optimize.request import DEFAULT_SCORE, MOST_ROWS, Request, defaults
from nas.options import add_options, given
from nas.query import Query, parse_budget, with_space
from nas.signals import INTERRUPTED, interruptions
from nas.values import at_least
from nas.verify import FvcoreVerifier
from search_spaces import RequestError, Space

if TYPE_CHECKING:
    import pandas as pd

    from nas.optimize.run import Run
    from search_spaces.space import Options

_STARTED = time.perf_counter()


def main(arguments: Sequence[str] | None = None) -> int:
    """Search as the arguments say; returns the exit code."""
    options = _parser().parse_args(arguments)
    if options.choices:
        if options.resume or options.out:
            raise RequestError("--choices shows a space and stops; leave out --resume and --out")
        asked = given(options, Query)
        for cost, written in asked.get("budgets", {}).items():
            parse_budget(cost, written)
        _show_choices(search_spaces.get(asked.get("space", "mobilenet")).fix(**asked.get("fix", {})))
        return DONE
    latency_config(options)  # a device that is not there is found out here, before anything is searched
    with interruptions() as interrupted, ExitStack() as stack:
        folder = _opened(options, stack) if options.resume else None
        request = folder.request if folder else _request(options)
        recounter = stack.enter_context(FvcoreVerifier())  # it imports torch while the first rows are proven
        from nas.optimize.run import Run

        run = Run(request, Problem.of(request), folder)
        if folder is None:
            run.folder = RunFolder.create(request, options.out)
            stack.enter_context(run.folder.locked())
        elif folder.changes:
            changes = "; ".join(folder.changes)
            print(f"note: {changes}: the table may not be that of an unbroken run", file=sys.stderr)
        return _search(run, options, recounter, interrupted)


def _opened(options: argparse.Namespace, stack: ExitStack) -> RunFolder:
    """The folder to go on in, kept from other commands unless it holds all that is asked for."""
    folder = RunFolder.open(options.resume)
    request = _continued(folder.request, options)
    if not folder.holds(request):
        stack.enter_context(folder.locked())
        folder = RunFolder.open(options.resume)  # as it is now that no other command writes to it
        request = _continued(folder.request, options)
    folder.request = request
    return folder


def _parser() -> Parser:
    parser = Parser(
        "nas search",
        description="Find the architectures of the largest NN-Mass, or best other score, inside a budget,"
        " without training any.",
        epilog=BUDGETS_NOTE,
    )
    add_options(parser, Request)
    add = parser.add_argument
    add("--choices", action="store_true", help="show what the space lets vary, and stop")
    add("--top", type=at_least(1, MOST_ROWS), default=10, help="rows to recount and show (10)")
    add("--out", type=Path, metavar="FOLDER", help="where to keep the run (results/runs/...)")
    add("--resume", type=Path, metavar="FOLDER", help="go on with the run in this folder")
    add("--format", choices=FORMATS, default="table", help="how to print the table")
    add_options(parser, LatencyConfig)
    return parser


def _search(
    run: Run, options: argparse.Namespace, recounter: FvcoreVerifier, interrupted: Callable[[], bool]
) -> int:
    assert run.folder is not None
    run.prove(options.top)
    # What is proven is final: it is shown, and counted by fvcore, while Optuna explores beside it.
    early = run.proof is not None and run.proof.settles(options.top) and latency_config(options) is None
    if early:
        shown = _shown(run, options)
        recounter.start(shown.to_dict("records"))
        if options.format == "table":
            _print_rows(run, shown)
    with run.measured("import"):
        trials = run.trials  # the first that needs Optuna
    with progress("searching", run.request.trials, trials) as advance:
        run.explore(interrupted, advance)
    if not interrupted() and (latency := latency_config(options)):
        with progress("measuring", options.top + len(run.compared)) as advance:
            run.measure(latency, options.top, interrupted, advance)
    if not interrupted():
        if not early:
            shown = _shown(run, options)
            recounter.start(shown.to_dict("records"))
        _ = run.meeting
        with run.measured("recount"):
            for _ in recounter.verify():
                if interrupted():
                    break
    recounter.stop()  # before the figure, so that torch and matplotlib are not in memory together
    if not interrupted():
        run.draw(options.top)
    if not run.finished:
        run.add_seconds("total", time.perf_counter() - _STARTED)
    if interrupted():
        run.stop()
        done = f"{run.trials:,} of {run.request.trials:,} trials"
        print(f"interrupted after {done}; {len(run.found):,} architectures are kept", file=sys.stderr)
        print(f"go on with: {run.folder.resume}", file=sys.stderr)
        return INTERRUPTED
    run.finish(run.best(options.top))
    if options.format == "table":
        if not early:
            _print_rows(run, _shown(run, options))
        _print_notes(run, options)
    elif options.format == "json":
        _print_json(run, options)
    else:
        _print_csv(run, options)
    return DONE


def _request(options: argparse.Namespace) -> Request:
    asked = with_space(given(options, Request))
    sampler, trials = defaults(asked.get("score", DEFAULT_SCORE))
    return Request(**{"sampler": sampler, "trials": trials, **asked})


def _continued(request: Request, options: argparse.Namespace) -> Request:
    """The stored request, with more trials if asked; anything else asked for must be what is stored.

    Raises:
        RequestError: The arguments ask for another search.
    """
    asked = given(options, Request)
    trials = asked.pop("trials", request.trials)
    wanted = replace(request, **{**asked, "budgets": {**request.budgets, **asked.pop("budgets", {})}})
    if options.out:
        raise RequestError("--resume goes on in its own folder; leave out --out")
    if wanted.bounds() != request.bounds() or any(
        value != getattr(request, name) for name, value in asked.items()
    ):
        raise RequestError(
            f"--resume {options.resume}: that run was asked for as {request.arguments()}; leave out what"
            " differs, or start a new run"
        )
    if trials < request.trials:
        raise RequestError(
            f"--trials {trials}: the total of that run is {request.trials} already; ask for more"
        )
    return replace(request, trials=trials)


def _shown(run: Run, options: argparse.Namespace) -> pd.DataFrame:
    """The rows to show and to recount: the first candidates, but for CSV also the references."""
    import pandas as pd

    tables = [run.best(options.top), *([] if options.format == "csv" else [run.compared])]
    return pd.concat(tables, ignore_index=True)


def _print_rows(run: Run, shown: pd.DataFrame) -> None:
    from nas.optimize.proof import BY_PROOF
    from nas.show import show

    if "name" in shown:
        shown = shown.assign(arch=shown["name"].fillna(shown["arch"]))
    left_out = ["name", "recounted", "front"]
    if shown["found"].dropna().eq(BY_PROOF).all():
        left_out.append("found")
    references = shown["found"].isna()
    show(
        shown.drop(columns=left_out, errors="ignore"),
        family=run.space.architecture.family,
        break_before=int(references.to_numpy().argmax()) if references.any() else None,
    )
    sys.stdout.flush()


def _print_notes(run: Run, options: argparse.Namespace) -> None:
    assert run.folder is not None
    best = run.best(options.top)
    _say(run.sentence(len(best)))
    if not run.goal.bounds and run.request.score == DEFAULT_SCORE and not run.request.pareto:
        _say("No budget was given, so these are the largest networks of the space; add --flops 400M.")
    elif known := run.request.evidence:
        _say(known)
    if run.request.pareto:
        _say("Ranks count along the front, the largest first; -: not on it, or outside the budget.")
    elif run.compared["rank"].isna().any():
        _say("Rank -: outside the bounds, or not known.")
    if len(best) < min(options.top, run.meeting.networks) and not (run.latency or run.request.pareto):
        _say(f"No more than these {len(best)} of {options.top} rows are proven or found.")
    _say(
        "All rows were built and counted by fvcore, equal to the unit. FLOPs: a multiply-add is 1, batch"
        " norm 2 an element; MACs: convolutions and linear layers only."
    )
    if run.latency:
        _say(run.latency.sentence())
    if run.scores and (measured := run.scores.sentence()):
        _say(measured)
    elif run.request.score == DEFAULT_SCORE and len(run.widths_of(best)) > 1:
        _say("NN-Mass compares networks of one base width; these differ in it.")
    _say(
        f"Goal: {run.goal}. {run.request.sampler} explored {run.trials:,} trials (seed {run.request.seed});"
        f" {run.seconds['total']:.1f} s."
    )
    networks = f"{len(run.found):,} network{'s' * (len(run.found) != 1)}"
    print(wrapped(f"Kept in {run.folder.path} ({networks})"))


def _print_json(run: Run, options: argparse.Namespace) -> None:
    assert run.folder is not None
    from nas.show import records

    print(
        json.dumps(
            {
                "request": run.request.as_json(),
                "rows": records(run.best(options.top)),
                "references": records(run.compared),
                "proof": run.proven(),
                "evidence": run.request.evidence,
                "scores": run.scores.sentence() if run.scores else None,
                "latency": run.latency.facts() if run.latency else None,
                "folder": str(run.folder.path),
            },
            indent=2,
        )
    )


def _print_csv(run: Run, options: argparse.Namespace) -> None:
    from nas.show import show

    best = run.best(options.top)
    show(best, "csv")
    notes = (run.sentence(len(best)), run.request.evidence, run.scores and run.scores.sentence())
    for note in filter(None, notes):
        print(note, file=sys.stderr)


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
