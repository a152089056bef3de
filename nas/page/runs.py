"""Reads the runs of a page: what each folder asked, found and knows of it."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from pandas.api.types import is_numeric_dtype

from nas.columns import column, is_median
from nas.files import read_whole
from nas.options import words
from nas.page.data import CANDIDATE, Axes, Judged, Listing, Picture, Run
from nas.page.files import score_of, table_of
from nas.page.networks import MOST
from nas.page.tables import Tables, best, family_of, listings, with_roles
from nas.page.text import counted, first, own_command, quoted, shortest, state_text, state_texts
from nas.read import opened, read
from nas.schema import built
from nas.show import predictions

_LARGEST_PICTURE = 1 << 20
"""Bytes of the largest figure of a folder that a page takes."""
_MOST_EPOCHS = 20_000
_FEW = 5
"""Most networks that a command names one by one."""
_UNUSABLE = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError)
"""What a request raises that is read from a run.json of wrong values."""


def run_of(path: Path) -> Run:
    """What a page shows of a folder of a run, of a CSV of networks, or of a file of `nas fit`.

    Raises:
        RequestError: It is none of them, or it is damaged.
    """
    if path.suffix == ".json" and not path.is_dir():
        return score_of(path)
    if path.suffix == ".csv" and not path.is_dir():
        return table_of(path)
    kind, state = opened(path)
    run = _READERS[kind](path, state, read(path))
    return replace(
        run,
        kind=kind,
        name=str(path),
        versions=state_texts(state, "versions"),
        machine=state_text(state, "machine"),
        repeat=run.repeat or own_command(state_text(state, "command")),
    )


def _search(path: Path, state: Mapping[str, Any], tables: Tables) -> Run:
    """A search: its candidates and references, and what is proven."""
    candidates, notes = best(tables.get("candidates"), path / "candidates.csv")
    references = tables.get("references", pd.DataFrame())
    if candidates is None:
        unfinished = (
            "It has found no network yet." if state.get("status") != "nothing found" else "It found none."
        )
        return Run("", "", _goal(state), unfinished)
    if state.get("status") != "finished":
        notes = (*notes, f"The search is not finished: its status is {state.get('status')}.")
    networks = with_roles(candidates, references)
    axes = _axes(state)
    return Run(
        "",
        "",
        _goal(state),
        first(candidates, axes.y),
        certainty=tuple(
            filter(
                None,
                (
                    state_text(state, "proof", "sentence"),
                    state_text(state, "evidence"),
                    *predictions(candidates, objective=False),
                    state_text(state, "scores"),
                ),
            )
        ),
        notes=notes,
        space=state_text(state, "request", "space"),
        networks=networks,
        axes=axes,
    )


def _axes(state: Mapping[str, Any]) -> Axes:
    """The axes of the figure of a search, which its run.json names; earlier versions did not write them."""
    match state.get("axes"):
        case [str(across), str(up)]:
            return Axes(across, up)
    return Axes("flops", "nn_mass")


def _goal(state: Mapping[str, Any]) -> str:
    space, goal = state_text(state, "request", "space"), state_text(state, "goal")
    return f"Among the networks of {space}: {goal}." if goal else f"A search of {space}."


def _training(path: Path, state: Mapping[str, Any], tables: Tables) -> Run:
    """A training: networks with their accuracies, and curves."""
    summary = tables.get("summary", tables.get("trained"))
    curves = _with_networks(tables.get("curves"), summary)
    order = state.get("order")
    values: Mapping[str, Any] = order if isinstance(order, dict) else {}
    asked = values.get("archs")
    dataset, recipe = values.get("dataset", "a data set"), values.get("recipe", "a recipe")
    number = counted(len(asked) if isinstance(asked, list) else 0, "network")
    request = f"Train {number} on {dataset}, recipe {recipe}."
    notes: tuple[str, ...] = ()
    if curves is not None and len(curves) > _MOST_EPOCHS:
        curves = curves.head(_MOST_EPOCHS)
        notes = (f"The curves are those of the first {_MOST_EPOCHS:,} rows of curves.csv.",)
    if summary is None or summary.empty:
        return Run("", "", request, "No network is trained yet.", curves=curves, notes=notes)
    networks, cut = best(summary, path / "summary.csv")
    assert networks is not None
    accuracy = next((name for name in ("top1_mean", "top1") if name in networks), "")
    return Run(
        "",
        "",
        request,
        _most_accurate(networks, accuracy),
        certainty=(*_of_seeds(networks), *_warnings(tables.get("trained"))),
        notes=(*notes, *cut),
        repeat=_again(path, state, len(networks)),
        space=family_of(networks),
        networks=networks.drop(columns="row", errors="ignore").assign(role=CANDIDATE),
        axes=Axes("flops", accuracy),
        curves=curves,
    )


def _again(path: Path, state: Mapping[str, Any], networks: int) -> str:
    """The command that repeats a training; empty if its run.json does not say."""
    from nas.train.config import TrainConfig

    try:
        order = TrainConfig.of_json(state.get("order"))
        if order.named_seeds:  # of a study, whose command trains them
            return ""
        given = ["--arch", *order.archs] if networks <= _FEW else [str(path / "summary.csv")]
        return shlex.join(["nas", "train", *given, *order.arguments()])
    except _UNUSABLE:
        return ""


def _warnings(trained: pd.DataFrame | None) -> tuple[str, ...]:
    """What the training warned of."""
    from nas.train.folder import warnings_of

    known = trained is not None and {"row", "seed", "warning"} <= set(trained)
    return tuple(warnings_of(trained)) if known and trained is not None else ()


def _with_networks(curves: pd.DataFrame | None, summary: pd.DataFrame | None) -> pd.DataFrame | None:
    """Curves with the network of each of their rows."""
    if curves is None or curves.empty:
        return None
    if summary is None or not ("row" in curves and {"row", "arch"} <= set(summary)):
        return curves
    return curves.assign(arch=curves["row"].map(dict(zip(summary["row"], summary["arch"], strict=True))))


def _of_seeds(networks: pd.DataFrame) -> tuple[str, ...]:
    if "seeds" not in networks or not is_numeric_dtype(networks["seeds"]) or networks["seeds"].max() > 1:
        return ()
    return ("One seed each: differences of the size that another seed makes are no evidence.",)


def _most_accurate(networks: pd.DataFrame, accuracy: str) -> str:
    if not accuracy or not is_numeric_dtype(networks[accuracy]) or networks[accuracy].isna().all():
        return "No network has a tested accuracy yet."
    row = networks.iloc[int(networks[accuracy].argmax())]
    name, of = shortest(str(row["arch"])), counted(len(networks), "network")
    return f"{name}: top-1 {row[accuracy]:.2f}%, the best of {of}."


def _study(path: Path, state: Mapping[str, Any], tables: Tables) -> Run:
    """A study: networks with scores and accuracies, and how well the scores predict these."""
    networks, notes = best(tables.get("networks"), path / "networks.csv")
    space = state_text(state, "request", "space")
    of = f" of {space}" if space else ""
    dataset = state_text(state, "request", "order", "dataset") or "a data set"
    request = f"Which scores predict the accuracy of trained networks{of} on {dataset}?"
    if networks is None:
        return Run("", "", request, "The study has no table of networks yet.", space=space)
    correlations = tables.get("correlations")
    judged = None if correlations is None else _judged(networks, correlations, state)
    return Run(
        "",
        "",
        request,
        _best_score(judged) if judged else "The study has no correlations yet.",
        certainty=(f"No evidence: {judged.caveat}.",) if judged and judged.caveat else (),
        notes=notes,
        repeat=f"nas report {quoted(path)}",
        space=space or family_of(networks),
        networks=networks.assign(role=CANDIDATE),
        axes=Axes("nn_mass", "top1"),
        curves=_with_networks(tables.get("curves"), tables.get("summary")),
        judged=judged,
        listings=listings(tables, ("rules", "standing", "pairs")),
    )


def _judged(networks: pd.DataFrame, correlations: pd.DataFrame, state: Mapping[str, Any]) -> Judged:
    """Scores of a study as its figure shows them, from the same code."""
    from nas import proxies
    from nas.study.report import axis, caveat

    scores = map(str, correlations.get("score", ()))
    there = [name for name in scores if name in networks and proxies.named(name)]
    numbers = [name for name in there if is_numeric_dtype(networks[name])]
    points = pd.DataFrame({name: axis(name, networks) for name in numbers})
    known = {"arch", "top1", "top1_std", "seeds"} <= set(networks)
    images = state.get("test_images")
    why = caveat(networks, images if isinstance(images, int) else None) if known else ""
    points = points.assign(arch=networks["arch"], top1=networks.get("top1"))
    return Judged(correlations, points if "top1" in networks else None, why)


def _best_score(judged: Judged) -> str:
    if judged.rho.empty or not {"score", "rho"} <= set(judged.rho) or not is_numeric_dtype(judged.rho["rho"]):
        return "No score is correlated with accuracy."
    row = judged.rho.sort_values("rho", ascending=False).iloc[0]
    ends = [row.get(name) for name in ("rho_low", "rho_high")]
    known = all(isinstance(end, float) and math.isfinite(end) for end in ends)
    interval = f" [{ends[0]:.2f}, {ends[1]:.2f}]" if known else ""
    name = column(str(row["score"])).title
    return f"{name} predicts accuracy best: rank correlation {row['rho']:.2f}{interval}."


def _tabular(path: Path, state: Mapping[str, Any], tables: Tables) -> Run:
    """A tabular benchmark: correlations of scores with published accuracies, and its figures."""
    benchmark, data = (state_text(state, "request", name) for name in ("benchmark", "data"))
    request = f"Which scores predict the accuracies that others measured in {benchmark}?"
    rho = tables.get("rho")
    if rho is None:
        return Run("", "", request, "It is not finished.")
    plain = rho[rho["held_equal"].eq("nothing")] if "held_equal" in rho else rho
    judged = Judged(plain)
    figures = (
        ("accuracy.png", "Accuracy of published networks against the scores"),
        ("rules.png", "Networks that each rule chooses under a budget"),
    )
    equal = rho[rho["held_equal"].ne("nothing")] if "held_equal" in rho else rho.head(0)
    further = (
        (Listing("Rank correlations among networks of equal cost", equal.head(MOST)),) if len(equal) else ()
    )
    return Run(
        "",
        "",
        request,
        _best_score(judged),
        certainty=state_notes(state),
        judged=judged,
        listings=(*further, *listings(tables, ("summary",))),
        pictures=tuple(found for name, caption in figures for found in _picture(path / name, caption)),
        networks=_scored(tables.get("scores")),
        repeat=f"nas tabular {quoted(benchmark)} --data {quoted(data or 'PATH')}",
    )


def state_notes(state: Mapping[str, Any]) -> tuple[str, ...]:
    """The notes of a run.json, if they are texts."""
    notes = state.get("notes")
    return tuple(note for note in notes if isinstance(note, str)) if isinstance(notes, list) else ()


def _scored(scores: pd.DataFrame | None) -> pd.DataFrame | None:
    return None if scores is None or "arch" not in scores else scores.head(MOST).assign(role=CANDIDATE)


def _picture(path: Path, caption: str) -> tuple[Picture, ...]:
    """A PNG of a folder; none if it is missing, too large, or no PNG."""
    try:
        content = read_whole(path)
    except OSError:
        return ()
    fits = len(content) <= _LARGEST_PICTURE and content.startswith(b"\x89PNG\r\n\x1a\n")
    return (Picture(caption, content),) if fits else ()


def _latency(path: Path, state: Mapping[str, Any], tables: Tables) -> Run:
    """A measurement of latencies: networks with their medians."""
    networks, notes = best(tables.get("networks"), path / "networks.csv")
    space = state_text(state, "request", "space")
    table = Path(state_text(state, "request", "blocks")).name
    where, done = (f"by the blocks of {table}", "added up") if table else ("on this device", "measured")
    request = f"How fast are networks of {space} {where}?"
    if networks is None:
        return Run("", "", request, "Nothing is measured yet.", space=space)
    target = next(
        (str(name) for name in networks if is_median(str(name)) or str(name).endswith("_ms") or name == "ms"),
        "",
    )
    return Run(
        "",
        "",
        request,
        f"{counted(len(networks), 'network')} are {done}.",
        certainty=_errors(state),
        notes=notes,
        space=space,
        networks=networks.assign(role=CANDIDATE),
        axes=Axes("flops", target),
        repeat=_measured_by(state),
    )


def _errors(state: Mapping[str, Any]) -> tuple[str, ...]:
    """The errors of the score that is fitted to a measurement, if run.json has them."""
    from nas.device.session import Errors

    try:
        return (built(Errors, state.get("errors")).sentence(),)
    except TypeError:
        return ()


def _measured_by(state: Mapping[str, Any]) -> str:
    """The command that repeats a measurement; empty if this machine has no such device or engine."""
    from nas.device.request import LatencyRequest

    try:
        request = LatencyRequest.of_json(state.get("request"))
        return shlex.join(["nas", "latency", "measure", *words(request, always=("space",))])
    except _UNUSABLE:
        return ""


def _comparison(path: Path, state: Mapping[str, Any], tables: Tables) -> Run:
    """A comparison of studies."""
    networks, notes = best(tables.get("networks"), path / "networks.csv")
    return Run(
        "",
        "",
        "Does accuracy follow one line across base widths?",
        "The lines of each base width are below.",
        notes=notes,
        networks=None if networks is None else networks.assign(role=CANDIDATE),
        axes=Axes("nn_mass", "top1"),
        listings=listings(tables, ("across_nn_mass", "across_params", "pairs")),
    )


_READERS: Mapping[str, Callable[[Path, Mapping[str, Any], Tables], Run]] = {
    "search": _search,
    "training": _training,
    "study": _study,
    "tabular benchmark": _tabular,
    "latency measurement": _latency,
    "comparison": _comparison,
}
