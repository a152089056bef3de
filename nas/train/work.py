"""What a worker does with a job: it trains the network, and saves it where the launching machine finds it."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from nas.files import reason
from nas.remote import Remote, try_writing, write_at
from nas.tasks import Place, Post
from nas.train.config import GENERATED, TrainConfig, check_present
from nas.train.data import Data, load_for
from nas.train.job import Job, JobState
from nas.train.runtime import Execution, train
from search_spaces import RequestError


@dataclass(frozen=True)
class Trainings:
    """The work of a training run.

    Attributes:
        config: Configuration of the training.
        checkpoints: Folder of the checkpoints.
        execution: Execution settings but for the device, which is that of the place.
        mark: A file among the checkpoints by which machines see that they are shared, if there are several.
        data: The data set, if the workers are in this process; they load it otherwise.
    """

    config: TrainConfig
    checkpoints: Path | Remote
    execution: Execution
    mark: str = ""
    data: Data | None = field(default=None, compare=False, repr=False)

    def shared(self) -> Trainings:
        """The same work for other machines: with absolute paths, and marked checkpoints.

        Raises:
            RequestError: The mark cannot be written.
        """
        mark, folder = f".{secrets.token_hex(4)}.unfinished", self.checkpoints.absolute()
        try:
            write_at(folder / mark, b"")
        except OSError as error:
            raise RequestError(f"cannot write {folder}: {reason(error)}") from None
        config = replace(self.config, data=str(Path(self.config.data).absolute()))
        return replace(self, config=config, checkpoints=folder, mark=mark, data=None)

    def end_sharing(self) -> None:
        """Remove the mark."""
        with suppress(OSError):
            (self.checkpoints / self.mark).unlink()

    def check(self) -> None:
        """Check that the data set is here, and that the checkpoints are seen and can be written.

        Raises:
            RequestError: Something is missing.
        """
        if self.config.dataset not in GENERATED:
            check_present(self.config.dataset, Path(self.config.data))
        way = "give a folder that all nodes share by --out, or a URL, as --checkpoints s3://BUCKET/RUN"
        try:
            if not (self.checkpoints / self.mark).exists():
                raise RequestError(f"it does not see {self.checkpoints}; {way}")
            try_writing(self.checkpoints)
        except OSError as error:
            raise RequestError(f"it cannot write {self.checkpoints}: {reason(error)}; {way}") from None

    def prepared(self, place: Place) -> Callable[[Job, Post], JobState]:
        """Load the data; see `nas.tasks.Work.prepared`.

        Raises:
            RequestError: The data set is missing or incomplete.
        """
        device = torch.device(place.device)
        if self.data is None:
            if device.type == "cpu" and self.execution.threads is not None:
                torch.set_num_threads(self.execution.threads)
            if device.index is not None:
                torch.cuda.set_device(device)
        data = (self.data or load_for(self.config, workers=place.readers)).to(device)
        execution = replace(self.execution, device=device)

        def trained(job: Job, post: Post) -> JobState:
            return train(
                job,
                data,
                self.config.values,
                self.checkpoints / f"{job.name}.pt",
                execution,
                post.stop,
                lambda job, outcome: post.report(outcome),
                lambda job, epochs: post.tick(epochs),
            )

        return trained
