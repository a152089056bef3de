"""Curves for TensorBoard, where it is installed."""

from __future__ import annotations

import dataclasses
import importlib.util
from pathlib import Path
from typing import Any

from nas.train.job import Job
from nas.train.loop import Epoch


class Board:
    """Writes what epochs come to for TensorBoard to read; where that is missing, nothing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writers: dict[str, Any] = {}
        self._added: dict[str, int] = {}
        self._there = importlib.util.find_spec("tensorboard") is not None

    def add(self, job: Job, epoch: Epoch) -> None:
        """Add an epoch, if it is a new one; where that cannot be written, no more is added."""
        try:
            self._add(job, epoch)
        except (OSError, ValueError):  # a full disk, or a path that is no text: curves.csv has all of it
            self._there = False

    def _add(self, job: Job, epoch: Epoch) -> None:
        if not self._there or self._added.get(job.name) == epoch.number:
            return
        self._added[job.name] = epoch.number
        from torch.utils.tensorboard.writer import SummaryWriter

        if job.name not in self._writers:
            self._writers[job.name] = SummaryWriter(self._folder / job.name, purge_step=epoch.number)
        for name, value in dataclasses.asdict(epoch).items():
            if name != "number" and isinstance(value, float):
                self._writers[job.name].add_scalar(name, value, epoch.number)
        self._writers[job.name].flush()
