"""Costs of published MobileNets, and agreement with torchvision."""

import pytest
import torchvision
from hypothesis import given

import search_spaces
from nas import score
from nas.verify import compare, recount
from search_spaces import MobileNet, MobileNetWide, RequestError
from tests.conftest import examples
from tests.search_spaces.conformance import check_training, rows, small

CHECKED = {
    "mobilenet_v2": (3_504_872, 314_193_216, 300_774_272, 1287.0),
    "nn_mass_b": (3_701_560, 393_170_240, 375_523_968, 1654.0),
    "nn_mass_a": (2_295_160, 200_214_512, 186_910_032, 1030.0),
}


@pytest.mark.parametrize("name", CHECKED)
def test_references_have_the_published_costs(name: str) -> None:
    params, flops, macs, mass = CHECKED[name]
    assert score(f"mobilenet:{name}") == {"nn_mass": mass, "flops": flops, "macs": macs, "params": params}


@pytest.mark.parametrize("width", [0.35, 0.5, 0.75, 1.0, 1.3, 1.4])
def test_weights_are_those_of_torchvision_at_any_width(width: float) -> None:
    ours = MobileNet(width_mult=width).build()
    theirs = torchvision.models.mobilenet_v2(width_mult=width)
    assert [p.shape for p in ours.parameters()] == [p.shape for p in theirs.parameters()]


@pytest.mark.hypothesis
@pytest.mark.parametrize("name", ["mobilenet", "mobilenet-wide"])
def test_a_stem_of_stride_1_is_counted_exactly(name: str) -> None:
    space = small(search_spaces.get(name)).fix(stem_stride=1)

    @examples(2, 50)
    @given(rows(space))
    def holds(row: tuple[int, ...]) -> None:
        made = space.of_options(row)
        compare(made, recount(made))

    holds()


def test_a_stem_of_stride_1_costs_what_stride_2_costs_at_twice_the_side() -> None:
    """Only the input of the stem differs; a spec contains the stride only if it is not 2."""
    halved, whole = MobileNet(resolution=64), MobileNet(resolution=32, stem_stride=1)
    assert score(halved) == score(whole)
    assert str(halved).endswith("_r64") and str(whole).endswith("_r32_s1")
    assert MobileNet.parse(str(whole)) == whole
    check_training(MobileNet(width_mult=0.35, resolution=17, num_classes=7, stem_stride=1))
    with pytest.raises(RequestError, match="stem_stride is 3, expected a whole number of at most 2"):
        MobileNet(stem_stride=3)


def test_the_same_network_in_both_spaces_has_the_same_figures() -> None:
    assert score(MobileNet()) == score(MobileNetWide())


def test_the_spaces_have_the_documented_size() -> None:
    assert search_spaces.get("mobilenet").size == 190_080
    assert 2.7e14 < search_spaces.get("mobilenet-wide").size < 2.8e14


def test_bounds_of_the_default_space() -> None:
    choices = search_spaces.get("mobilenet").choices
    assert choices["width_mult"][0] == 0.35 and choices["width_mult"][-1] == 1.4
    assert [choices[f"depth_{stage}"][-1] for stage in range(1, 8)] == [3, 4, 5, 6, 5, 5, 3]


def test_bounds_of_the_wide_space() -> None:
    choices = search_spaces.get("mobilenet-wide").choices
    assert [(choices[f"width_{i}"][0], choices[f"width_{i}"][-1]) for i in range(1, 8)] == [
        (8, 24), (8, 32), (16, 48), (32, 96), (48, 144), (80, 240), (160, 480)
    ]  # fmt: skip
    assert [choices[f"depth_{i}"][-1] for i in range(1, 8)] == [3, 5, 7, 9, 7, 7, 3]
    assert choices["expansion_1"] == (1,) and choices["expansion_7"] == (3, 4, 6)


def test_a_first_block_that_keeps_its_width_has_a_skip_and_mass() -> None:
    """Stage 5 has stride 1: at the width of stage 4 its first block has a skip, too."""
    kept = MobileNetWide(widths=(16, 24, 32, 96, 96, 160, 320))
    changed = MobileNetWide(widths=(16, 24, 32, 88, 96, 160, 320))
    mass = (96 + 2 * 576) * 96 / (2 * 96 + 576)
    per_block = {name: score(network)["nn_mass"] for name, network in (("kept", kept), ("changed", changed))}
    stage_4 = {channels: 3 * (13 * channels) * channels / (8 * channels) for channels in (88, 96)}
    assert per_block["kept"] - stage_4[96] == pytest.approx(per_block["changed"] - stage_4[88] + mass)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("w0.6_dx-3", "'dx-3' at character 6"),
        ("mobilenet:w0.6_q2", "'q2' at character 16"),
        ("", "'' at character 1"),
        ("w0.6_w0.7", "'w0.7' at character 6 gives width_mult twice"),
        ("w0.6_d1-2-3", "depths is (1, 2, 3), expected 7 numbers"),
        ("w0.6_d0-2-3-4-3-3-1", "depth_1 is 0"),
        ("w-1", "width_mult is -1"),
        ("wnan", "width_mult is nan"),
        ("resnet:w64", "'resnet' is not 'mobilenet'"),
        ("nn_mass_c", "it is not a reference of mobilenet either (mobilenet_v2, nn_mass_a, nn_mass_b)"),
    ],
)
def test_the_error_of_a_wrong_spec_gives_the_position(text: str, expected: str) -> None:
    with pytest.raises(RequestError) as error:
        search_spaces.get("mobilenet").parse(text)
    assert expected in str(error.value)
    assert "\n" not in str(error.value)
