"""After a study: a score fitted to its networks, and the networks that are best by it, to be trained next."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import Any

import pandas as pd

from nas import exact
from nas.cli import wrapped
from nas.files import write_whole
from nas.fit.cli import sentence
from nas.fit.fitting import Aim, fit
from nas.fit.table import Trained
from nas.runs import writing
from nas.show import predictions, show
from nas.study.folder import StudyFolder

NAME = "fitted"
"""Name of the score, and stem of its file."""
_ROWS = 10


def propose(folder: StudyFolder) -> None:
    """Fit a score to the trained networks of a study, search by it, and keep both in the folder.

    Raises:
        RequestError: The networks are of no one space, or too few.
    """
    trained = Trained.read(str(folder.path), None, "top1", folder.request.space or None)
    score = fit(trained, Aim(NAME, "top1", "%", more_is_better=True))
    file, table = folder.path / f"{NAME}.json", folder.path / "next.csv"
    with writing(folder.path):
        write_whole(file, score.written())
    print(wrapped(sentence(score)))
    if not score.useful:
        print(wrapped("So it names no networks to train next: train more of the space, and fit to all."))
        return
    found = _best(folder, trained, str(file))
    if found.empty:
        print(wrapped("The study has trained every network inside the budgets: there is none to train next."))
        return
    with writing(folder.path):
        write_whole(table, found)
    show(found.drop(columns="rank"), family=found["arch"].iloc[0].partition(":")[0])
    for note in predictions(found, objective=False):
        print(wrapped(note))
    order = replace(folder.request.order, named_seeds=())
    print(
        wrapped(
            f"These {len(found)} are the first by the fit inside the budgets, without those of the study."
        )
    )
    print("Train them next as the study did:", shlex.join(["nas", "train", str(table), *order.arguments()]))


def _best(folder: StudyFolder, trained: Trained, score: str) -> pd.DataFrame:
    """The first networks by a score that the study has not trained."""
    request, space = folder.request, trained.space
    defaults = space.architecture(**space.constants).constants()
    same = {
        name: value
        for name, value in trained.constants.items()
        if value != defaults.get(name) and value in space.choices.get(name, (value,))
    }
    known = folder.outcomes()["arch"].unique()
    budgets: dict[str, Any] = dict(request.budgets)
    fixed = {**same, **request.fix}
    found = exact.best(space.name, _ROWS + len(known), fix=fixed, score=score, **budgets)
    return found[~found["arch"].isin(known)].head(_ROWS).reset_index(drop=True)
