"""The registry of proxies: what each needs, and whether more is better."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from nas.fitted.score import SUFFIX, FittedScore, check_name
from nas.fitted.sum import FittedSum
from nas.proxies.subject import Subject
from nas.sums import SCALE, StageSum, Sum, Term
from search_spaces import RequestError
from search_spaces.errors import did_you_mean, shown

if TYPE_CHECKING:
    from search_spaces.layers import Part

Need = Literal["network", "images", "labels", "gradients"]
Measure: TypeAlias = Callable[[Subject], float]
Combine: TypeAlias = Callable[[Sequence[Any]], float]
"""A score, from the values of a network's stages."""

_FIRST = ("closed_form", "root_mass", "root_params", "deepmad", "ldi")
"""Modules of this package whose proxies are listed first; the others follow by name.

Closed forms need no torch, so a search that uses only their scores does not import torch.
"""


@dataclass(frozen=True)
class OfStages:
    """A closed form over stages.

    Attributes:
        of_stage: Value of a stage, from its parts.
        combine: The score, from the values of all stages in order.
    """

    of_stage: Callable[[Sequence[Part]], Any]
    combine: Combine


@dataclass(frozen=True)
class Proxy:
    """A zero-cost proxy: a score of a network that needs no training.

    Attributes:
        name: Name on the command line, and of the column in tables.
        measure: Computes the score; its docstring gives the formula and the source.
        more_is_better: Whether a larger value predicts higher accuracy.
        needs: What it uses besides the architecture; empty for a closed form.
        title: Column heading in printed tables.
        axis: Axis label in figures.
        logarithmic: Whether figures and fits use its logarithm.
        one_width: Whether it compares networks of one base width only.
        number_format: Formats a value in printed tables.
        stages: How it follows from the stages of a network, if it is a closed form over stages.
        stage_sum: The sum over stages that it is, if it is one.
    """

    name: str
    measure: Measure
    more_is_better: bool
    needs: frozenset[Need]
    title: str
    axis: str
    logarithmic: bool
    one_width: bool
    number_format: Callable[[float], str]
    stages: OfStages | None = None
    stage_sum: Sum | None = None

    @property
    def fitted(self) -> FittedScore | None:
        """The fitted score that it is, if it is one."""
        return self.stage_sum.score if isinstance(self.stage_sum, FittedSum) else None

    @property
    def closed_form(self) -> bool:
        """Whether it needs the architecture alone."""
        return not self.needs


class Measured(NamedTuple):
    """The value of a proxy, and the seconds it took, including building the network."""

    value: float
    seconds: float


_proxies: dict[str, Proxy] = {}
_fitted: dict[str, Proxy] = {}
"""Fitted scores that were used, by name."""
_SHIPPED = "shipped"
"""Folder of nas.fitted with the scores of this package."""


def register(
    name: str,
    *needs: Need,
    more_is_better: bool = True,
    title: str = "",
    axis: str = "",
    logarithmic: bool = False,
    one_width: bool = False,
    number_format: Callable[[float], str] = "{:.5g}".format,
) -> Callable[[Measure], Measure]:
    """Decorator that registers a function of a `Subject` as a proxy.

    Args:
        name, needs, more_is_better, logarithmic, one_width, number_format: As in `Proxy`.
        title: As in `Proxy`; the name by default.
        axis: As in `Proxy`; the title by default.

    Raises:
        ValueError: A proxy of that name exists already.

    >>> @register("widest", axis="largest choice", more_is_better=True)
    ... def widest(subject):
    ...     return max(subject.architecture.choices().values())
    >>> "widest" in names()
    True
    >>> del _proxies["widest"]
    """

    def add(function: Measure) -> Measure:
        heading = title or name
        _add(
            Proxy(
                name=name,
                measure=function,
                more_is_better=more_is_better,
                needs=frozenset(needs),
                title=heading,
                axis=axis or heading,
                logarithmic=logarithmic,
                one_width=one_width,
                number_format=number_format,
            )
        )
        return function

    return add


