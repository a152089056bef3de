"""A training from what is asked for to its end: device, processes, data and folder.

The command `nas train` and the function `nas.train` differ only in how they are asked, and in what they show.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from nas.options import check, documented, option
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


_PROCESSES = Range(1, MOST_PROCESSES)


@documented
@dataclass(frozen=True)
class Hardware:
    """Execution settings of a training: they affect its speed, not its results, apart from rounding."""

    device: str | None = option("cpu, cuda, cuda:1, ...", default=None, usual="cuda if there is one")
    parallel: int | None = option(
        "train N networks at a time", default=None, range=_PROCESSES, const=0, usual="one a GPU"
    )
    threads: int | None = option(
        "threads of torch on a CPU",
        default=None,
        range=_PROCESSES,
        usual="the fastest number in a few steps",
    )
    compile: bool = option("use torch.compile", default=False)
    workers: int | None = option(
        "processes that load images", default=None, range=_PROCESSES, usual="one a processor"
    )
    checkpoint_minutes: float = option(
        "minutes between checkpoints within an epoch",
        default=10.0,
        range=Range(1e-6, 1e6, unit="of minutes"),
        metavar="N",
    )
    download: bool = option("let torchvision download what is missing", default=False)

    def __post_init__(self) -> None:
        check(self)


@contextmanager
def started(device: str | None) -> Iterator[tuple[torch.device, Processes]]:
    """The device of this process, and the processes that torchrun has started, until a block ends.

    Raises:
        RequestError: The device is not there.
    """
    import torch

    from nas.train.distributed import Processes

    found = device_of(device)
    processes = Processes.started(found)
    try:
        yield found, processes
    finally:
        if processes.count > 1:
            torch.distributed.destroy_process_group()


@contextmanager
def threads_kept() -> Iterator[None]:
    """Give a caller's process back with the number of threads that torch had."""
    import torch

    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)


def trained(
    order: TrainConfig,
    kept: TrainFolder | None,
    out: Path | None,
    hardware: Hardware,
    device: torch.device,
    processes: Processes,
    interrupted: Callable[[], bool],
) -> tuple[TrainRun, TrainFolder]:
    """Train networks until all are done or it is interrupted; all that was done is kept in a folder.

    Args:
        order: What is asked for.
        kept: The folder of an earlier run, to go on in.
        out: Where else to make a new one.
        hardware: Execution settings.
        device: The device of this process.
        processes: The process group.
        interrupted: Asked after each step.

    Raises:
        RequestError: The data set is not there or not whole, or the folder cannot be used or written.
    """
    from nas.train.data import shrunk
    from nas.train.progress import shown as progress_shown
    from nas.train.run import TrainRun
    from nas.train.runtime import Execution

    with kept.locked(processes) if kept else nullcontext():
        devices = devices_of(hardware.parallel, device, processes)
        # Where networks have processes of their own, those read the images.
        data = loaded(replace(order, cache="disk") if devices else order, hardware, processes)
        minutes, threads = hardware.checkpoint_minutes, hardware.threads
        execution = Execution(device, processes, hardware.compile, minutes, threads)
        training = TrainRun(order, data, execution)
        if processes.is_main and (note := shrunk(order, data)):
            print(f"note: {note}", file=sys.stderr)
        folder = kept or _created(order, out, processes)
        folder.request = order  # the data may be elsewhere now
        with progress_shown(order.values.epochs, quiet=not processes.is_main) as progress:
            training.run(folder, interrupted, progress.report, progress.on_step, devices, hardware.workers)
    if training.unsaved:
        raise RequestError(f"{training.unsaved}; mend that, then {folder.resume}")
    return training, folder


def _created(order: TrainConfig, out: Path | None, processes: Processes) -> TrainFolder:
    """A new folder, made by the first process and known to all."""
    path, failure = Path(), ""
    if processes.is_main:
        try:
            path = TrainFolder.create(order, out).path
        except RequestError as error:
            failure = str(error)
    path, failure = processes.broadcast((path, failure))
    if failure:
        raise RequestError(failure)
    return TrainFolder(path, order)


def loaded(order: TrainConfig, hardware: Hardware, processes: Processes) -> Data:
    """The data set; where it may have to be downloaded, the first process is alone with it at first."""
    from nas.train.data import loaded as read

    workers = hardware.workers or max(min(16, os.cpu_count() or 1) // processes.count, 1)
    if hardware.download and processes.is_main:
        read(order, download=True, workers=workers)
    processes.broadcast(None)
    return read(order, workers=workers, quiet=not processes.is_main)


def device_of(name: str | None) -> torch.device:
    """The device of this process.

    Raises:
        RequestError: It is not there.
    """
    import torch

    there = torch.cuda.device_count()
    if name is None:
        name = "cuda" if there else "cpu"
    try:
        found = torch.device(name)
    except (RuntimeError, UnicodeError):
        raise RequestError(f"--device {shown(name)}: expected cpu, cuda, or cuda:1") from None
    if found.type not in ("cpu", "cuda"):
        raise RequestError(f"--device {shown(name)}: expected cpu, cuda, or cuda:1")
    if found.type == "cuda":
        index = int(os.environ.get("LOCAL_RANK", "0")) if found.index is None else found.index
        if index >= there:
            raise RequestError(f"--device {name}: torch sees {there} GPUs here; try --device cpu")
        found = torch.device("cuda", index)
        torch.cuda.set_device(found)
    return found


def devices_of(parallel: int | None, device: torch.device, processes: Processes) -> list[torch.device] | None:
    """A device for each network that is trained at a time, if several are asked for.

    Raises:
        RequestError: Several are requested under torchrun, or on a CPU without a number.
    """
    if parallel is None:
        return None
    import torch

    if processes.count > 1:
        raise RequestError("--parallel starts its own processes; leave out torchrun")
    if device.type == "cpu" and not parallel:
        raise RequestError("--parallel: there are no GPUs here; say how many networks, as --parallel 2")
    there = [torch.device("cuda", index) for index in range(torch.cuda.device_count())]
    kinds = [device] if device.type == "cpu" else there
    return [kinds[index % len(kinds)] for index in range(parallel or len(kinds))]
