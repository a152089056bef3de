"""A training session: selects devices and processes, loads the data, creates the folder, runs the training.

The command `nas train` and the function `nas.train` both call `run_training`.
"""

from __future__ import annotations

import os
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from nas.files import reason
from nas.options import check, documented, option
from nas.remote import Remote, located, try_writing
from nas.tasks import Here, Launcher, Place, checked_engine
from nas.tasks import Processes as LocalProcesses
from nas.train.config import MOST_PROCESSES, TrainConfig
from nas.train.folder import TrainFolder
from nas.values import Range
from search_spaces import RequestError
from search_spaces.errors import shown

if TYPE_CHECKING:
    import torch

    from nas.train.data import Data
    from nas.train.distributed import Processes
    from nas.train.run import TrainRun
    from nas.train.runtime import Execution


_PROCESSES = Range(1, MOST_PROCESSES)


@documented
@dataclass(frozen=True)
class Hardware:
    """Hardware settings of a training: they affect its speed, not its results, except for rounding."""

    device: str | None = option("cpu, cuda, cuda:1, ...", default=None, usual="cuda if there is one")
    parallel: int | None = option(
        "train N networks at a time", default=None, range=_PROCESSES, const=0, usual="one per GPU"
    )
    on: str | None = option(
        "train on a cluster: ray, or ray:HOST:PORT, as many networks at a time as it has room for",
        default=None,
        metavar="ENGINE",
    )
    checkpoints: str | None = option(
        "folder or URL for checkpoints, as s3://bucket/run", default=None, usual="in that of the run"
    )
    threads: int | None = option(
        "threads of torch on a CPU",
        default=None,
        range=_PROCESSES,
        usual="the fastest number in a few steps",
    )
    compile: bool = option("use torch.compile", default=False)
    workers: int | None = option(
        "processes that load images", default=None, range=_PROCESSES, usual="one per processor"
    )
    checkpoint_minutes: float = option(
        "minutes between checkpoints within an epoch",
        default=10.0,
        range=Range(1e-6, 1e6, unit="of minutes"),
        metavar="N",
    )
    download: bool = option("let torchvision download missing files", default=False)

    def __post_init__(self) -> None:
        check(self)
        if self.checkpoints is not None:
            store = located(self.checkpoints)
            if isinstance(store, Remote):
                store.check()
        if self.on is None:
            return
        checked_engine(self.on)
        if self.parallel is not None:
            raise RequestError(
                "--on trains as many networks at a time as there is room for; leave out --parallel"
            )
        if self.device not in (None, "cpu", "cuda"):
            raise RequestError(f"--device {shown(self.device)}: with --on expected cpu or cuda")


@contextmanager
def process_group(device: str | None, on: str | None = None) -> Iterator[tuple[torch.device, Processes]]:
    """The device of this process and the process group of torchrun, joined for the duration of a block.

    Args:
        device: Name of the device.
        on: The engine whose workers train, if this process does not.

    Raises:
        RequestError: The device does not exist, or an engine is combined with torchrun.
    """
    import torch

    from nas.train.distributed import Processes

    own = torch.device("cpu") if on else choose_device(device)
    processes = Processes.join(own)
    if on and processes.count > 1:
        raise RequestError(f"--on {on} starts its own processes; leave out torchrun")
    try:
        yield own, processes
    finally:
        if processes.count > 1:
            torch.distributed.destroy_process_group()


@contextmanager
def preserve_threads() -> Iterator[None]:
    """Restore torch's number of threads at the end of a block."""
    import torch

    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)


def run_training(
    config: TrainConfig,
    resumed: TrainFolder | None,
    out: Path | None,
    hardware: Hardware,
    device: torch.device,
    processes: Processes,
    interrupted: Callable[[], bool],
) -> tuple[TrainRun, TrainFolder]:
    """Train networks until all are done or the run is interrupted; results are saved in a folder.

    Args:
        config: Configuration of the training.
        resumed: Folder of an earlier run to resume, if any.
        out: Path of a new folder; by default one under results/trained.
        hardware: Hardware settings.
        device: The device of this process.
        processes: The process group.
        interrupted: Polled after each step.

    Raises:
        RequestError: The data set is missing or incomplete, or the folder cannot be used or written.
    """
    from nas.train.data import repeated_note, resolution_note
    from nas.train.progress import progress_display
    from nas.train.run import TrainRun
    from nas.train.runtime import precision_note

    with ExitStack() as held:
        held.enter_context(resumed.locked(processes) if resumed else nullcontext())
        before = resumed.threads if resumed else None
        launcher = held.enter_context(launched(hardware, device, processes, before))
        # Other processes read the images themselves.
        apart = not isinstance(launcher, Here)
        data = load_data(replace(config, cache="disk") if apart else config, hardware, processes)
        execution = execution_of(hardware, launcher, processes, before)
        training = TrainRun(config, data, execution)
        notes = (
            resolution_note(config, data),
            repeated_note(config, data),
            precision_note(config.values.precision, execution.device),
        )
        for note in filter(None, notes if processes.is_main else ()):
            print(f"note: {note}", file=sys.stderr)
        folder = resumed or _create_folder(config, out, hardware, processes)
        folder.request = config  # --data may have changed
        folder.keep_checkpoints(hardware.checkpoints)
        with progress_display(config.values.epochs, quiet=not processes.is_main) as progress:
            training.run(folder, interrupted, progress.report, progress.on_step, launcher)
    if training.unsaved:
        raise RequestError(f"{training.unsaved}; correct this, then run {folder.resume}")
    return training, folder