def register_stages(
    name: str,
    of_stage: Callable[[Sequence[Part]], Any],
    *,
    more_is_better: bool = True,
    title: str = "",
    axis: str = "",
    logarithmic: bool = False,
    one_width: bool = False,
    number_format: Callable[[float], str] = "{:.5g}".format,
    stage_sum: StageSum | None = None,
) -> Callable[[Combine], Combine]:
    """Decorator that registers a closed form over stages: a function of the values of a network's stages.

    The value of each stage is computed once for many networks that share it. The score is nan for torchvision
    baselines, which have no stages.

    Args:
        name, more_is_better, title, axis, logarithmic, one_width, number_format, stage_sum: As in
            `register` and `Proxy`.
        of_stage: Value of a stage, from its parts.

    Raises:
        ValueError: A proxy of that name exists already.
    """

    def add(combine: Combine) -> Combine:
        def measure(subject: Subject) -> float:
            from search_spaces.chain import ChainArchitecture

            if not isinstance(subject.architecture, ChainArchitecture):
                return math.nan
            return float(combine([of_stage(parts) for parts in subject.architecture.stages()]))

        measure.__doc__ = combine.__doc__
        heading = title or name
        _add(
            Proxy(
                name=name,
                measure=measure,
                more_is_better=more_is_better,
                needs=frozenset(),
                title=heading,
                axis=axis or heading,
                logarithmic=logarithmic,
                one_width=one_width,
                number_format=number_format,
                stages=OfStages(of_stage, combine),
                stage_sum=stage_sum,
            )
        )
        return combine

    return add


def register_sum(name: str, *, scale: int = SCALE, **settings: Any) -> Callable[[Term], Term]:
    """Decorator that registers the sum of a term over the stages of a network.

    The term is a function of a stage's figures. Searches by such a score are proven, as those by NN-Mass are.

    Args:
        name: As in `Proxy`.
        scale: As in `nas.sums.StageSum`.
        settings: Further arguments of `register_stages`.

    Raises:
        ValueError: A proxy of that name exists already.
    """

    def add(term: Term) -> Term:
        stage_sum = StageSum(name, term, scale)

        def of_stage(parts: Sequence[Part]) -> int:
            from search_spaces.chain import figures_of

            return stage_sum.units(figures_of(parts))

        def combine(units: Sequence[int]) -> float:
            return float(stage_sum.value(sum(units)))

        combine.__doc__ = term.__doc__
        register_stages(name, of_stage, stage_sum=stage_sum, **settings)(combine)
        return term

    return add


def _add(proxy: Proxy) -> None:
    if proxy.name in _proxies:
        raise ValueError(f"there is a proxy {proxy.name} already")
    _proxies[proxy.name] = proxy


def names() -> tuple[str, ...]:
    """Names of all proxies that are not fitted, in the order in which they are listed."""
    for module in _modules():
        _import(module)
    return tuple(_proxies)


def check_new_name(name: str) -> None:
    """Check the name of a score that is to be fitted.

    Raises:
        RequestError: It has characters that are not allowed, or a score that is not fitted has it.
    """
    check_name(name)
    if name in names():
        raise RequestError(f"there is a score {name} already; choose another name")


def shipped() -> tuple[str, ...]:
    """Names of the fitted scores of this package."""
    folder = files("nas.fitted") / _SHIPPED
    found = folder.iterdir() if folder.is_dir() else iter(())
    return tuple(sorted(file.name.removesuffix(SUFFIX) for file in found if file.name.endswith(SUFFIX)))


def is_fitted(name: str) -> bool:
    """Whether it is the name of a fitted score: one of this package, or one whose file was read."""
    return name in _fitted or name in shipped()


def find(name: str) -> Proxy | None:
    """The proxy of that name, or None; as `named`, and for a path the score of that file.

    Raises:
        RequestError: It is the path of a file that cannot be used.
    """
    return _loaded(Path(name)) if name.endswith(SUFFIX) else named(name)


