"""What is done with search spaces: score, count, search, train, study; and the tables of a run read again.

Names are imported when they are first used: `import nas` costs nothing, and a command of this package catches
Ctrl-C before anything slow is imported.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import inspect
    from collections.abc import Callable

    from nas import exact
    from nas.fit import fit
    from nas.predict import predict
    from nas.read import read
    from nas.score import score
    from nas.search import search
    from nas.study import study
    from nas.tabular import tabular
    from nas.train import train
    from nas.train.folder import load

__all__ = ["exact", "fit", "load", "predict", "read", "score", "search", "study", "tabular", "train"]


class CallablePackage(ModuleType):
    """A package named for its one function, as which it is called: `nas.score(...)`, `nas.search(...)`."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """What the function of the package's name gives."""
        return self._function(*arguments, **options)

    @property
    def __signature__(self) -> inspect.Signature:
        import inspect

        return inspect.signature(self._function)

    @property
    def _function(self) -> Callable[..., Any]:
        function: Callable[..., Any] = vars(self)[self.__name__.rpartition(".")[2]]
        return function


def callable_package(name: str) -> None:
    """Make the package of that name callable as its function of the same name."""
    sys.modules[name].__class__ = CallablePackage


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "load":
        return import_module("nas.train.folder").load
    return import_module(f"nas.{name}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
