"""Tests that every search space must pass; projects with spaces of their own can reuse `Conformance`."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import FrozenInstanceError, fields, replace
from itertools import islice

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import search_spaces
from nas import proxies
from nas.exact.graph import Graph
from nas.tables import FIGURES, Population, StageTables
from nas.verify import compare, recount
from search_spaces import Architecture, RequestError, Space
from search_spaces.counting import counted
from tests.conftest import examples, number

SMALL = {"resolution": 17, "num_classes": 7}
"""Constants that make tracing fast; no stride divides the resolution."""

SUMS = [found for name in proxies.names() if (found := proxies.get(name).stage_sum)]
"""Every registered score that is a sum over stages."""

_LARGE = 5e9
"""FLOPs above which counting takes seconds."""

_MANY = 3e7
"""Parameters above which a training step takes seconds."""


def small(space: Space) -> Space:
    """The space with the constants of `SMALL` that its family has."""
    known = space.architecture.constant_names()
    return space.fix(**{name: value for name, value in SMALL.items() if name in known})


def rows(space: Space) -> st.SearchStrategy[tuple[int, ...]]:
    """Option numbers of a random architecture; each end of a choice is as likely as all between."""
    counts = [len(options) for options in space.choices.values()]
    return st.tuples(*(st.sampled_from([0, n - 1]) | st.integers(0, n - 1) for n in counts))


def extremes(space: Space) -> Iterator[tuple[int, ...]]:
    """All choices at an end, the same first; every two choices have all four combinations of their ends."""
    last = [len(options) - 1 for options in space.choices.values()]
    yield tuple(0 for _ in last)
    yield tuple(last)
    for bit in range((len(last) - 1).bit_length()):  # the numbers of any two choices differ in some bit
        for ones in (0, 1):
            yield tuple(end if place >> bit & 1 == ones else 0 for place, end in enumerate(last))


def architecture(space: Space, row: tuple[int, ...]) -> Architecture:
    """The architecture with these options."""
    return space.of_options(row)


def check_population_scores(space: Space, tables: StageTables, population: Population) -> None:
    """Scores of a population equal those of its architectures, to the last bit."""
    scored = tables.score(population)
    for place, row in enumerate(population.tolist()):
        figures = architecture(space, tuple(row)).figures()
        for name in FIGURES:
            assert scored[name][place] == getattr(figures, name), name
        for one in tables.sums:
            assert scored[one.name][place] == one.of(architecture(space, tuple(row))), one.name


def check_training(made: Architecture) -> None:
    """The network runs, and every parameter receives a finite gradient."""
    torch.manual_seed(0)
    model = made.build().train()
    outputs = model(torch.randn(2, *made.input_shape))
    assert outputs.shape == (2, made.constants()["num_classes"])
    outputs.square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name


def check_round_trip(made: Architecture) -> None:
    """An architecture equals what its spec, its choices and its pickle give."""
    assert search_spaces.parse(str(made)) == type(made).parse(str(made)) == made
    assert type(made).of_choices(made.choices(), **made.constants()) == made
    assert hash(type(made).parse(str(made))) == hash(made)
    assert pickle.loads(pickle.dumps(made)) == made
    assert str(made).isprintable() and " " not in str(made) and "," not in str(made)


def check_same_network(made: Architecture, other: nn.Module) -> None:
    """Another module counts the same and, given the same weights in the same order, computes the same."""
    counts, figures = counted(lambda: deepcopy(other), made.input_shape), made.figures()
    assert (counts.params, counts.macs, counts.flops) == (figures.params, figures.macs, figures.flops)
    ours, theirs = made.build().eval(), other.eval()
    with torch.no_grad():
        for mine, its in zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True):
            its.copy_(mine.reshape(its.shape))
        images = torch.randn(2, *made.input_shape)
        torch.testing.assert_close(theirs(images), ours(images))


class Conformance:
    """The suite; a subclass supplies the fixture `space`."""

    @pytest.fixture
    def space(self) -> Space:
        """The space under test."""
        raise NotImplementedError

    @pytest.mark.hypothesis
    def test_the_closed_form_equals_fvcore(self, space: Space) -> None:
        """Parameters, FLOPs, MACs and operations per operator, of extremes and random architectures."""
        space = small(space)

        def check(row: tuple[int, ...]) -> None:
            made = architecture(space, row)
            compare(made, recount(made))

        for row in islice(extremes(space), number(4, 40)):
            check(row)
        examples(3, 60)(given(rows(space))(check))()

    @pytest.mark.parametrize("large", [False, pytest.param(True, marks=pytest.mark.slow)])
    def test_references_equal_fvcore_at_full_size(self, space: Space, large: bool) -> None:
        for reference in space.references.values():
            if (reference.figures().flops > _LARGE) == large:
                compare(reference, recount(reference))

    @pytest.mark.hypothesis
    def test_population_scores_equal_those_of_architectures(self, space: Space) -> None:
        tables = StageTables.of(space, SUMS)
        check_population_scores(space, tables, np.array(list(extremes(space))))

        @examples(5, 50)
        @given(st.lists(rows(space), min_size=1, max_size=20))
        def holds(population: list[tuple[int, ...]]) -> None:
            check_population_scores(space, tables, np.array(population))

        holds()

    def test_the_extent_contains_every_value(self, space: Space) -> None:
        """Only containment; tests of the exact search compare the ends with all networks."""
        tables = StageTables.of(space, SUMS)
        counts = [len(options) for options in space.choices.values()]
        sampled = np.random.default_rng(0).integers(0, counts, (2000, len(counts)))
        scored = tables.score(np.concatenate([sampled, np.array(list(extremes(space)))]))
        for name in tables.names:
            least, largest = Graph.of(tables).extent(name)
            assert least <= scored[name].min() and scored[name].max() <= largest

    def test_some_stage_reads_every_choice(self, space: Space) -> None:
        read = [name for stage in space.chain() for name in stage.choices]
        assert sorted(read) == sorted(space.choices)

    @pytest.mark.hypothesis
    def test_specs_and_choices_round_trip(self, space: Space) -> None:
        @given(rows(space))
        def holds(row: tuple[int, ...]) -> None:
            made = architecture(space, row)
            check_round_trip(made)
            assert space.parse(str(made)) == made

        holds()

    def test_constants_round_trip(self, space: Space) -> None:
        made = architecture(small(space), next(extremes(space)))
        assert space.parse(str(made)) == made

    def test_architectures_are_frozen(self, space: Space) -> None:
        made = architecture(space, next(extremes(space)))
        with pytest.raises(FrozenInstanceError):
            setattr(made, fields(made)[0].name, None)

    @pytest.mark.hypothesis
    def test_the_canonical_row_is_the_same_network(self, space: Space) -> None:
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
        few = [made for row in extremes(space) if (made := architecture(space, row)).figures().params < _MANY]
        few.sort(key=lambda made: float(made.figures().params))
        references = [space.of_choices(one.choices()) for one in space.references.values()]
        for made in (few[0], few[-1], *[one for one in references if one.figures().params < _MANY][:3]):
            check_training(made)

    def test_the_same_seed_builds_the_same_network(self, space: Space) -> None:
        made = small(space)
        states = []
        for _ in range(2):
            torch.manual_seed(3)
            states.append(architecture(made, next(extremes(made))).build().state_dict())
        assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])

    def test_names_of_references_are_not_specs(self, space: Space) -> None:
        for name, reference in space.references.items():
            assert space.parse(name) == reference
            with pytest.raises(RequestError):
                space.architecture.parse(name)

    def test_a_field_of_the_wrong_type_is_refused(self, space: Space) -> None:
        made = architecture(space, next(extremes(space)))
        for field in fields(made):
            for wrong in (None, -1, 0.5 if field.name != "width_mult" else "x", (), float("nan"), True):
                with pytest.raises(RequestError, match=field.name[:-1]):
                    replace(made, **{field.name: wrong})
