"""Reads the runs of a page: what each folder or file asked, found and knows of it."""

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
from nas.files import read_csv, read_whole
from nas.page.data import CANDIDATE, REFERENCE, Axes, Judged, Listing, Picture, Run
from nas.page.networks import MOST
from nas.page.text import costs_of, counted, own_command, shortest, state_text, state_texts
from nas.read import opened, read
from nas.show import predictions
from search_spaces import RequestError

_LARGEST_PICTURE = 1 << 20
"""Bytes of the largest figure of a folder that a page takes."""
_MOST_EPOCHS = 20_000
_FEW = 5
"""Most networks that a command names one by one."""
_EXPECTED = "expected the folder of a run, a table with a column arch, or a score of nas fit"
Tables = Mapping[str, pd.DataFrame]


def run_of(path: Path) -> Run:
    """What a page shows of a folder of a run, of a CSV of networks, or of a file of `nas fit`.

    Raises:
        RequestError: It is none of them, or it is damaged.
    """
    if path.suffix == ".json" and not path.is_dir():
        return _score(path)
    if path.suffix == ".csv" and not path.is_dir():
        return _table(path)
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
    candidates, notes = _best(tables.get("candidates"), path / "candidates.csv")
    references = tables.get("references", pd.DataFrame())
    if candidates is None:
        unfinished = (
            "It has found no network yet." if state.get("status") != "nothing found" else "It found none."
        )
        return Run("", "", _goal(state), unfinished)
    if state.get("status") != "finished":
        notes = (*notes, f"The search is not finished: its status is {state.get('status')}.")
    networks = _with_roles(candidates, references)
    axes = _axes(state)
    return Run(
        "",
        "",
        _goal(state),
        _first(candidates, axes.y),
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


def _first(table: pd.DataFrame, score: str) -> str:
    """The first row in a sentence; of a front its two ends."""
    front = table[table["front"].eq(True)] if "front" in table else table.head(0)
    if len(front) < 2:
        return f"{_row(table.iloc[0], score)}."
    ends = " to ".join(_row(front.iloc[place], score) for place in (0, -1))
    return f"{len(front):,} networks on the front, from {ends}."


def _row(row: pd.Series[Any], score: str) -> str:
    """A network with the value of its score and its costs, in words."""
    name = f"{score}_expected" if f"{score}_expected" in row else score
    title, _, unit = column(score).label().partition(", ")
    unit = f" {unit}" if unit not in ("", "%") else unit
    value = f"{title} {column(name).written(row[name])}{unit}, " if name in row else ""
    return f"{shortest(str(row['arch']))}: {value}{costs_of(row)}"


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
    networks, cut = _best(summary, path / "summary.csv")
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
        space=_family(networks),
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
    except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError):
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
    networks, notes = _best(tables.get("networks"), path / "networks.csv")
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
        repeat=f"nas report {_quoted(path)}",
        space=space or _family(networks),
        networks=networks.assign(role=CANDIDATE),
        axes=Axes("nn_mass", "top1"),
        curves=_with_networks(tables.get("curves"), tables.get("summary")),
        judged=judged,
        listings=_listings(tables, ("rules", "standing", "pairs")),
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
        listings=(*further, *_listings(tables, ("summary",))),
        pictures=tuple(found for name, caption in figures for found in _picture(path / name, caption)),
        networks=_scored(tables.get("scores")),
        repeat=f"nas tabular {_quoted(benchmark)} --data {_quoted(data or 'PATH')}",
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
    networks, notes = _best(tables.get("networks"), path / "networks.csv")
    space = state_text(state, "request", "space")
    request = f"How fast are networks of {space} on this device?"
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
        f"{counted(len(networks), 'network')} are measured.",
        notes=notes,
        space=space,
        networks=networks.assign(role=CANDIDATE),
        axes=Axes("flops", target),
    )


def _comparison(path: Path, state: Mapping[str, Any], tables: Tables) -> Run:
    """A comparison of studies."""
    networks, notes = _best(tables.get("networks"), path / "networks.csv")
    return Run(
        "",
        "",
        "Does accuracy follow one line across base widths?",
        "The lines of each base width are below.",
        notes=notes,
        networks=None if networks is None else networks.assign(role=CANDIDATE),
        axes=Axes("nn_mass", "top1"),
        listings=_listings(tables, ("across_nn_mass", "across_params", "pairs")),
    )


