"""Scores of a search that are not in the stage tables: each network is measured once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Self

from nas import proxies
from nas.optimize.request import Request
from nas.proxies import Proxy, Subject
from nas.tables import FIGURES
from nas.tasks import Launcher, Lost, Place, Post
from search_spaces import Architecture, RequestError


@dataclass(frozen=True)
class Scores:
    """The scores of networks by a proxy.

    Attributes:
        proxy: The proxy.
        batch: Batch size: images of Gaussian noise, with random labels.
        seed: Seed of the weights, the noise and the labels.
        known: Scores measured so far, by spec.
    """

    proxy: Proxy
    batch: int
    seed: int
    known: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, request: Request) -> Self | None:
        """The scores that a request needs; None if the stage tables have its score."""
        proxy = proxies.get(request.score)
        if proxy.name in FIGURES or proxy.stage_sum:
            return None
        return cls(proxy, request.score_batch, request.seed)

    @property
    def worst(self) -> float:
        """The worst possible value.

        It replaces a score that is nan, and the score of a network outside the bounds, which is not measured:
        samplers with constraints ignore it, and the others learn to avoid such networks.
        """
        return -math.inf if self.proxy.more_is_better else math.inf

    def measure(self, architecture: Architecture) -> float:
        """The score of an architecture, measured once.

        Raises:
            RuntimeError: The proxy failed.
        """
        spec = str(architecture)
        if spec not in self.known:
            try:
                value = proxies.measure(self.proxy.name, self._subject(architecture)).value
            except RequestError:
                raise
            except Exception as error:
                raise RuntimeError(f"score {self.proxy.name} of {spec}: {error!r}") from error
            self.known[spec] = self.worst if math.isnan(value) else value
        return self.known[spec]

    def measure_on(
        self,
        launcher: Launcher,
        architectures: Iterable[Architecture],
        threads: int,
        stop: Callable[[], bool],
        on_network: Callable[[], None] = lambda: None,
    ) -> None:
        """Measure the networks that are not known yet, by the workers of a launcher.

        Raises:
            RequestError: A worker lacks something, or lost a network.
        """
        unknown = [one for one in dict.fromkeys(architectures) if str(one) not in self.known]
        work = _Measuring(replace(self, known={}), threads)
        for network, value in launcher.run(work, unknown, stop, lambda network, report: None):
            if isinstance(value, Lost):
                raise RequestError(f"{self.proxy.name} of {network} was not measured: {value.reason}")
            self.known[str(network)] = value
            on_network()

    def sentence(self) -> str | None:
        """How the scores were measured, in words; None for a closed form."""
        if self.proxy.closed_form:
            return None
        name, inputs = self.proxy.name, ", without data"
        if "images" in self.proxy.needs:
            labels = " with random labels" if "labels" in self.proxy.needs else ""
            inputs = f" on {self.batch} images of normal noise{labels}, not on data"
        return f"{name} was measured at initialisation (seed {self.seed}){inputs}."

    def _subject(self, architecture: Architecture) -> Subject:
        if self.proxy.closed_form:
            return Subject.bare(architecture)
        return Subject.of_noise(architecture, self.batch, self.seed)


class _Measuring:
    """The work of measuring a score: the task of a network returns its value."""

    def __init__(self, scores: Scores, threads: int) -> None:
        self._name, self._batch, self._seed = scores.proxy.name, scores.batch, scores.seed
        self._threads = threads

    def check(self) -> None:
        """Nothing is needed."""

    def prepared(self, place: Place) -> Callable[[Architecture, Post], float]:
        """Set the number of threads."""
        import torch

        torch.set_num_threads(self._threads)

        def value(network: Architecture, post: Post) -> float:
            return Scores(proxies.get(self._name), self._batch, self._seed).measure(network)

        return value
