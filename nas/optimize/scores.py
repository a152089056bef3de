"""The scores of a search that no stage table holds: what a proxy says of networks, each measured once."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Self

from nas import proxies
from nas.optimize.request import Request
from nas.proxies import Proxy, Subject
from nas.tables import FIGURES
from search_spaces import Architecture, RequestError


@dataclass(frozen=True)
class Scores:
    """What a proxy says of networks.

    Attributes:
        proxy: Who says it.
        batch: Images that it looks at: normal noise, with random labels.
        seed: Seed of the weights, of the noise and of the labels.
        known: Scores measured so far, by spec.
    """

    proxy: Proxy
    batch: int
    seed: int
    known: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, request: Request) -> Self | None:
        """Those that a request needs; nothing where stage tables hold its score."""
        if request.score in FIGURES:
            return None
        return cls(proxies.get(request.score), request.score_batch, request.seed)

    @property
    def worst(self) -> float:
        """What nothing is worse than.

        It stands for a score that is not a number, and for that of a network outside the bounds, which is not
        measured: samplers that know constraints do not look at it, and the others learn to keep away.
        """
        return -math.inf if self.proxy.more_is_better else math.inf

    def measure(self, architecture: Architecture) -> float:
        """What the proxy says of an architecture; measured the first time, then remembered.

        Raises:
            RuntimeError: The proxy has failed.
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

    def sentence(self) -> str | None:
        """How they were measured; nothing of a closed form."""
        if self.proxy.closed_form:
            return None
        name, seen = self.proxy.name, ", without data"
        if "images" in self.proxy.needs:
            labels = " with random labels" if "labels" in self.proxy.needs else ""
            seen = f" on {self.batch} images of normal noise{labels}, not on data"
        return f"{name} was measured at initialisation (seed {self.seed}){seen}."

    def _subject(self, architecture: Architecture) -> Subject:
        if self.proxy.closed_form:
            return Subject.bare(architecture)
        return Subject.of_noise(architecture, self.batch, self.seed)
