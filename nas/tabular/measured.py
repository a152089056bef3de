"""Measured scores of the networks of a benchmark, kept in a CSV after each network."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Self

import pandas as pd

from nas.cli import progress
from nas.proxies import Subject
from nas.study.scores import Measuring, Subjects, scored
from nas.tabular.frame import closed_forms
from nas.tabular.request import NOISE, TabularRequest
from nas.tasks import Need, connected
from nas.train.config import check_present
from nas.train.data import Data, fitted, load
from nas.train.session import preserve_threads
from search_spaces import Architecture, RequestError
from search_spaces.errors import shown


@dataclass(frozen=True)
class Measurement:
    """How the scores of networks are measured: at initialisation, on one batch of images.

    Attributes:
        request: The request.
        fitted: Each network as it is measured: for the size and the classes of the images.
        data: The data set; None for noise.
        batches: Subjects whose images are used again, by the shape of the images.
    """

    request: TabularRequest
    fitted: Mapping[Architecture, Architecture]
    data: Data | None
    batches: dict[tuple[int, ...], Subject]

    @classmethod
    def prepared(cls, request: TabularRequest, networks: Sequence[Architecture]) -> Self:
        """Load the images, and fit networks to them.

        Raises:
            RequestError: The data set is missing or damaged, or a network does not fit the images.
        """
        data = None
        if request.dataset != NOISE:
            data = load(request.dataset, Path(request.image_folder), side=request.image_size, cache="disk")
        return cls(request, {}, data, {}).of(networks)

    def of(self, networks: Sequence[Architecture]) -> Self:
        """The measurement of other networks on the same images.

        Raises:
            RequestError: A network does not fit the images.
        """
        if self.data is None:
            side = self.request.image_size
            return replace(self, fitted={one: _resized(one, side) for one in networks})
        data = self.data
        return replace(self, fitted={one: fitted(one, data) for one in networks})

    def subject(self, network: Architecture, seed: int) -> Subject:
        """A network with its batch; closed forms are those of the network as published.

        Raises:
            RequestError: An image cannot be read.
        """
        own = self.fitted[network]
        if own.input_shape not in self.batches:
            self.batches[own.input_shape] = self._drawn(own, seed)
        return replace(self.batches[own.input_shape], architecture=network, build=own.build)

    def _drawn(self, network: Architecture, seed: int) -> Subject:
        if self.data is None:
            return Subject.of_noise(network, self.request.score_batch, seed)
        return Subject.of_data(network, self.data, self.request.score_batch, seed)

    @property
    def checksum(self) -> str:
        """A checksum of the batch of the first network: equal images give equal ones."""
        subject = self.subject(next(iter(self.fitted)), self.request.seed)
        content = hashlib.sha256(subject.images.contiguous().numpy().tobytes())
        content.update(subject.labels.numpy().tobytes())
        return content.hexdigest()[:16]

    def sentence(self) -> str:
        """How the scores are measured, in words."""
        request = self.request
        on = "normal noise with random labels"
        if self.data is not None:
            on = f"{request.dataset}, {len(self.data.classes):,} classes"
        sides = sorted({one.input_shape[-1] for one in self.fitted.values()})
        side = f"{sides[0]}" if len(sides) == 1 else f"{sides[0]} to {sides[-1]}"
        return (
            f"{', '.join(request.measure)}: measured at initialisation (seed {request.seed}) on"
            f" {request.score_batch} images of {side} pixels, {on}; threads: {request.threads}."
        )

    def run(
        self, path: Path, stop: Callable[[], bool] = lambda: False, on: str | None = None
    ) -> pd.DataFrame | None:
        """Measure the networks that a CSV does not have yet, and keep each in it at once.

        Args:
            path: The CSV.
            stop: Checked before each network; returning True ends the measurement.
            on: The engine of a cluster that measures; this process by default.

        Returns:
            arch, and the value and the seconds of each closed form and measured score, one row for each
            network; None if it was stopped.

        Raises:
            RequestError: The CSV is damaged or cannot be written, or a cluster cannot be used.
        """
        names = (*closed_forms(), *self.request.measure)
        with preserve_threads(), progress("measuring", len(self.fitted)) as advance:
            how = Measuring(lambda: self.subject, names, (self.request.seed,), self.request.threads)
            if on is None:
                found = scored(list(self.fitted), how, path, stop, advance)
            else:
                request = replace(self.request, image_folder=str(Path(self.request.image_folder).absolute()))
                how = replace(how, subjects=partial(_subjects, request), needed=partial(_check, request))
                with connected(on, Need("cpu", request.threads)) as launcher:
                    found = scored(list(self.fitted), how, path, stop, advance, launcher)
        return None if stop() else found


def _subjects(request: TabularRequest) -> Subjects:
    """The subjects of a request, in another process: each network is fitted when it is measured."""
    measurement = Measurement.prepared(request, ())
    return lambda network, seed: measurement.of((network,)).subject(network, seed)


def _check(request: TabularRequest) -> None:
    """Check that the images of a request are here.

    Raises:
        RequestError: They are missing.
    """
    if request.dataset != NOISE:
        check_present(request.dataset, Path(request.image_folder))


def _resized(network: Architecture, side: int | None) -> Architecture:
    """A network for images of a side, its own if not given.

    Raises:
        RequestError: It has no resolution, or needs larger images.
    """
    if side is None:
        return network
    if "resolution" not in network.constant_names():
        raise RequestError(f"--image-size {side}: {shown(str(network))} takes no images; leave it out")
    resized: Architecture = replace(network, resolution=side)  # type: ignore[call-arg]
    return resized
