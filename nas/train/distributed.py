"""Data-parallel training of one network, by one process or by those of torchrun on one or more nodes."""

from __future__ import annotations

import os
import platform
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from search_spaces import RequestError

T = TypeVar("T")


@dataclass(frozen=True)
class Processes:
    """The process group that trains one network, as seen by one of its processes.

    Attributes:
        rank: Number of this process; the main process, 0, writes files and messages.
        count: Number of processes, on all nodes.
        here: Number of processes on this node.
        rank_here: Number of this process on its node.
    """

    rank: int = 0
    count: int = 1
    here: int = 1
    rank_here: int = 0

    @classmethod
    def join(cls, device: torch.device) -> Processes:
        """Join the process group of torchrun; without torchrun, a group of one.

        Tensors on GPUs are exchanged by NCCL, all else by Gloo.
        """
        if int(os.environ.get("WORLD_SIZE", "1")) == 1:
            return cls()
        if not dist.is_initialized():
            dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")
        rank, count = dist.get_rank(), dist.get_world_size()
        here = int(os.environ.get("LOCAL_WORLD_SIZE", count))
        return cls(rank, count, here, int(os.environ.get("LOCAL_RANK", rank)))

    @property
    def is_main(self) -> bool:
        """Whether this is the main process, which writes files and messages."""
        return self.rank == 0

    def shard(self, indices: Tensor, batch: int) -> Tensor:
        """The part of each full batch of indices for this process; an incomplete last batch is dropped.

        >>> Processes(rank=1, count=2).shard(torch.arange(9), 4)
        tensor([2, 3, 6, 7])
        """
        each = batch // self.count
        whole = len(indices) // batch * batch
        parts: Tensor = indices[:whole].view(-1, batch)[:, self.rank * each : (self.rank + 1) * each]
        return parts.reshape(-1)

    @property
    def is_first_here(self) -> bool:
        """Whether this is the first process of its node, which downloads data."""
        return self.rank_here == 0

    @contextmanager
    def together(self) -> Iterator[None]:
        """Raise a `RequestError` of a block in all processes, which else would wait for the one it hit.

        The message names the process, unless it is the main one.
        """
        failure = ""
        try:
            yield
        except RequestError as error:
            if self.count == 1:
                raise
            failure = str(error) if self.is_main else f"process {self.rank} on {platform.node()}: {error}"
        if self.count > 1:
            failures: list[str] = [""] * self.count
            dist.all_gather_object(failures, failure)
            for one in filter(None, failures):
                raise RequestError(one)

    def check_equal(self, value: object, what: str) -> None:
        """Check that a value is that of the main process, in all processes.

        Raises:
            RequestError: It differs in one; raised in all.
        """
        with self.together():
            if self.broadcast(value) != value:
                raise RequestError(f"{what} differs from that of the main process; give all nodes the same")

    def check(self, batch: int, images: int) -> None:
        """Check that the images fill a batch, and that a batch divides evenly among the processes.

        Raises:
            RequestError: They do not, or a process has less than the two images that batch norm needs.
        """
        if images < batch or batch < 2 * self.count:
            raise RequestError(
                f"batch {batch} of {images} training images in {self.count} process(es): expected"
                f" {2 * self.count} to {images}; change it with --batch-size"
            )
        if batch % self.count:
            more = -(-batch // self.count) * self.count
            raise RequestError(
                f"batch {batch} does not divide among {self.count} processes; try --batch-size {more}"
            )

    def wrap_ddp(self, model: nn.Module, device: torch.device) -> nn.Module:
        """The model, wrapped to average its gradients over the processes."""
        if self.count == 1:
            return model
        devices = [device] if device.type == "cuda" else None
        with warnings.catch_warnings():
            # Newer torch renames broadcast_buffers to forward_sync_buffers, unknown to older torch.
            warnings.simplefilter("ignore", FutureWarning)
            return DistributedDataParallel(model, device_ids=devices, broadcast_buffers=False)

    def sum(self, values: Tensor) -> Tensor:
        """The sum over the processes."""
        if self.count > 1:
            dist.all_reduce(values)
        return values

    def average(self, values: Iterable[Tensor]) -> None:
        """Replace values by their mean over the processes."""
        if self.count > 1:
            for value in values:
                if value.is_floating_point():
                    value.copy_(self.sum(value.clone()) / self.count)

    def any(self, flag: bool) -> bool:
        """Whether a flag is set in any process."""
        return flag if self.count == 1 else bool(self.sum(torch.tensor(int(flag))).item())

    def broadcast(self, value: T) -> T:
        """The main process's value, in all processes."""
        if self.count == 1:
            return value
        values = [value]
        dist.broadcast_object_list(values, device=torch.device("cpu"))
        return values[0]


ALONE = Processes()
