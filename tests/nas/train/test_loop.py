"""The loop: what is learnt, and that it goes on bit for bit from wherever it stopped."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import torch

import search_spaces
from nas.train.config import RECIPES, Precision
from nas.train.data import Data, fitted
from nas.train.loop import DivergedError, Epoch, Training
from search_spaces import MLP, Architecture
from tests.nas.train.conftest import CPU, PLAIN, RECIPE, SMALL, same, training, weights


def run(made: Training) -> list[Epoch]:
    epochs = []
    while made.epoch < made.recipe.epochs:
        epoch = made.run_epoch()
        assert epoch is not None
        epochs.append(epoch)
    return epochs


def test_a_network_learns(data: Data) -> None:
    last = run(training(data, replace(PLAIN, epochs=6)))[-1]
    assert last.top1 > 80 and last.top5 == 100
    assert last.images_per_second == pytest.approx(72 / last.seconds)
    assert 0 < last.waiting < 1 and last.gpu_memory_mb is None


@pytest.mark.parametrize(
    ("kept", "stop_after"),
    [
        ("data", 1),
        ("data", 6),
        ("data", 11),
        ("on_disk", 11),
        pytest.param("on_disk", 1, marks=pytest.mark.slow),
        pytest.param("on_disk", 6, marks=pytest.mark.slow),
    ],
)
def test_a_resumed_training_is_equal_bit_for_bit(
    kept: str, stop_after: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    data: Data = request.getfixturevalue(kept)
    uninterrupted = training(data)
    expected = run(uninterrupted)
    stopped, steps = training(data), iter(range(1, 100))
    epochs = []
    while (epoch := stopped.run_epoch(lambda: next(steps) >= stop_after)) is not None:
        epochs.append(epoch)
    torch.save(stopped.state(), tmp_path / "state.pt")
    torch.manual_seed(99)
    resumed = training(data)
    resumed.load_state(torch.load(tmp_path / "state.pt", weights_only=True))
    epochs += run(resumed)
    assert same(weights(resumed), weights(uninterrupted))
    results = [(epoch.train_loss, epoch.top1, epoch.top5) for epoch in epochs]
    assert results == [(epoch.train_loss, epoch.top1, epoch.top5) for epoch in expected]


def test_a_pause_changes_nothing(data: Data) -> None:
    uninterrupted, paused = training(data), training(data)
    run(uninterrupted)
    while paused.epoch < 3:
        paused.run_epoch(lambda: True)
    assert same(weights(paused), weights(uninterrupted))


@pytest.mark.parametrize("precision", ["auto", "float32", "bfloat16"])
def test_convolutions_run_in_the_precision_of_the_recipe(data: Data, precision: Precision) -> None:
    made = training(data, replace(PLAIN, epochs=1, precision=precision))
    seen = set()
    convolution = next(module for module in made.model.modules() if isinstance(module, torch.nn.Conv2d))
    convolution.register_forward_hook(
        lambda module, inputs, output: seen.add((module.training, output.dtype))
    )
    run(made)
    trained = torch.bfloat16 if precision == "bfloat16" else torch.float32
    assert seen == {(True, trained), (False, torch.float32)}


def test_an_epoch_can_be_trained_without_a_test(data: Data) -> None:
    """Whatever times steps need not pay for a test; then the same epoch is tested, batch by batch."""
    untested = replace(data, test=cast(Any, None))
    made, whole = training(untested), training(data)
    loss = made.train_epoch(lambda: made.step == made.steps)
    ticks: list[None] = []
    epoch = whole.run_epoch(tick=lambda: ticks.append(None))
    assert epoch is not None and loss == epoch.train_loss and len(ticks) == 1
    assert same(made.model.state_dict(), whole.model.state_dict())


def test_results_depend_on_the_seed_only(data: Data) -> None:
    first, again, other = (training(data, seed=seed) for seed in (0, 0, 1))
    for made in (first, again, other):
        made.run_epoch()
    assert same(weights(first), weights(again)) and not same(weights(first), weights(other))


def test_the_global_random_state_has_no_effect(data: Data) -> None:
    alone, disturbed = training(data), training(data)
    run(alone)

    def draw() -> bool:
        torch.rand(1)
        return True

    while disturbed.epoch < 3:
        disturbed.run_epoch(draw)
    assert same(weights(alone), weights(disturbed))


def test_averaged_weights_keep_the_channel_indices(data: Data) -> None:
    made = training(data, replace(RECIPE, average=0.9))
    picked = {name: value.clone() for name, value in made.model.named_buffers() if "picked" in name}
    assert sum(map(len, picked.values())) == 5
    run(made)
    averaged = dict(made.tested.named_buffers())
    assert made.tested is not made.model and same({name: averaged[name] for name in picked}, picked)


def test_an_average_of_slower_decay_stays_nearer_to_the_first_weights(data: Data) -> None:
    def moved(average: float) -> float:
        made = training(data, replace(RECIPE, average=average, epochs=1))
        tested, last = (one.network[-1][-1].weight.detach() for one in (made.tested, made.model))  # type: ignore[index, union-attr]
        first = tested.clone()
        run(made)
        return float((tested - first).norm() / (last - first).norm())

    assert 0 < moved(0.999) < 0.9 * moved(0.5) and moved(0.0) == 1


def test_a_loss_that_is_not_finite_ends_the_training(data: Data) -> None:
    wild = replace(RECIPE, lr=1e6, warmup=0, epochs=1)
    with pytest.raises(DivergedError, match="in epoch 1; try a smaller lr"):
        Training(fitted(MLP(depth=6), data), data, wild, 0, CPU).run_epoch()


def test_the_learning_rate_rises_and_falls(data: Data) -> None:
    made = training(data, replace(PLAIN, warmup=1, lr=0.1))
    rates = []

    def note() -> bool:
        rates.append(made._optimizer.param_groups[0]["lr"])
        return False

    while made.epoch < 3:
        made.run_epoch(note)
    assert len(rates) == 18 and max(rates) == pytest.approx(0.1) and rates[-1] == pytest.approx(0, abs=1e-9)
    assert rates[:6] == sorted(rates[:6]) and rates[5:] == sorted(rates[5:], reverse=True)


@pytest.mark.parametrize("name", RECIPES)
def test_warm_up_scales_with_the_epochs(name: str) -> None:
    recipe = RECIPES[name]
    assert recipe.override({}) == recipe.override({"epochs": str(recipe.epochs)}) == recipe
    shorter = recipe.override({"epochs": "2"})
    assert shorter.warmup / shorter.epochs == pytest.approx(recipe.warmup / recipe.epochs)
    assert recipe.override({"epochs": "2", "warmup": "1"}).warmup == 1
    assert shorter.override({"epochs": "2"}) == shorter


def test_the_learning_rate_of_a_short_training_falls(data: Data) -> None:
    made = training(data, replace(PLAIN, epochs=1, warmup=2))
    made.run_epoch()
    assert made._optimizer.param_groups[0]["lr"] == pytest.approx(0, abs=1e-9)


def test_norms_and_biases_do_not_decay(data: Data) -> None:
    made = training(data, replace(PLAIN, weight_decay=0.5))
    groups = made._optimizer.param_groups
    assert [group["weight_decay"] for group in groups] == [0.5, 0.0]
    assert all(weight.ndim > 1 for weight in groups[0]["params"])
    assert sum(len(group["params"]) for group in groups) == len(list(made.model.parameters()))


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_trains(name: str, data: Data) -> None:
    assert training(data, replace(RECIPES[name], epochs=1, batch_size=24)).run_epoch() is not None


@pytest.mark.parametrize("space", search_spaces.names())
def test_every_space_trains(space: str, data: Data) -> None:
    known = search_spaces.get(space)
    architecture: Architecture = known.first
    made = Training(fitted(architecture, data), data, replace(PLAIN, batch_size=36, epochs=1), 0, CPU)
    epoch = made.run_epoch()
    assert epoch is not None and made.model(made.model.example()).shape == (2, 3)


def test_compiling_changes_no_result(data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    """More networks than torch.compile takes of one class; with a compiler that takes no half minute each."""
    monkeypatch.setattr("torch._dynamo.config.recompile_limit", 2)
    graphs = []

    def compiler(graph: torch.fx.GraphModule, inputs: object) -> torch.fx.GraphModule:
        graphs.append(graph)
        return graph

    real = torch.compile
    monkeypatch.setattr(torch, "compile", lambda model: real(model, backend=compiler))
    for depth in range(2, 6):
        mlp = fitted(MLP(depth=depth), data)
        made = Training(mlp, data, RECIPE, 0, CPU, compiling=True)
        assert made.forward.compiled and len(graphs) == depth - 1
        assert same(weights(made), weights(Training(mlp, data, RECIPE, 0, CPU)))
    assert made.run_epoch() is not None


def test_a_failed_compilation_falls_back_to_eager(data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(torch.nn.Module):
        def __init__(self, model: torch.nn.Module) -> None:
            super().__init__()
            self.model = model

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            self.model(pixels)
            raise RuntimeError("no compiler\nand more")

    monkeypatch.setattr(torch, "compile", Broken)
    made = Training(fitted(SMALL, data), data, RECIPE, 0, CPU, compiling=True)
    assert not made.forward.compiled and made.forward.failure == "RuntimeError: no compiler"
    assert same(weights(made), weights(training(data)))
    assert made.run_epoch() is not None
