"""Errors of public functions name arguments of Python, those of commands options."""

from collections.abc import Callable
from typing import Any

import pytest

import nas
from nas import exact
from nas.arguments import takes_options
from nas.exact.cli import main
from search_spaces import RequestError
from tests.conftest import refused

CALLS: dict[str, tuple[Callable[[], Any], str]] = {
    "a budget": (lambda: nas.search("mobilenet", flops=0), "flops 0: expected a budget"),
    "a budget of exact answers": (lambda: exact.count("mlp", params="x"), "params x: expected a budget"),
    "two goals": (
        lambda: nas.search("mlp", like="mlp_8", pareto="flops"),
        "like and pareto exclude each other",
    ),
    "an option that is not listed": (
        lambda: nas.train("mlp:mlp_8", dataset="seg20", image_size=4),
        "image_size 4: seg20 has one size",
    ),
    "a value of a recipe": (
        lambda: nas.train("mlp:mlp_8", dataset="seg20", batch_size=100_000),
        "change it with batch_size",
    ),
    "a switch": (
        lambda: nas.train("mlp:mlp_8", dataset="cifar10", data="nowhere"),
        "add download=True, or give its folder by data",
    ),
    "a choice to pin": (lambda: nas.search("mobilenet", flops="50M"), "Add fix={'resolution': 128}"),
    "caps of a table": (lambda: nas.tabular("table", "t.csv", caps=["x"]), "caps 'x': 'x' is not a cap"),
}


@pytest.mark.parametrize("case", CALLS)
def test_errors_of_functions_name_their_arguments(case: str) -> None:
    call, message = CALLS[case]
    with pytest.raises(RequestError) as error:
        call()
    assert message in str(error.value) and "--" not in str(error.value)


def test_what_is_no_argument_stays() -> None:
    @takes_options()
    def run(out: str) -> None:
        raise RequestError(f"{out} is not empty; choose another --out, or nas train --resume {out}")

    with pytest.raises(RequestError) as error:
        run("a--out '--out'")
    assert str(error.value) == (
        "a--out '--out' is not empty; choose another out, or nas train --resume a--out '--out'"
    )


def test_errors_of_commands_name_their_options(capsys: pytest.CaptureFixture[str]) -> None:
    for more in ([], ["--count"], ["--sample", "1"], ["--pareto", "params"]):
        assert "--flops 0: expected" in refused(main, ["--space", "mlp", "--flops", "0", *more], capsys)
