"""The study's log: Optuna's journal format, held in memory until it is saved whole.

Optuna's own backends write to disk at every step of a trial, which takes longer than the trial. The file is
what `optuna.storages.journal.JournalFileBackend` and optuna-dashboard read.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from optuna.storages.journal import BaseJournalBackend

from nas.files import read_whole
from search_spaces import RequestError


class Journal(BaseJournalBackend):
    """A journal in memory.

    Attributes:
        logs: The entries, oldest first.
    """

    def __init__(self, logs: list[dict[str, Any]] | None = None) -> None:
        self.logs = logs or []
        self._lines = [_line(log) for log in self.logs]

    @classmethod
    def load(cls, path: Path) -> Journal:
        """The journal saved in a file; an empty one where there is no file.

        Raises:
            RequestError: The file is damaged.
        """
        if not path.exists():
            return cls()
        logs = []
        try:
            content = read_whole(path)
        except OSError as error:
            raise RequestError(f"{path} cannot be read: {error.strerror}") from None
        for number, line in enumerate(content.splitlines(), 1):
            try:
                log = json.loads(line)
                log["op_code"], log["worker_id"]
            except (ValueError, TypeError, KeyError, RecursionError):
                raise RequestError(f"{path} is damaged at line {number}; start a new run") from None
            logs.append(log)
        return cls(logs)

    def text(self) -> str:
        """All entries, as `load` reads them."""
        return "".join(self._lines)

    def cut_from_last(self, attribute: str) -> None:
        """Drop the last entry that set an attribute of the study, and all entries after it."""
        marks = [index for index, log in enumerate(self.logs) if attribute in log.get("user_attr", {})]
        if marks:
            del self.logs[marks[-1] :], self._lines[marks[-1] :]

    def read_logs(self, log_number_from: int) -> list[dict[str, Any]]:
        """Entries from a number on."""
        return self.logs[log_number_from:]

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Add entries."""
        self.logs.extend(logs)
        self._lines.extend(map(_line, logs))


def _line(log: dict[str, Any]) -> str:
    return json.dumps(log, separators=(",", ":")) + "\n"
