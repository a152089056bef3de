"""The conformance suite, run on every registered space."""

import pytest
from hypothesis import settings

import search_spaces
from search_spaces import Space
from tests.search_spaces.conformance import Conformance, check_closed_form_against_fvcore


@pytest.fixture(params=search_spaces.names())
def registered(request: pytest.FixtureRequest) -> Space:
    """Each registered space."""
    return search_spaces.get(request.param)


class TestRegistered(Conformance):
    """The suite for each registered space."""

    @pytest.fixture
    def space(self, registered: Space) -> Space:
        """The space under test."""
        return registered


@pytest.mark.slow
def test_the_closed_form_equals_fvcore_in_a_thousand_cases(registered: Space) -> None:
    check_closed_form_against_fvcore(registered, settings(max_examples=1000))


def test_all_families_are_registered() -> None:
    families = {"mobilenet", "mobilenet-wide", "mbconv", "densenet", "resnet", "mlp"}
    assert families <= set(search_spaces.names())
