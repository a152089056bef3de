"""The conformance suite, run on every registered space."""

import pytest

import search_spaces
from search_spaces import Space
from tests.search_spaces.conformance import Conformance


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


def test_all_families_are_registered() -> None:
    families = {"mobilenet", "mobilenet-wide", "mbconv", "densenet", "resnet", "mlp"}
    assert families <= set(search_spaces.names())
