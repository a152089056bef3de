"""What every search space must do. `Conformance` is reused for spaces that are made outside this project."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import FrozenInstanceError, fields, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import search_spaces
from nas.exact.graph import Graph
from nas.tables import FIGURES, Population, StageTables
from nas.verify import compare, recount
from search_spaces import Architecture, RequestError, Space
from tests.conftest import examples

SMALL = {"resolution": 17, "num_classes": 7}
"""Constants that keep networks quick to trace, at a size that no stride divides; those that a family has."""


_LARGE = 5e9
"""FLOPs of references that take seconds to count."""


def small(space: Space) -> Space:
    """The space at a small resolution."""
    known = space.architecture.constant_names()
    return space.fix(**{name: value for name, value in SMALL.items() if name in known})


def rows(space: Space) -> st.SearchStrategy[tuple[int, ...]]:
    """Option numbers of a random architecture; the ends of each choice are as likely as all between."""
    counts = [len(options) for options in space.choices.values()]
    return st.tuples(*(st.sampled_from([0, n - 1]) | st.integers(0, n - 1) for n in counts))


def extremes(space: Space) -> Iterator[tuple[int, ...]]:
    """All choices at one end, and each alone at either end while the others are in the middle."""
    counts = [len(options) for options in space.choices.values()]
    yield tuple(0 for _ in counts)
    yield tuple(count - 1 for count in counts)
    for place, count in enumerate(counts):
        for end in {0, count - 1}:
            yield tuple(end if i == place else n // 2 for i, n in enumerate(counts))


def architecture(space: Space, row: tuple[int, ...]) -> Architecture:
    """The architecture that takes these options."""
    return space.of_options(row)


def same_as_population(space: Space, tables: StageTables, population: Population) -> None:
    """Scoring a population gives what its architectures give one by one, to the last bit."""
    scored = tables.score(population)
    for place, row in enumerate(population.tolist()):
        figures = architecture(space, tuple(row)).figures()
        for name in FIGURES:
            assert scored[name][place] == getattr(figures, name), name


def trains(made: Architecture) -> None:
    """A network runs forward, and every parameter receives a finite gradient."""
    torch.manual_seed(0)
    model = made.build().train()
    outputs = model(torch.randn(2, *made.input_shape))
    assert outputs.shape == (2, made.constants()["num_classes"])
    outputs.square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name


def closed_form_is_fvcores_count(space: Space, random: settings) -> None:
    """Parameters, FLOPs, MACs and each operator, of all extremes and of random architectures."""
    space = small(space)
    for row in extremes(space):
        made = architecture(space, row)
        compare(made, recount(made))

    @random
    @given(rows(space))
    def holds(row: tuple[int, ...]) -> None:
        made = architecture(space, row)
        compare(made, recount(made))

    holds()


class Conformance:
    """The suite; a subclass provides the space as a fixture."""

    @pytest.fixture
    def space(self) -> Space:
        """The space under test."""
        raise NotImplementedError

    @pytest.mark.hypothesis
    def test_closed_form_is_fvcores_count(self, space: Space) -> None:
        closed_form_is_fvcores_count(space, examples(20, 100))

    @pytest.mark.parametrize("large", [False, pytest.param(True, marks=pytest.mark.slow)])
    def test_references_are_fvcores_count_at_full_size(self, space: Space, large: bool) -> None:
        for reference in space.references.values():
            if (reference.figures().flops > _LARGE) == large:
                compare(reference, recount(reference))

    @pytest.mark.hypothesis
    def test_population_scores_as_architectures_do(self, space: Space) -> None:
        tables = StageTables.of(space)
        same_as_population(space, tables, np.array(list(extremes(space))))

        @examples(5, 50)
        @given(st.lists(rows(space), min_size=1, max_size=20))
        def holds(population: list[tuple[int, ...]]) -> None:
            same_as_population(space, tables, np.array(population))

        holds()

    def test_extent_holds_every_figure(self, space: Space) -> None:
        """Nothing lies outside the extent; tests of the families hold its ends against all networks."""
        tables = StageTables.of(space)
        counts = [len(options) for options in space.choices.values()]
        drawn = np.random.default_rng(0).integers(0, counts, (2000, len(counts)))
        scored = tables.score(np.concatenate([drawn, np.array(list(extremes(space)))]))
        for name in FIGURES:
            least, largest = Graph.of(tables).extent(name)
            assert least <= scored[name].min() and scored[name].max() <= largest

    def test_every_choice_is_read(self, space: Space) -> None:
        read = [name for stage in space.chain() for name in stage.choices]
        assert sorted(read) == sorted(space.choices)

    @pytest.mark.hypothesis
    def test_specs_and_choices_read_back(self, space: Space) -> None:
        @given(rows(space))
        def holds(row: tuple[int, ...]) -> None:
            made = architecture(space, row)
            assert space.parse(str(made)) == made
            assert search_spaces.parse(str(made)) == made
            assert type(made).of_choices(made.choices(), **made.constants()) == made
            assert hash(space.parse(str(made))) == hash(made)
            assert pickle.loads(pickle.dumps(made)) == made
            assert str(made).isprintable() and " " not in str(made) and "," not in str(made)

        holds()

    def test_constants_read_back(self, space: Space) -> None:
        made = architecture(small(space), next(extremes(space)))
        assert space.parse(str(made)) == made

    def test_architectures_are_frozen(self, space: Space) -> None:
        made = architecture(space, next(extremes(space)))
        with pytest.raises(FrozenInstanceError):
            setattr(made, fields(made)[0].name, None)

    @pytest.mark.hypothesis
    def test_canonical_is_the_same_network(self, space: Space) -> None:
        tables = StageTables.of(space)

        @given(rows(space))
        def holds(row: tuple[int, ...]) -> None:
            population = np.array([row])
            canonical = tables.canonical(population)
            made, same = architecture(space, row), architecture(space, tuple(canonical[0]))
            assert made.figures() == same.figures()
            assert np.array_equal(tables.canonical(canonical), canonical)

        holds()

    def test_networks_train(self, space: Space) -> None:
        space = small(space)
        for row in [*extremes(space)][:2]:
            trains(architecture(space, row))
        for reference in list(space.references.values())[:3]:
            trains(reference)

    def test_the_same_seed_builds_the_same_network(self, space: Space) -> None:
        made = small(space)
        states = []
        for _ in range(2):
            torch.manual_seed(3)
            states.append(architecture(made, next(extremes(made))).build().state_dict())
        assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])

    def test_references_have_names_that_no_spec_has(self, space: Space) -> None:
        for name, reference in space.references.items():
            assert space.parse(name) == reference
            with pytest.raises(RequestError):
                space.architecture.parse(name)

    def test_a_field_of_the_wrong_kind_is_refused(self, space: Space) -> None:
        made = architecture(space, next(extremes(space)))
        for field in fields(made):
            for wrong in (None, -1, 0.5 if field.name != "width_mult" else "x", (), float("nan"), True):
                with pytest.raises(RequestError, match=field.name[:-1]):
                    replace(made, **{field.name: wrong})
