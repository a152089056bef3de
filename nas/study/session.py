"""The run of a study: from its request over population, data and scores to trained networks.

The command `nas study` and the function `nas.study` both use it; they differ in arguments and output.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import search_spaces
from nas.cli import progress
from nas.options import checked_values, flags_of, options_of
from nas.study.folder import StudyFolder
from nas.study.population import sampled
from nas.study.request import StudyRequest
from nas.tasks import Here, Launcher, Place
from nas.train.config import GENERATED, TrainConfig, check_present
from nas.train.session import (
    Hardware,
    choose_device,
    execution_of,
    launched,
    load_data,
    make_store,
    parallel_devices,
)
from search_spaces import Architecture, RequestError, parse

if TYPE_CHECKING:
    import torch

    from nas.study.scores import Measuring
    from nas.train.data import Data

COUNT = 24
"""Default size of the sample."""


_OF_SAMPLE = ("draw", "draw_seed", "budgets", "fix")
"""Fields of a request that describe the sample; `sampled` takes them."""


def requested(
    named: Sequence[str],
    values: Mapping[str, Any],
    count: int | None,
    config_of: Callable[[tuple[str, ...]], TrainConfig],
) -> StudyRequest:
    """Build the request of a study of named networks followed by a sample of a space.

    Args:
        named: Specs of the named networks.
        values: Options of `StudyRequest` by name; the others have their defaults. Without `space` there is no
            sample.
        count: Size of the sample; `COUNT` by default.
        config_of: Returns the training configuration of networks given by specs.

    Raises:
        RequestError: A value is wrong, a sample is described without a space, or there are too few networks.
        TypeError: A value has the wrong type.
    """
    from nas import proxies

    values = checked_values(StudyRequest, values)
    proxies.check_distinct(values.get("scores") or ())
    scores = tuple(proxies.get(name).name for name in values.get("scores") or proxies.names())
    space = values.get("space", "")
    if not (space or named):
        raise RequestError(f"give --space, one of {', '.join(search_spaces.names())}, or networks by --arch")
    described = flags_of(StudyRequest, {name: values[name] for name in values if name in _OF_SAMPLE})
    described += ["--count"] if count is not None else []
    if described and not space:
        raise RequestError(f"{', '.join(described)} describe a sample; add --space, or leave them out")
    first = list(dict.fromkeys(map(str, map(parse, named))))
    archs = first.copy()
    if space:
        options = options_of(StudyRequest)
        sample = {name: values.get(name, options[name].default) for name in _OF_SAMPLE}
        archs += sampled(space, count or COUNT, **sample)["arch"].tolist()
    config = config_of(tuple(dict.fromkeys(archs)))
    if config.named_seeds and not (space and first):
        raise RequestError(
            "--named-seeds needs networks of --arch beside a sample of --space; give both, or --seeds"
        )
    return StudyRequest(**{**values, "scores": scores}, order=replace(config, named=len(first)))


@dataclass(frozen=True)
class Session:
    """A study ready to run: request, hardware and data.

    Attributes:
        request: The request.
        hardware: Hardware options.
        device: Device of this process.
        data: The data set.
    """

    request: StudyRequest
    hardware: Hardware
    device: torch.device
    data: Data

    @classmethod
    def prepared(cls, request: StudyRequest, hardware: Hardware) -> Self:
        """Find the devices and load the data.

        Raises:
            RequestError: A device or the data set is missing, or a batch is larger than the training set.
        """
        import torch

        from nas.train.distributed import ALONE

        device = torch.device("cpu") if hardware.on else choose_device(hardware.device)
        parallel_devices(hardware.parallel, device, ALONE)  # its errors come before the data
        return cls(request, hardware, device, load_data(request.order, hardware, ALONE))

    def print_note(self) -> None:
        """Print a note if networks are fitted to smaller images."""
        from nas.train.data import resolution_note

        if note := resolution_note(self.request.order, self.data):
            print(f"note: {note}", file=sys.stderr)

    def created(self, out: Path | None) -> StudyFolder:
        """Create the folder of the study.

        Args:
            out: A new or empty folder; by default one under results/studies.

        Raises:
            RequestError: `out` is not empty, or it or the checkpoints cannot be written.
        """
        make_store(self.hardware)
        return StudyFolder.create(self.request, out, {"test_images": len(self.data.test)})

    def without_duplicates(self) -> Self:
        """The study without networks that equal another one once fitted to the data."""
        from nas.train.data import all_fitted

        config = self.request.order
        first: dict[Architecture, str] = {}
        for arch, network in zip(config.archs, all_fitted(config, self.data), strict=True):
            first.setdefault(network, arch)
        archs = tuple(first.values())
        named = len(set(config.archs[: config.named]) & set(archs))
        request = replace(self.request, order=replace(config, archs=archs, named=named))
        return replace(self, request=request)

    @contextmanager
    def _scoring(self, threads: int) -> Iterator[tuple[Launcher, Measuring]]:
        """What measures the scores, and how: this process, or a cluster.

        Of several processes on one machine, each would take time from what the others measure.
        """
        from nas.study.scores import Measuring, of_config, of_data
        from nas.tasks import Need, connected

        request, on = self.request, self.hardware.on
        how = Measuring(partial(of_data, self.data, request.score_batch), request.scores, request.score_seeds)
        if on is None:
            yield Here(Place()), how
            return
        order = replace(request.order, data=str(Path(request.order.data).absolute()))
        needed = (
            None if order.dataset in GENERATED else partial(check_present, order.dataset, Path(order.data))
        )
        threads = self.hardware.threads or threads
        how = replace(how, subjects=partial(of_config, order, request.score_batch), threads=threads)
        with connected(on, Need("cpu", threads)) as launcher:
            yield launcher, replace(how, needed=needed)

    def train(self, folder: StudyFolder, interrupted: Callable[[], bool]) -> bool:
        """Score and train the remaining networks.

        Returns:
            Whether the study ran to its end without an interruption.

        Raises:
            RequestError: A table or checkpoint is damaged or cannot be written.
        """
        from nas.study.scores import scored
        from nas.train.data import all_fitted
        from nas.train.distributed import ALONE
        from nas.train.folder import TrainFolder
        from nas.train.progress import progress_display
        from nas.train.run import TrainRun
        from nas.train.runtime import set_threads

        request, data, hardware = folder.request, self.data, self.hardware
        folder.test_images = len(data.test)
        architectures = list(dict.fromkeys(all_fitted(request.order, data)))
        trained = folder.trained
        started = (folder.training / "run.json").exists()
        training_folder = TrainFolder.open(folder.training) if started else None
        before = training_folder.threads if training_folder and not trained else None
        with launched(hardware, self.device, ALONE, before) as launcher:
            execution = execution_of(hardware, launcher, ALONE, before)
            recipe, device = request.order.values, execution.device
            threads = set_threads(
                execution.threads, architectures, data, recipe, device, ALONE, launcher.at_a_time, before
            )
            with progress("scoring", len(architectures)) as advance, self._scoring(threads) as (scorer, how):
                scored(architectures, how, folder.scores, interrupted, advance, scorer)
            if trained or interrupted():
                return not interrupted()
            training = TrainRun(request.order, data, replace(execution, threads=threads))
            training_folder = training_folder or TrainFolder.create(request.order, folder.training)
            training_folder.keep_checkpoints(hardware.checkpoints)
            training_folder.request, training_folder.threads = request.order, threads
            with progress_display(recipe.epochs) as display:
                training.run(training_folder, interrupted, display.report, display.on_step, launcher)
        if training.unsaved:
            raise RequestError(f"{training.unsaved}; correct this, then run {folder.resume}")
        return not interrupted()
