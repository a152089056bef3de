"""Where a search keeps its study, and how many processes run its trials."""

from __future__ import annotations

from dataclasses import dataclass

from nas.options import check, documented, option
from nas.values import Range
from search_spaces import RequestError

_MOST_WORKERS = 1024
_LONGEST_NAME = 200


@documented
@dataclass(frozen=True, repr=False)
class Sharing:
    """A study in a storage of Optuna, for many workers.

    The URL may contain a password, so there is no `repr`.
    """

    storage: str | None = option(
        "keep the study in this storage of Optuna, as postgresql://user@host/database or sqlite:///study.db;"
        " the same command elsewhere joins it (docs/scaling.md)",
        default=None,
        metavar="URL",
        usual="the run's folder",
    )
    study: str | None = option(
        "name of the study in --storage", default=None, metavar="NAME", usual="that of the request"
    )
    workers: int = option(
        "processes that run trials here, with --storage", default=1, range=Range(1, _MOST_WORKERS)
    )

    def __post_init__(self) -> None:
        check(self)
        needs = [("--study", self.study is not None), ("--workers", self.workers > 1)]
        for flag in (flag for flag, given in needs if given and self.storage is None):
            raise RequestError(f"{flag} needs --storage, such as --storage sqlite:///study.db")
        if self.study is not None and not 0 < len(self.study) <= _LONGEST_NAME:
            raise RequestError(f"--study: expected a name of 1 to {_LONGEST_NAME} characters")
