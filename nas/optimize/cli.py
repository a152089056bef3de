"""The command `nas search`: from a budget to a table of architectures, verified by fvcore."""

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
from nas.bounds import parse_budget
from nas.cli import BUDGETS_NOTE, DONE, FORMATS, Parser, progress, wrapped
from nas.latency import LatencyConfig, latency_config
from nas.optimize.folder import RunFolder
from nas.optimize.request import Request
from nas.optimize.sharing import Sharing
from nas.options import add_options, given
from nas.query import DEFAULT_SCORE, Query, with_space
from nas.signals import INTERRUPTED, interruptions
from nas.tasks import Cluster, cluster_of
from nas.values import MOST_ROWS, at_least
from nas.verify import FvcoreVerifier
from search_spaces import RequestError, Space

if TYPE_CHECKING:
    import pandas as pd

    from nas.optimize.run import Run
    from search_spaces.space import Options

_STARTED = time.perf_counter()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    options = _parser().parse_args(arguments)
    if options.choices:
        if options.resume or options.out:
            raise RequestError("--choices shows a space and stops; leave out --resume and --out")
        query = given(options, Query)
        for cost, written in query.get("budgets", {}).items():
            parse_budget(cost, written)
        _show_choices(search_spaces.get(query.get("space", "mobilenet")).fix(**query.get("fix", {})))
        return DONE
    latency_config(options)  # raises an error for a missing device before the search
    with interruptions() as interrupted, ExitStack() as stack:
        folder = _open_folder(options, stack) if options.resume else None
        request = folder.request if folder else _request(options)
        sharing = _sharing(options, folder)
        verifier = stack.enter_context(FvcoreVerifier())  # imports torch during the proof
        from nas.optimize.run import Run

        run = Run(request, request.problem(), folder, sharing, cluster_of(options))
        if folder is None:
            stack.enter_context(run.create_folder(options.out).locked())
        elif folder.changes:
            changes = "; ".join(folder.changes)
            print(f"note: {changes}: the table may differ from that of an uninterrupted run", file=sys.stderr)
        return _search(run, options, verifier, interrupted)


def _open_folder(options: argparse.Namespace, stack: ExitStack) -> RunFolder:
    """The folder of a run to resume; locked unless it already holds all requested trials."""
    folder = RunFolder.open(options.resume)
    request = _resumed(folder.request, options)
    if not folder.holds(request):
        stack.enter_context(folder.locked())
        folder = RunFolder.open(options.resume)  # another command may have written to it before the lock
        request = _resumed(folder.request, options)
    folder.request = request
    return folder


def _sharing(options: argparse.Namespace, folder: RunFolder | None) -> Sharing | None:
    """How the study is shared; a run that goes on keeps its study.

    Raises:
        RequestError: The options contradict each other, or the run.
    """
    values = given(options, Sharing)
    if folder is None or not folder.storage:
        sharing = Sharing(**values)
        if folder and sharing.storage is not None:
            raise RequestError(f"--resume {options.resume}: its study is in the folder; leave out --storage")
        return sharing if sharing.storage is not None else None
    from nas.optimize.storage import Address

    sharing = Sharing(**{"storage": folder.storage, "study": folder.study, **values})
    if (Address.of(sharing.storage or "").public, sharing.study) != (folder.storage, folder.study):
        raise RequestError(
            f"--resume {options.resume}: its study is {folder.study} in {folder.storage}; leave out what"
            " differs"
        )
    return sharing


def _parser() -> Parser:
    parser = Parser(
        "nas search",
        description="Find the architectures of the largest NN-Mass, or best other score, inside a budget,"
        " without training any.",
        epilog=BUDGETS_NOTE,
    )
    add_options(parser, Request)
    add_options(parser, Sharing)
    add_options(parser, Cluster)
    add = parser.add_argument
    add("--choices", action="store_true", help="show the choices of the space, and stop")
    add("--top", type=at_least(1, MOST_ROWS), default=10, help="rows to verify and show (10)")
    add("--out", type=Path, metavar="FOLDER", help="folder of the run (results/runs/...)")
    add("--resume", type=Path, metavar="FOLDER", help="continue the run in this folder")
    add("--report", action="store_true", help="write a page of the run, report.html in its folder")
    add("--format", choices=FORMATS, default="table", help="how to print the table")
    add_options(parser, LatencyConfig)
    return parser


def _search(
    run: Run, options: argparse.Namespace, verifier: FvcoreVerifier, interrupted: Callable[[], bool]
) -> int:
    run.prove(options.top)
    # Proven rows are final: they are shown, and verified by fvcore, while Optuna explores.
    early = run.proof is not None and run.proof.settles(options.top) and latency_config(options) is None
    if early:
        shown = _shown(run, options)
        verifier.start(shown.to_dict("records"))
        if options.format == "table":
            _print_rows(run, shown)
    _explore(run, options, interrupted)
    if not interrupted():
        if not early:
            verifier.start(_shown(run, options).to_dict("records"))
        _verify(run, verifier, interrupted)
    verifier.stop()  # before the plot: torch and matplotlib together need more memory
    if not interrupted():
        run.draw(options.top)
    if not run.finished:
        run.add_seconds("total", time.perf_counter() - _STARTED)
    if interrupted():
        return _stop(run)
    run.finish(run.best(options.top))
    _print_result(run, options, with_rows=not early)
    if options.report:
        from nas.page.cli import report_of_folder

        assert run.folder is not None
        report_of_folder(run.folder.path, aside=options.format != "table")
    return DONE


def _shown(run: Run, options: argparse.Namespace) -> pd.DataFrame:
    """The rows to show and verify: the first candidates, and except for CSV the references."""
    import pandas as pd

    tables = [run.best(options.top), *([] if options.format == "csv" else [run.compared])]
    return pd.concat(tables, ignore_index=True)


