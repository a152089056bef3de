"""Tabular benchmarks: judge scores on networks that others trained.

The package is callable: `nas.tabular(...)` judges a benchmark.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas import callable_package
from nas.arguments import takes_options

if TYPE_CHECKING:
    import pandas as pd


@takes_options("nas.tabular.request:TabularRequest")
def tabular(
    benchmark: str,
    data: str | Path,
    *,
    skips: str = "any",
    caps: Sequence[float | str] | None = None,
    measure: Sequence[str] = (),
    sample: int | None = None,
    seed: int = 0,
    resamples: int = 400,
    out: str | Path | None = None,
    **values: Any,
) -> dict[str, pd.DataFrame]:
    """Judge scores on networks that others trained, as `nas tabular` does.

    With `out`, measured networks are kept at once, and `nas tabular --resume FOLDER` continues after Ctrl-C.

    Args:
        benchmark: Name of the benchmark; "table" for a table of your own with columns arch and top1.
        data: Its published file or folder.
        skips: "every", "not-every" or "any": which networks, by whether each stage has a skip connection.
        caps: Caps of FLOPs under which rules choose; by default six of the table's range.
        measure: Names of scores to measure beside the closed forms, as "zen".
        sample: Number of networks to judge, drawn from bands of equal FLOPs; by default 240 with `measure`,
            else all.
        seed: Seed of the sample, the measured scores, the random halves and the resamples.
        resamples: Number of bootstrap resamples.
        out: An empty or new folder for tables and figures; by default nothing is written.
        values: Further options of `nas tabular` by name: dataset, image_folder, image_size, score_batch and
            threads of measured scores; and `on`, the cluster that measures them.

    Returns:
        `rho`: rank correlation of each score with accuracy, overall and at equal costs; `rules`: what each
        rule chooses under each cap; `summary`: its means over caps; `scores`: the measured scores, if there
        are any. `attrs["notes"]` of each are lines about the table.

    Raises:
        RequestError: The request is wrong, or the data cannot be read.
        TypeError: An argument has a wrong type.
        KeyboardInterrupt: The measurement was interrupted.
    """
    from nas.bounds import as_text
    from nas.tabular.request import TabularRequest
    from nas.tabular.session import Session
    from nas.tasks import Cluster
    from search_spaces.errors import RequestError, checked_kind, checked_path

    checked_kind("benchmark", benchmark, str, "the name of a benchmark")
    checked_path("data", data)
    if caps is not None:
        checked_kind("caps", caps, (list, tuple), "a list of caps")
        if not caps:
            raise RequestError("caps is empty, expected a list of caps; give one, or leave it out")
    if "image_folder" in values:
        checked_path("image_folder", values["image_folder"])
        values["image_folder"] = str(values["image_folder"])
    values |= {"skips": skips, "seed": seed, "resamples": resamples, "measure": measure, "sample": sample}
    values["caps"] = ",".join(as_text(cap) for cap in caps) if caps else None
    on = Cluster(values.pop("on", None)).on
    request = TabularRequest(benchmark, str(data), **values)
    if out is not None:
        checked_path("out", out)
    session = Session.prepared(request, on)
    if out is None:
        found, way = session.unkept(), ""
    else:
        folder, found = session.run(None, Path(out))
        way = f"go on with: {folder.resume}"
    if found is None:
        raise KeyboardInterrupt(way)
    tables = {"rho": found.rho, "rules": found.rules, "summary": found.summary}
    if found.measured is not None:
        tables["scores"] = found.measured
    for table in tables.values():
        table.attrs["notes"] = found.notes
    return tables


callable_package(__name__)
