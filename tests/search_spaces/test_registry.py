"""The registry of spaces, and what it answers to unknown names."""

import pytest

import search_spaces
from search_spaces import RequestError


def test_an_unknown_name_lists_the_names() -> None:
    with pytest.raises(RequestError) as error:
        search_spaces.get("mobilnet")
    assert "did you mean mobilenet?" in str(error.value)
    assert all(name in str(error.value) for name in search_spaces.names())


def test_a_name_is_registered_once() -> None:
    with pytest.raises(ValueError, match="registered already"):
        search_spaces.register(search_spaces.get("mlp"))


def test_torchvision_baselines_are_parsed_and_are_not_a_space() -> None:
    assert search_spaces.parse("torchvision:resnet18") == search_spaces.Torchvision("resnet18")
    assert "torchvision" not in search_spaces.names()
    with pytest.raises(RequestError, match=r"torchvision is not a search space: .*; the spaces are densenet"):
        search_spaces.get("torchvision")


def test_a_spec_without_a_space_is_refused() -> None:
    with pytest.raises(RequestError, match="names no space"):
        search_spaces.parse("nn_mass_b")


def test_fixing_pins_choices_and_sets_constants() -> None:
    space = search_spaces.get("mobilenet").fix(width_mult=1, resolution=192)
    assert space.choices["width_mult"] == (1.0,)
    assert space.references["mobilenet_v2"].input_shape == (3, 192, 192)
    assert search_spaces.get("mobilenet").choices["width_mult"] != (1.0,)


@pytest.mark.parametrize(
    ("pins", "message"),
    [
        ({"width_mult": 2}, "width_mult=2 is not an option of mobilenet; it has 0.35, 0.4"),
        ({"width": 1}, "no choice 'width' (did you mean width_mult?); it has width_mult, depth_1"),
        ({"resolution": 0}, "resolution is 0, expected a whole number of at least 1"),
    ],
)
def test_unknown_choices_and_options_are_refused(pins: dict[str, float], message: str) -> None:
    with pytest.raises(RequestError) as error:
        search_spaces.get("mobilenet").fix(**pins)
    assert message in str(error.value)
