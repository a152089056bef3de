"""The function `nas.read`: load the tables in the folder of a run."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas import callable_package
from nas.arguments import checked_arguments
from search_spaces import RequestError

if TYPE_CHECKING:
    import pandas as pd

_TRAINING = ("trained", "summary", "curves")
_STUDY = (
    *("networks", "scores", "correlations", "correlations_drawn", "between", "bands", "rules"),
    *("standing", "pairs", "latency"),
)
_KINDS = {
    "search": ("candidates", "references"),
    "training": _TRAINING,
    "study": (*_STUDY, *(f"training/{name}" for name in _TRAINING)),
    "tabular benchmark": ("rho", "rules", "summary", "scores"),
    "latency measurement": ("networks", "times"),
    "comparison": ("networks", "across_nn_mass", "across_params", "pairs"),
}

_EXPECTED = "expected a table written by a command"


@checked_arguments
def read(folder: str | Path) -> dict[str, pd.DataFrame]:
    """Load the tables of a run.

    Args:
        folder: Folder of a search, a training, a study, a comparison of studies, a tabular benchmark or a
            latency measurement.

    Returns:
        Tables by name. A table that the run has not written yet is left out:

        - of a search `candidates` and `references`;
        - of a training `trained` (a row per network and seed), `summary` (means over seeds) and `curves` (a
          row per epoch);
        - of a study `networks` (scores and accuracies), `scores`, `correlations`, `correlations_drawn`,
          `between`, `bands`, `rules`, `standing`, `pairs` and `latency`; `trained`, `summary` and `curves` of
          its training;
        - of a comparison `networks`, `across_nn_mass`, `across_params` and `pairs`;
        - of a tabular benchmark `rho`, `rules`, `summary` and `scores` (the measured ones);
        - of a latency measurement `networks` and `times` (a row per network and round).

    Raises:
        RequestError: The folder does not hold a run, or one of its tables is damaged.
        TypeError: `folder` is not a path.
    """
    from nas.files import read_csv
    from search_spaces.errors import checked_path

    checked_path("folder", folder)
    path = Path(folder)
    kind, _ = opened(path)
    files = {Path(name).name: path / f"{name}.csv" for name in _KINDS[kind]}
    return {name: read_csv(file, _EXPECTED) for name, file in files.items() if file.exists()}


def opened(path: Path) -> tuple[str, dict[str, Any]]:
    """The kind of run in a folder, a key of `_KINDS`, and its run.json; a comparison has none.

    Raises:
        RequestError: The folder does not hold a run, or its run.json is damaged.
    """
    from nas.files import read_whole
    from nas.runs import SHOWN, kind_of, why_no_run
    from search_spaces.errors import printable, shortened

    expected = "expected the folder of a search, a training, a study, a comparison or a measurement"
    file, where = path / "run.json", printable(shortened(str(path), SHOWN))
    try:
        state = json.loads(read_whole(file))
        return kind_of(state), state
    except OSError as error:
        if error.errno == errno.ENOENT and (path / "across_nn_mass.csv").exists():
            return "comparison", {}
        raise RequestError(f"folder {where}: {why_no_run(path, error)}; {expected}") from None
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise RequestError(f"{where}: run.json is damaged ({repr(error)[:SHOWN]}); {expected}") from None


callable_package(__name__)
