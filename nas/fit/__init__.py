"""Fits of scores to trained networks; `nas.fit` is both this package and its function."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nas import callable_package
from nas.arguments import checked_arguments

if TYPE_CHECKING:
    from nas.fitted.score import FittedScore


@checked_arguments
def fit(
    table: str | Path,
    *,
    name: str | None = None,
    out: str | Path | None = None,
    data: str | Path | None = None,
    space: str | None = None,
    target: str = "top1",
    unit: str | None = None,
    less_is_better: bool | None = None,
    calibration: tuple[float, float, float] | None = None,
    resolution_effect: str | Path | None = None,
    seed: int = 0,
) -> FittedScore:
    """Fit a score to trained networks, like the command `nas fit`.

    Args:
        table: Path of a CSV with a column `arch`, or of the folder of a training or study; or the name of a
            tabular benchmark.
        name: Name of the score; by default the stem of `out`, or the target.
        out: File to write, which ends with .json; `nas.search(..., score=out)` searches by it.
        data: Published file or folder of a tabular benchmark.
        space: Name of the space; by default that of the networks' family.
        target: Name of the column to predict.
        unit: Unit of the target; by default that of the column.
        less_is_better: Whether smaller values of the target are better; by default as the column's name says.
        calibration: Slope, offset and standard error of a further scale, which the score predicts instead.
        resolution_effect: What the resolution of images does to an accuracy: "tfslim", or the path of a table
            of networks at several resolutions; by default the score is of one resolution.
        seed: Seed of the folds and splits.

    Returns:
        The score: `quality` on held-out networks, `optimism`, `terms`, `link`, `half`, ...

    Raises:
        RequestError: The request is wrong, the table cannot be read, or a fit to it is not possible.
        TypeError: An argument has a wrong type.
    """
    from nas.files import check_target, write_whole
    from nas.fit.request import FitRequest
    from nas.fitted.score import SUFFIX
    from nas.runs import writing
    from search_spaces.errors import checked_path

    checked_path("table", table)
    for what, path in (("out", out), ("data", data)):
        if path is not None:
            checked_path(what, path)
    file = None if out is None else Path(out)
    if file is not None:
        check_target("out", file, SUFFIX)
    request = FitRequest(
        str(table),
        data=None if data is None else str(data),
        space=space,
        target=target,
        unit=unit,
        less_is_better=less_is_better,
        calibration=None if calibration is None else ",".join(map(str, calibration)),
        resolution_effect=None if resolution_effect is None else str(resolution_effect),
        seed=seed,
    )
    named = name or (file.stem if file else target)
    request.aim(named)  # its errors come before the networks are read
    score = request.fitted(named, request.trained())
    if file is not None:
        with writing(file):
            write_whole(file, score.written())
    return score


callable_package(__name__)