_READERS: Mapping[str, Callable[[Path, Mapping[str, Any], Tables], Run]] = {
    "search": _search,
    "training": _training,
    "study": _study,
    "tabular benchmark": _tabular,
    "latency measurement": _latency,
    "comparison": _comparison,
}


def _table(path: Path) -> Run:
    """A CSV of networks, such as `nas exact --format csv` prints."""
    networks, notes = _best(read_csv(path, _EXPECTED), path)
    if networks is None:
        raise RequestError(f"{path} has no rows; {_EXPECTED}")
    score = next(
        (
            name
            for name in ("nn_mass", *networks.columns)
            if name in networks and is_numeric_dtype(networks[name])
        ),
        "",
    )
    return Run(
        "table",
        str(path),
        f"The networks of {path.name}.",
        f"{counted(len(networks), 'network')}; the first is {_first(networks, score)}",
        certainty=tuple(predictions(networks)),
        notes=notes,
        space=_family(networks),
        networks=networks.assign(role=CANDIDATE),
        axes=Axes("flops", "nn_mass"),
    )


def _score(path: Path) -> Run:
    """A file of `nas fit`: the quality of the score."""
    from nas.fitted.score import FittedScore

    score = FittedScore.load(path)
    found, unit = score.quality, f" {score.unit}" if score.unit else ""
    answer, certainty = "Its quality was not measured.", []
    if found:
        answer = (
            f"On held-out networks ({found.folds} folds) R² is {found.r2:.3f}, the rank correlation"
            f" {found.rho:.3f}, the error {found.rmse:.3g}{unit}."
        )
        certainty += [
            f"90% intervals contain the value of {100 * found.coverage:.1f}% of held-out networks.",
            "Networks that are chosen as the best under a budget are worse than predicted by"
            f" {score.optimism_text()}{unit} in the median.",
        ]
    intervals = pd.DataFrame([{"predicted": one.value, "half": one.half} for one in score.intervals])
    return Run(
        "fit",
        str(path),
        f"Predict {score.target} of networks of {score.family} by {score.name}, fitted to"
        f" {score.networks:,} networks ({score.source}).",
        answer,
        certainty=(*certainty, f"Terms: {score.terms}; link: {score.link}."),
        versions=dict(score.versions),
        space=score.family,
        listings=(Listing("Half-width of the 90% interval by value", intervals),) * bool(len(intervals)),
        repeat=f"nas search --space {_quoted(score.family)} --score {_quoted(path)}",
    )


def _best(table: pd.DataFrame | None, path: Path) -> tuple[pd.DataFrame | None, tuple[str, ...]]:
    """The first rows of a table of networks, as many as a page holds, and what it leaves out, in words.

    Raises:
        RequestError: The table has no column arch.
    """
    if table is None or table.empty:
        return None, ()
    if "arch" not in table:
        raise RequestError(f"{path} has no column arch; {_EXPECTED}")
    kept = table.head(MOST).assign(arch=table["arch"].head(MOST).astype(str))
    if len(table) <= MOST:
        return kept, ()
    return kept, (f"{path.name} has {len(table):,} networks; this page holds the first {MOST:,}.",)


def _with_roles(candidates: pd.DataFrame, references: pd.DataFrame) -> pd.DataFrame:
    known = references.assign(arch=references["arch"].astype(str)) if "arch" in references else pd.DataFrame()
    tables = [candidates.assign(role=CANDIDATE), known.assign(role=REFERENCE)]
    return pd.concat([table for table in tables if len(table)], ignore_index=True)


def _listings(tables: Tables, names: tuple[str, ...]) -> tuple[Listing, ...]:
    titles = {
        "rules": "Choosing by each rule",
        "summary": "Choosing by each rule, over all budgets",
        "standing": "Given networks against the others",
        "pairs": "Pairs of equal NN-Mass and different size",
        "across_nn_mass": "Accuracy against NN-Mass, by base width",
        "across_params": "Accuracy against parameters, by base width",
    }
    return tuple(
        Listing(titles[name], tables[name].head(100))
        for name in names
        if name in tables and len(tables[name])
    )


def _family(networks: pd.DataFrame) -> str:
    families = networks["arch"].str.partition(":")[0].unique()
    return str(families[0]) if len(families) == 1 else ""


def _quoted(text: object) -> str:
    return shlex.quote(str(text))
