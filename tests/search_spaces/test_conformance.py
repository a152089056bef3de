"""Every registered space conforms."""

import pytest
from hypothesis import settings

import search_spaces
from search_spaces import Space
from tests.search_spaces.conformance import Conformance, closed_form_is_fvcores_count


@pytest.fixture(params=search_spaces.names())
def registered(request: pytest.FixtureRequest) -> Space:
    """Each registered space."""
    return search_spaces.get(request.param)


class TestRegistered(Conformance):
    """The suite over each space."""

    @pytest.fixture
    def space(self, registered: Space) -> Space:
        """The space under test."""
        return registered


@pytest.mark.slow
def test_closed_form_is_fvcores_count_a_thousand_times(registered: Space) -> None:
    closed_form_is_fvcores_count(registered, settings(max_examples=1000))


def test_the_families_are_there() -> None:
    assert {"mobilenet", "mobilenet-wide", "densenet", "resnet", "mlp"} <= set(search_spaces.names())
