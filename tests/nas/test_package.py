"""The public names of the package, and the errors of its functions and classes for wrong arguments."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nas
import nas.optimize.run as module
import search_spaces
from nas import exact
from nas.optimize.folder import RunFolder
from search_spaces import (
    MLP,
    Architecture,
    DenseNet,
    MBConv,
    MobileNet,
    MobileNetWide,
    RequestError,
    ResNet,
    Torchvision,
)

SPACE = search_spaces.get("mlp")
SMALL, LARGE, HALF = (5, np.int64(5)), (10**30, 10**5000), 1.5
PATH, BAND, NONE = Path("/dev/null/x"), (1, 2), dict[str, int]()
WRONG = (
    *(None, True, np.True_, *SMALL, -1, HALF, float("nan"), float("inf"), *LARGE),
    *("", "x", "a\0b", "\x1b[31mred\nline", "9" * 5000, "\udcff", b"x", PATH),
    *([], (), NONE, BAND, {"x": 1}, {5: 1}, {"width": object()}, np.array([1, 2]), object(), len),
)
"""Values that are invalid for nearly every argument."""
EMPTY = tuple(value for value in WRONG if isinstance(value, list | tuple) and not value)
NAMES = tuple(value for value in WRONG if isinstance(value, str))
CLASSES: tuple[type[Architecture], ...] = (
    MLP,
    MBConv,
    MobileNet,
    MobileNetWide,
    ResNet,
    DenseNet,
    Torchvision,
)


def search(name: str) -> Callable[[Any], object]:
    score = {"score": "synflow"} if name == "score_batch" else {}
    return lambda value: nas.search("mlp", **{**score, name: value})


def exactly(function: Callable[..., object], name: str, **others: Any) -> Callable[[Any], object]:
    return lambda value: function(**{"space": "mlp", **others, name: value})


def train(name: str) -> Callable[[Any], object]:
    return lambda value: nas.train(**{"networks": "mlp:w8_d3_t2", "dataset": "seg20", name: value})


def study(name: str) -> Callable[[Any], object]:
    few = {"space": "mlp", "count": 3, "draw": "uniform"}
    return lambda value: nas.study(**{**few, "dataset": "seg20", name: value})


FUNCTIONS = {
    "best": exact.best,
    "front": exact.front,
    "count": exact.count,
    "estimate": exact.estimate,
    "sample": partial(exact.sample, n=1),
}
COSTS = ("flops", "macs", "params")
CALLS: dict[str, tuple[Callable[[Any], object], tuple[Any, ...]]] = {
    # A call with a value, and the values that are valid there, or rejected for another argument.
    "search space": (lambda value: nas.search(value), ()),
    **{f"search {name}": (search(name), (None, *SMALL, HALF, BAND)) for name in COSTS},
    **{f"search {name}": (search(name), (None,)) for name in ("like", "pareto", "score", "sampler")},
    "search minimize": (lambda value: nas.search("mlp", like="mlp_8", minimize=value), (None,)),
    "search across_widths": (search("across_widths"), (True,)),
    "search warm_start": (search("warm_start"), (True,)),
    "search fix": (search("fix"), (None, NONE)),
    **{f"search {name}": (search(name), (None, *SMALL)) for name in ("trials", "per_width", "score_batch")},
    **{f"search {name}": (search(name), SMALL) for name in ("seed", "top")},
    "search out": (search("out"), (None, PATH, *NAMES[1:2], *NAMES[3:])),
    "score networks": (nas.score, ()),
    "score several networks": (lambda value: nas.score([value]), ()),
    "score scores": (lambda value: nas.score("mlp:w8", scores=value), EMPTY),
    "score score_batch": (
        lambda value: nas.score("mlp:w8", scores=["zen"], score_batch=value),
        (None, *SMALL),
    ),
    "score seed": (lambda value: nas.score("mlp:w8", scores=["zen"], seed=value), SMALL),
    "predict networks": (nas.predict, ()),
    "predict several networks": (lambda value: nas.predict([value]), ()),
    "predict score": (lambda value: nas.predict("mbconv:efficientnet_b0", value), ()),
    "read folder": (nas.read, ()),
    "train networks": (train("networks"), ()),
    "train several networks": (lambda value: nas.train([value], dataset="seg20"), ()),
    **{f"train {name}": (train(name), ()) for name in ("dataset", "recipe", "crop")},
    **{f"train {name}": (train(name), (None, PATH, *NAMES)) for name in ("data",)},
    **{f"train {name}": (train(name), (None, *SMALL)) for name in ("top", "threads", "images", "image_size")},
    **{f"train {name}": (train(name), (None, *SMALL)) for name in ("parallel", "workers")},
    **{f"train {name}": (train(name), (*SMALL, HALF)) for name in ("epochs", "batch", "lr", "warmup")},
    "train seeds": (train("seeds"), (*SMALL, BAND)),
    **{f"train {name}": (train(name), (None,)) for name in ("device", "cache")},
    **{f"train {name}": (train(name), (True,)) for name in ("download", "compile")},
    "train checkpoint_minutes": (train("checkpoint_minutes"), (*SMALL, HALF)),
    "train stem_stride": (train("stem_stride"), (None,)),
    "train val_fraction": (train("val_fraction"), ()),
    "train out": (train("out"), (None, PATH, *NAMES)),
    "study space": (study("space"), ()),
    "study networks": (study("networks"), (None,)),
    "study draw": (study("draw"), (None,)),
    "study fix": (study("fix"), (None, NONE)),
    **{
        f"study {name}": (study(name), (None, *SMALL)) for name in ("count", "score_batch", "initialisations")
    },
    "study draw_seed": (study("draw_seed"), (None, *SMALL)),
    "study named_seeds": (study("named_seeds"), (None,)),
    "study scores": (study("scores"), (None, *EMPTY)),
    **{f"study {name}": (study(name), ()) for name in ("dataset", "recipe")},
    "load folder": (nas.load, NAMES[3:]),
    "load row": (lambda value: nas.load("x", value), SMALL),
    "load seed": (lambda value: nas.load("x", seed=value), (None, *SMALL, *LARGE)),
    "load best": (lambda value: nas.load("x", best=value), (True,)),
    **{f"{name} space": (exactly(each, "space"), ()) for name, each in FUNCTIONS.items()},
    **{
        f"{name} {cost}": (exactly(each, cost), (None, *SMALL, HALF, BAND))
        for name, each in FUNCTIONS.items()
        for cost in COSTS
    },
    **{f"{name} fix": (exactly(each, "fix"), (None, NONE)) for name, each in FUNCTIONS.items()},
    "best k": (exactly(exact.best, "k"), SMALL),
    "best like": (exactly(exact.best, "like"), (None,)),
    "best minimize": (exactly(exact.best, "minimize", like="mlp_8"), (None,)),
    "best across_widths": (exactly(exact.best, "across_widths", like="mlp_8"), (True,)),
    "front cost": (exactly(exact.front, "cost"), ()),
    "sample n": (exactly(exact.sample, "n"), SMALL),
    "sample seed": (exactly(exact.sample, "seed", n=1), SMALL),
    "get name": (search_spaces.get, ()),
    "parse text": (search_spaces.parse, ()),
    "space.parse text": (SPACE.parse, ()),
    "space.fix width": (lambda value: SPACE.fix(width=value), ()),
    "space.fix num_classes": (lambda value: SPACE.fix(num_classes=value), SMALL),
    "space.of_choices choices": (SPACE.of_choices, ()),
    "space.of_options numbers": (SPACE.of_options, ()),
    "space.of_options depth": (lambda value: SPACE.of_options([0, value, 0]), SMALL),
    "MLP.of_choices choices": (MLP.of_choices, ()),
    **{
        f"{cls.__name__} {field.name}": (
            lambda value, cls=cls, name=field.name: cls(**{name: value}),
            SMALL if isinstance(field.default, int) else (*SMALL, HALF),
        )
        for cls in CLASSES
        for field in fields(cls)
    },
}


ALIASES = {
    "networks": ("space", "spec"),
    "scores": ("score",),
    "dataset": ("data set",),
    "text": ("space", "spec"),
    "name": ("space", "network"),
    "row": ("folder",),
    "fix": ("choice",),
    **{f"{item}s": (f"{item}_1", f"{item}s") for item in ("depth", "width", "expansion", "kernel")},
}
"""Other words that may name an argument in an error."""


@pytest.mark.parametrize("called", CALLS)
def test_the_error_names_the_wrong_argument(called: str) -> None:
    call, right = CALLS[called]
    name = called.split()[-1]
    words = (name, name.replace("_", "-"), *ALIASES.get(name, ()))
    for value in WRONG:
        if any(value is one for one in right):
            continue
        with pytest.raises((TypeError, ValueError)) as error:
            call(value)
        message = str(error.value)
        assert any(word in message for word in words), message
        assert message.isprintable() and len(message) < 600, message


MISSPELT: tuple[tuple[Callable[..., object], str, str], ...] = (
    (nas.search, "flop", "flops"),
    (nas.score, "score", "scores"),
    (nas.predict, "scores", "score"),
    (nas.read, "foldr", "folder"),
    (nas.load, "rows", "row"),
    *((function, "flop", "flops") for function in (exact.best, exact.front, exact.count, exact.sample)),
)


@pytest.mark.parametrize(("function", "wrong", "right"), MISSPELT)
def test_a_misspelt_argument_gets_a_hint(function: Callable[..., object], wrong: str, right: str) -> None:
    with pytest.raises(TypeError, match=rf"has no argument {wrong} \(did you mean {right}\?\)"):
        function("mlp", **{wrong: "400M"})
    with pytest.raises(TypeError, match=r"has no argument qqq; it has "):
        function("mlp", qqq=1)


@pytest.mark.parametrize(("wrong", "right"), [("seed", "seeds"), ("epoch", "epochs"), ("imags", "images")])
def test_a_misspelt_value_of_a_training_gets_a_hint(wrong: str, right: str) -> None:
    for function in (nas.train, nas.study):
        with pytest.raises(TypeError, match=rf"has no argument {wrong} \(did you mean {right}\?\)"):
            function("mlp", **{"dataset": "seg20", wrong: 3})


@pytest.mark.parametrize(
    ("function", "name"),
    [
        *(
            (FUNCTIONS[name], goal)
            for name in ("front", "count", "estimate", "sample")
            for goal in ("like", "pareto")
        ),
        (exact.best, "pareto"),
        *((function, "budgets") for function in (nas.search, *FUNCTIONS.values())),
    ],
)
def test_options_of_other_functions_are_no_arguments(function: Callable[..., object], name: str) -> None:
    with pytest.raises(TypeError, match=rf"\(\) has no argument {name}\b"):
        function("mlp", **{name: "flops"})


def test_numbers_have_the_limits_of_the_command_line() -> None:
    for name, value in (("seed", 2**64), ("trials", 10**30), ("score_batch", 10**9), ("per_width", 10**6)):
        with pytest.raises(RequestError, match=rf"{name} is {value}, expected a whole number .* at most"):
            nas.search("mlp", **{"score": "synflow", name: value})
    with pytest.raises(RequestError, match=r"top is 1000000, expected .* at most 100,000"):
        nas.search("mlp", top=10**6)


def test_numpy_numbers_are_accepted(tmp_path: Path) -> None:
    pins = {"width": np.int64(8), "depth": np.int8(4)}
    few = {"trials": np.int64(20), "seed": np.uint8(1), "top": np.int64(1), "per_width": np.int32(3)}
    found = nas.search("mlp", fix=pins, sampler="random", out=tmp_path / "run", **few)
    plain = {"trials": 20, "seed": 1, "top": 1, "per_width": 3}
    assert found.equals(nas.search("mlp", fix={"width": 8, "depth": 4}, sampler="random", **plain))
    assert RunFolder.open(tmp_path / "run").request.trials == 20
    assert MLP(width=np.int64(8)) == MLP(width=8.0) == MLP(width=8)  # type: ignore[arg-type]
    assert type(MLP(width=np.int64(8)).width) is int  # type: ignore[arg-type]
    assert MobileNet(depths=np.ones(7, int)) == MobileNet(depths=[1] * 7)  # type: ignore[arg-type]


def test_functions_leave_their_packages_importable() -> None:
    assert module.Run.__module__ == "nas.optimize.run"
    assert nas.score("mobilenet:mobilenet_v2") == nas.score.score("mobilenet:mobilenet_v2")  # type: ignore[attr-defined]
    assert {"space", "flops", "top"} <= set(inspect.signature(nas.search).parameters)


def test_dir_lists_the_names_and_others_are_errors() -> None:
    assert {"exact", "load", "predict", "read", "score", "search", "study", "train"} <= set(dir(nas))
    assert all(callable(function) for function in (nas.search, nas.load, nas.exact.best))
    with pytest.raises(AttributeError, match="no attribute 'serach'"):
        nas.serach  # type: ignore[attr-defined]  # noqa: B018


def test_importing_nas_imports_no_submodule() -> None:
    imported = "import sys, nas; print([name for name in sys.modules if name.startswith(('nas.', 'numpy'))])"
    done = subprocess.run([sys.executable, "-c", imported], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