def make_store(hardware: Hardware) -> None:
    """Make the folder of checkpoints kept elsewhere: one that cannot be written would fail every network.

    Raises:
        RequestError: It cannot be made or written.
    """
    if hardware.checkpoints is None:
        return
    store = located(hardware.checkpoints)
    try:
        if isinstance(store, Path):
            store.mkdir(parents=True, exist_ok=True)
        try_writing(store)
    except OSError as error:
        raise RequestError(f"--checkpoints {store}: cannot write there: {reason(error)}") from None


def _create_folder(
    config: TrainConfig, out: Path | None, hardware: Hardware, processes: Processes
) -> TrainFolder:
    """Create the folder of a new run in the main process; all processes get its path."""
    path, failure = Path(), ""
    if processes.is_main:
        try:
            make_store(hardware)
            path = TrainFolder.create(config, out).path
        except RequestError as error:
            failure = str(error)
    path, failure = processes.broadcast((path, failure))
    if failure:
        raise RequestError(failure)
    return TrainFolder(path, config)


def load_data(config: TrainConfig, hardware: Hardware, processes: Processes) -> Data:
    """Load the data set in each process.

    The main process downloads it first, then the first process of each other node what its disk lacks.

    Raises:
        RequestError: The data set is missing or incomplete on a node, or too small for a batch, or nodes have
            different ones.
    """
    from nas.train.data import load_for

    workers = hardware.workers or max(min(16, os.cpu_count() or 1) // processes.here, 1)
    for downloads in (processes.is_main, processes.is_first_here and not processes.is_main):
        with processes.together():
            if hardware.download and downloads:
                load_for(config, download=True, workers=workers)
    check = partial(processes.check, config.values.batch_size)
    with processes.together():
        data = load_for(config, workers=workers, quiet=not processes.is_main, check=check)
    labels = [zlib.crc32(images.labels.numpy().tobytes()) for images in (data.train, data.test)]
    processes.check_equal((data.classes, labels), f"the data set in {config.data}")
    return data


def choose_device(name: str | None) -> torch.device:
    """The device of this process, by name; a GPU by default if there is one.

    Raises:
        RequestError: The device does not exist.
    """
    import torch

    count = torch.cuda.device_count()
    if name is None:
        name = "cuda" if count else "cpu"
    try:
        found = torch.device(name)
    except (RuntimeError, UnicodeError):
        raise RequestError(f"--device {shown(name)}: expected cpu, cuda, or cuda:1") from None
    if found.type not in ("cpu", "cuda"):
        raise RequestError(f"--device {shown(name)}: expected cpu, cuda, or cuda:1")
    if found.type == "cuda":
        index = int(os.environ.get("LOCAL_RANK", "0")) if found.index is None else found.index
        if index >= count:
            raise RequestError(f"--device {name}: torch sees {count} GPUs here; try --device cpu")
        found = torch.device("cuda", index)
        torch.cuda.set_device(found)
    return found


@contextmanager
def launched(
    hardware: Hardware, device: torch.device, processes: Processes, threads: int | None
) -> Iterator[Launcher]:
    """What runs the trainings, during a block: this process, processes of this machine, or a cluster.

    Args:
        hardware: Hardware settings.
        device: The device of this process.
        processes: The process group.
        threads: Threads of torch in an earlier part of the run.

    Raises:
        RequestError: --parallel is combined with torchrun, or has no number on a CPU; or no cluster answers.
    """
    from nas.tasks import Need, connected

    if hardware.on is not None:
        need = Need(hardware.device, hardware.threads or threads or 1, hardware.workers)
        with connected(hardware.on, need) as launcher:
            yield launcher
        return
    devices = parallel_devices(hardware.parallel, device, processes)
    if devices is None:
        yield Here(Place(str(device)), processes.any)
        return
    readers = hardware.workers or max((os.cpu_count() or 1) // len(devices), 1)
    yield LocalProcesses(tuple(Place(str(one), readers) for one in devices))


def execution_of(
    hardware: Hardware, launcher: Launcher, processes: Processes, threads: int | None
) -> Execution:
    """The execution settings of trainings by a launcher.

    Args:
        threads: Threads of torch in an earlier part of the run; clusters keep them, or have one.
    """
    import torch

    from nas.train.runtime import Execution

    own = hardware.threads
    if launcher.elsewhere and launcher.device == "cpu":
        own = own or threads or 1
    minutes = hardware.checkpoint_minutes
    return Execution(torch.device(launcher.device), processes, hardware.compile, minutes, own)


def parallel_devices(
    parallel: int | None, device: torch.device, processes: Processes
) -> list[torch.device] | None:
    """One device for each network trained in parallel; None if networks are trained in sequence.

    Raises:
        RequestError: --parallel is combined with torchrun, or has no number on a CPU.
    """
    if parallel is None:
        return None
    import torch

    if processes.count > 1:
        raise RequestError("--parallel starts its own processes; leave out torchrun")
    if device.type == "cpu" and not parallel:
        raise RequestError("--parallel: there are no GPUs here; give the number of networks, as --parallel 2")
    gpus = [torch.device("cuda", index) for index in range(torch.cuda.device_count())]
    devices = [device] if device.type == "cpu" else gpus
    return [devices[index % len(devices)] for index in range(parallel or len(devices))]
