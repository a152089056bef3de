"""Verification by fvcore finds errors of closed forms and tables."""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

import search_spaces
from nas import score
from nas.verify import CountMismatchError, FvcoreVerifier, compare, recount, verify
from search_spaces import MLP, Architecture, RequestError
from search_spaces.chain import Chain, Stage, Values
from search_spaces.layers import Linear, Part
from tests.processes import cold_recount, warm_recount


@dataclass(frozen=True)
class Misdescribed(Linear):
    """A layer whose module is one feature wider than its description."""

    def modules(self):  # type: ignore[no-untyped-def]
        return Linear(self.features_in, self.features_out + 1).modules()


@dataclass(frozen=True)
class MisdescribedMLP(MLP):
    """An MLP with a misdescribed classifier."""

    def chain(self) -> Chain:
        def head(entering: Values, chosen: Values) -> tuple[list[Part], Values]:
            return [Misdescribed(entering["width"], self.num_classes)], {}

        return (*super().chain()[:-1], Stage("head", (), head))


def row(made: Architecture) -> dict[str, Any]:
    """The row of an architecture in a table."""
    return {"arch": str(made), **score(made)}


def test_a_misdescribed_layer_is_found() -> None:
    with pytest.raises(CountMismatchError, match=r"params is \d+ in closed form, \d+ when built and counted"):
        compare(MisdescribedMLP(), recount(MisdescribedMLP()))


@pytest.mark.parametrize("figure", ["nn_mass", "flops", "macs", "params"])
def test_a_wrong_value_in_a_table_is_found(figure: str) -> None:
    verify([row(MLP())])
    with pytest.raises(CountMismatchError, match=f"{figure} is .* in the table"):
        verify([{**row(MLP()), figure: score(MLP())[figure] + 1}])


@pytest.mark.parametrize("figure", ["flops", "macs", "params"])
def test_a_difference_of_one_is_found(figure: str) -> None:
    counted = recount(MLP())
    compare(MLP(), counted)
    with pytest.raises(CountMismatchError, match=figure):
        compare(MLP(), {**counted, figure: counted[figure] + 1})


@pytest.mark.parametrize("start", [cold_recount, warm_recount])
def test_the_verifying_process_agrees_and_ends(
    start: Callable[[], "subprocess.Popen[str]"], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Started as users start it, and as most tests do."""
    monkeypatch.setattr("nas.verify.start_process", start)
    rows = [row(made) for made in search_spaces.get("mlp").references.values()]
    with FvcoreVerifier() as verifier:
        verifier.start(rows)
        assert list(verifier.verify()) == rows
        process = verifier._process
    assert process.poll() is not None


def test_a_killed_process_is_named_and_a_failed_one_is_an_internal_error() -> None:
    with FvcoreVerifier() as verifier:
        verifier._process.kill()
        with pytest.raises(
            RequestError, match=r"verifies mlp:.* was killed \(SIGKILL\), perhaps for lack of"
        ):
            verifier.start([row(MLP())])
            list(verifier.verify())
    with FvcoreVerifier() as verifier:
        verifier.start([{**row(MLP()), "arch": "none"}])
        with pytest.raises(RuntimeError, match="ended with exit code 1"):
            list(verifier.verify())


def test_files_of_the_working_folder_are_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("fvcore", "random", "nas"):
        (tmp_path / f"{name}.py").write_text("raise SystemError('imported')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("nas.verify.start_process", cold_recount)
    with FvcoreVerifier() as verifier:
        verifier.start([row(MLP())])
        assert len(list(verifier.verify())) == 1


@pytest.mark.parametrize("name", ["mobilenet:mobilenet_v2", "mlp:mlp_8"])
def test_counting_initialises_no_weights(name: str) -> None:
    before = torch.get_rng_state()
    recount(search_spaces.parse(name))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.nn.Linear(2, 2).weight.any()
    assert not torch.equal(torch.get_rng_state(), before)
