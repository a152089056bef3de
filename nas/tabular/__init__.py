"""Tabular benchmarks: judge scores on networks that others trained.

The package is callable: `nas.tabular(...)` judges a benchmark.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nas import callable_package
from nas.arguments import checked_arguments

if TYPE_CHECKING:
    import pandas as pd


@checked_arguments
def tabular(
    benchmark: str,
    data: str | Path,
    *,
    skips: str = "any",
    caps: Sequence[float | str] | None = None,
    seed: int = 0,
    resamples: int = 400,
    out: str | Path | None = None,
) -> dict[str, pd.DataFrame]:
    """Judge closed-form scores on networks that others trained, as `nas tabular` does.

    Args:
        benchmark: Name of the benchmark; "table" for a table of your own with columns arch and top1.
        data: Its published file or folder.
        skips: "every", "not-every" or "any": which networks, by whether each stage has a skip connection.
        caps: Caps of FLOPs under which rules choose; by default six of the table's range.
        seed: Seed of the random halves and of the resamples.
        resamples: Number of bootstrap resamples.
        out: An empty or new folder for tables and figures; by default nothing is written.

    Returns:
        `rho`: rank correlation of each score with accuracy, overall and at equal costs; `rules`: what each
        rule chooses under each cap; `summary`: its means over caps. `attrs["notes"]` of each are lines about
        the table.

    Raises:
        RequestError: The request is wrong, or the data cannot be read.
        TypeError: An argument has a wrong type.
    """
    from nas.query import as_text
    from nas.tabular.judgement import judge
    from nas.tabular.request import TabularFolder, TabularRequest
    from search_spaces.errors import checked_kind, checked_path

    checked_kind("benchmark", benchmark, str, "the name of a benchmark")
    checked_path("data", data)
    if caps is not None:
        checked_kind("caps", caps, (list, tuple), "a list of caps")
    written = ",".join(as_text(cap) for cap in caps) if caps else None
    request = TabularRequest(benchmark, str(data), skips, written, seed, resamples)
    if out is not None:
        checked_path("out", out)
    found = judge(request)
    if out is not None:
        from nas.tabular.outcome import write

        folder = TabularFolder.create(request, Path(out))
        with folder.locked():
            write(folder, found)
    tables = {"rho": found.rho, "rules": found.rules, "summary": found.summary}
    for table in tables.values():
        table.attrs["notes"] = found.notes
    return tables


callable_package(__name__)