def _explore(run: Run, options: argparse.Namespace, interrupted: Callable[[], bool]) -> None:
    """Run the trials, and measure latencies if requested."""
    with run.measured("import"):
        trials = run.trials  # imports Optuna
    with progress("searching", run.request.trials, trials) as advance:
        run.explore(interrupted, advance)
    if not interrupted() and (latency := latency_config(options)):
        with progress("measuring", options.top + len(run.compared)) as advance:
            run.measure(latency, options.top, interrupted, advance)


def _verify(run: Run, verifier: FvcoreVerifier, interrupted: Callable[[], bool]) -> None:
    """Wait until all rows are verified; count the networks inside the bounds meanwhile."""
    assert run.folder is not None
    _ = run.meeting
    try:
        with run.measured("recount"):
            for _ in verifier.verify():
                if interrupted():
                    break
    except RequestError as error:
        raise RequestError(f"{error}; go on with: {run.folder.resume}") from None


def _stop(run: Run) -> int:
    """Save an interrupted run, and print how to resume it."""
    assert run.folder is not None
    run.stop()
    done = f"{run.trials:,} of {run.request.trials:,} trials"
    print(f"interrupted after {done}; {len(run.found):,} architectures are kept", file=sys.stderr)
    print(f"go on with: {run.folder.resume}", file=sys.stderr)
    return INTERRUPTED


def _request(options: argparse.Namespace) -> Request:
    return Request.of(with_space(given(options, Request)))


def _resumed(request: Request, options: argparse.Namespace) -> Request:
    """The stored request of a run to resume; only the number of trials may grow.

    Raises:
        RequestError: Another argument differs from the stored value.
    """
    values = given(options, Request)
    trials = values.pop("trials", request.trials)
    budgets = {**request.budgets, **values.pop("budgets", {})}
    if options.out:
        raise RequestError("--resume continues in its own folder; leave out --out")
    if replace(request, **values, budgets=budgets).bounds() != request.bounds() or any(
        value != getattr(request, name) for name, value in values.items()
    ):
        raise RequestError(
            f"--resume {options.resume}: the request of that run is {request.arguments()}; leave out what"
            " differs, or start a new run"
        )
    if trials < request.trials:
        raise RequestError(
            f"--trials {trials}: the total of that run is {request.trials} already; request more"
        )
    return replace(request, trials=trials)


def _print_result(run: Run, options: argparse.Namespace, with_rows: bool) -> None:
    """Print the result of a finished run.

    Args:
        with_rows: Whether a table of the terminal is still to be printed, above its notes.
    """
    if options.format == "json":
        _print_json(run, options)
    elif options.format == "csv":
        _print_csv(run, options)
    else:
        if with_rows:
            _print_rows(run, _shown(run, options))
        _print_notes(run, options)


def _print_rows(run: Run, shown: pd.DataFrame) -> None:
    from nas.optimize.proof import BY_PROOF
    from nas.show import show

    if run.width:
        _print(run.width.sentence())
    if "name" in shown:
        shown = shown.assign(arch=shown["name"].fillna(shown["arch"]))
    hidden = ["name", "recounted", "front"]
    if shown["found"].dropna().eq(BY_PROOF).all():
        hidden.append("found")
    references = shown["found"].isna()
    show(
        shown.drop(columns=hidden, errors="ignore"),
        family=run.space.architecture.family,
        break_before=int(references.to_numpy().argmax()) if references.any() else None,
    )
    sys.stdout.flush()


def _print_notes(run: Run, options: argparse.Namespace) -> None:
    assert run.folder is not None
    from nas.show import predictions

    best = run.best(options.top)
    _print(run.sentence(len(best)))
    if not run.goal.bounds and run.request.score == DEFAULT_SCORE and not run.request.pareto:
        _print("No budget was given, so these are the largest networks of the space; add --flops 400M.")
    if run.evidence:
        _print(run.evidence)
    for note in predictions(_shown(run, options), objective=False):
        _print(note)
    if advice := run.request.advice:
        _print(advice)
    if run.request.pareto:
        _print("Ranks count along the front, the largest first; -: not on it, or outside the budget.")
    elif run.compared["rank"].isna().any():
        _print("Rank -: outside the bounds, or not known.")
    if len(best) < min(options.top, run.meeting.networks) and not (run.latency or run.request.pareto):
        _print(f"No more than these {len(best)} of {options.top} rows are proven or found.")
    _print(
        "All rows were built and counted by fvcore, equal to the unit. FLOPs: a multiply-add is 1, batch"
        " norm 2 an element; MACs: convolutions and linear layers only."
    )
    if run.latency:
        _print(run.latency.sentence())
    if run.scores and (measured := run.scores.sentence()):
        _print(measured)
    elif run.request.score == DEFAULT_SCORE and len(run.widths_of(best)) > 1:
        _print("NN-Mass compares networks of one base width; these differ in it.")
    _print(
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
                "base_width": run.width.as_json() if run.width else None,
                "proof": run.proven(),
                "evidence": run.evidence,
                "advice": run.request.advice,
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
    width = run.width and run.width.sentence()
    proof, advice, scores = run.sentence(len(best)), run.request.advice, run.scores and run.scores.sentence()
    for note in filter(None, (width, proof, run.evidence, advice, scores)):
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
    _print(f"{space.name}: {space.size:,} architectures")


def _listed(options: Options) -> str:
    if len(options) <= 8:
        return ", ".join(map(str, options))
    return f"{options[0]}, {options[1]}, {options[2]}, ... {options[-1]} ({len(options)} options)"


def _print(text: str) -> None:
    """Print a sentence, wrapped to the terminal."""
    print(wrapped(text))