def named(name: str) -> Proxy | None:
    """The proxy of that name, or the fitted score of this package, or None; it opens no other file.

    Imports no more modules than needed to find it.
    """
    if name not in _fitted and name in shipped():
        _fitted[name] = _of_fitted(_of_package(name))
    if name in _fitted:
        return _fitted[name]
    for module in _modules():
        if name in _proxies:
            break
        _import(module)
    return _proxies.get(name)


def _of_package(name: str) -> FittedScore:
    """The fitted score of that name that ships with the package."""
    file = files("nas.fitted") / _SHIPPED / f"{name}{SUFFIX}"
    return FittedScore.parsed(file.read_bytes(), file.name)


def get(name: str) -> Proxy:
    """The proxy of that name; as `find`.

    Raises:
        RequestError: There is no proxy of that name.
    """
    if (proxy := find(name)) is None:
        known = (*names(), *shipped())
        hint = " (separate names by spaces)" if "," in name else did_you_mean(name, known)
        raise RequestError(
            f"unknown score {shown(name)}{hint}; there are {', '.join(known)}, and files of nas fit"
        )
    return proxy


def fitted_names() -> str:
    """The fitted scores that can be named, in words."""
    return f"{', '.join(shipped())}, and files of nas fit"


def check_distinct(names: Iterable[str]) -> None:
    """Check that no two different fitted scores of a request have one name, by which columns are found.

    Args:
        names: Names of scores, and paths of files; names of others are ignored.

    Raises:
        RequestError: Two have, or one is the path of a file that cannot be used.
    """
    known: dict[str, tuple[str, FittedScore]] = {}
    for name in names:
        fitted = get(name).fitted if name.endswith(SUFFIX) or is_fitted(name) else None
        if fitted and not _same(known.setdefault(fitted.name, (name, fitted))[1], fitted):
            one = known[fitted.name][0]
            raise RequestError(
                f"{one} and {name} are different scores of one name, {fitted.name}; change the field name in"
                " one of the files"
            )


def _loaded(path: Path) -> Proxy:
    """The score of a file, which is known by its name from now on."""
    score = FittedScore.load(path)
    proxy = _of_fitted(score)
    if proxy.name in names() or (proxy.name in shipped() and not _same(score, _of_package(proxy.name))):
        raise RequestError(f"{path}: there is another score of the name {proxy.name}; fit it under another")
    _fitted[proxy.name] = proxy
    return proxy


def _same(one: FittedScore, other: FittedScore) -> bool:
    """Whether scores have equal values; they may be fitted by different versions of packages."""
    return replace(one, versions={}) == replace(other, versions={})


def _of_fitted(score: FittedScore) -> Proxy:
    total = FittedSum(score)
    error = score.quality.rmse if score.quality else 0.001
    digits = min(max(0, 1 - math.floor(math.log10(max(error, 1e-6)))), 6)
    return Proxy(
        name=score.name,
        measure=lambda subject: total.of(subject.architecture),
        more_is_better=score.more_is_better,
        needs=frozenset(),
        title=score.name.replace("-", "\n", 1) + (f", {score.unit}" if score.unit else ""),
        axis=f"predicted {score.target}" + (f", {score.unit}" if score.unit else ""),
        logarithmic=False,
        one_width=False,
        number_format=f"{{:.{digits}f}}".format,
        stage_sum=total,
    )


def measure(name: str, subject: Subject) -> Measured:
    """Compute a proxy of a subject, and time it.

    Raises:
        RequestError: There is no proxy of that name, or the batch is too small for it.
    """
    proxy = get(name)
    start = time.perf_counter()
    value = float(proxy.measure(subject))
    return Measured(value, time.perf_counter() - start)


def _modules() -> tuple[str, ...]:
    """The modules of this package, in the order in which their proxies are listed."""
    there = sorted(module.name for module in iter_modules(import_module("nas.proxies").__path__))
    return (*_FIRST, *(name for name in there if name not in (*_FIRST, "registry")))


def _import(module: str) -> None:
    import_module(f"nas.proxies.{module}")
