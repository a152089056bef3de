"""Exported files: the same network in other programs' hands, or a line that says what is missing."""

from __future__ import annotations

import importlib.util
import json
import os
import resource
from pathlib import Path

import pytest
import torch

import nas
from nas.export import FORMATS, export, main
from nas.train.cli import main as train
from nas.train.data import Normalization
from nas.train.model import Classifier
from search_spaces import (
    MLP,
    DenseNet,
    MBConv,
    MobileNet,
    NASBenchMacro,
    OFAMobileNetV3,
    RequestError,
    ResNet,
    Torchvision,
)
from tests.conftest import Command, refused
from tests.nas.train.conftest import images

__all__ = ["images"]

SPREAD = Normalization(torch.tensor([0.4, 0.5, 0.6]), torch.tensor([0.2, 0.3, 0.4]))
FAMILIES = {
    "densenet": DenseNet(width_mult=1, depths=(3, 2, 2), links=(5, 0, 0), resolution=8, num_classes=3),
    "mlp": MLP(in_features=3 * 8 * 8, num_classes=3),
    "mbconv": MBConv(
        (1,) * 7, (3,) * 7, (1, 2, 1, 1, 1, 1, 1), (False, True) * 3 + (True,), resolution=8, num_classes=3
    ),
    "mobilenet": MobileNet(
        width_mult=0.35, depths=(1,) * 7, expansions=(1, 2, 2, 2, 2, 2, 2), resolution=8, num_classes=3
    ),
    "nasbench-macro": NASBenchMacro("01020100", resolution=8, num_classes=3),
    "ofa-mobilenetv3": OFAMobileNetV3(("33",) * 5, ("33",) * 5, resolution=8, num_classes=3),
    "resnet": ResNet(depths=(1, 1, 1, 1), width_per_group=8, resolution=8, num_classes=3),
    "torchvision": Torchvision("mnasnet1_0", width_mult=0.25, resolution=8, num_classes=3, stem_stride=1),
}


def classifier(family: str) -> Classifier:
    torch.manual_seed(0)
    return Classifier(FAMILIES[family], SPREAD, ("a", "b", "c"), 8).eval()


QUICK = ("state_dict", "safetensors")
"""Formats that need no trace of the network; of one family the others are tested every time too."""


@pytest.mark.parametrize(
    ("form", "family"),
    [
        pytest.param(form, family, marks=[] if form in QUICK or family == "resnet" else pytest.mark.slow)
        for form in FORMATS
        for family in FAMILIES
    ],
)
def test_the_file_is_the_same_network(form: str, family: str, tmp_path: Path) -> None:
    made = classifier(family)
    path = tmp_path / f"network{FORMATS[form].suffix}"
    assert export(made, path, form) < 1e-4
    assert [kept.name for kept in tmp_path.iterdir()] == [path.name]
    pixels = made.example(5)
    with torch.no_grad():
        torch.testing.assert_close(
            FORMATS[form].run(path.read_bytes(), made)(pixels), made(pixels), atol=1e-4, rtol=1e-3
        )


def test_files_contain_a_description(tmp_path: Path) -> None:
    import onnx
    from safetensors import safe_open

    made = classifier("mlp")
    export(made, tmp_path / "n.onnx", "onnx")
    metadata = {entry.key: entry.value for entry in onnx.load(tmp_path / "n.onnx").metadata_props}
    export(made, tmp_path / "n.safetensors", "safetensors")
    with safe_open(tmp_path / "n.safetensors", "pt") as file:
        for facts in (metadata, file.metadata()):
            assert facts["arch"] == str(made.architecture) and json.loads(facts["classes"]) == ["a", "b", "c"]
            assert "(1, 3, 8, 8)" in facts["input"]


def test_another_network_is_not_let_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, other = classifier("mlp"), classifier("mlp")
    with torch.no_grad():
        other.mean += 1
    broken = FORMATS["state_dict"]
    monkeypatch.setitem(
        FORMATS,
        "state_dict",
        type(broken)(broken.suffix, (), lambda _: broken.content(other), broken.run),
    )
    with pytest.raises(RuntimeError, match="a logit of the file differs"):
        export(made, tmp_path / "n.pt", "state_dict")
    assert not list(tmp_path.iterdir())


def test_any_path_will_do_and_a_file_that_cannot_be_written_gets_one_line(tmp_path: Path) -> None:
    """A path that is no text, and a real limit of the system on the size of files."""
    folder = tmp_path / os.fsdecode(b"\xff")
    folder.mkdir()
    export(classifier("mlp"), folder / "n.safetensors", "safetensors")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
        with pytest.raises(RequestError, match=r"cannot write .*n\.pt: File too large"):
            export(classifier("mlp"), folder / "n.pt", "state_dict")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [kept.name for kept in folder.iterdir()] == ["n.safetensors"]


def test_missing_packages_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    absent = ("onnx", "onnxruntime")
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name in absent else found(name, *rest)
    )
    with pytest.raises(RequestError, match=r"needs onnx, onnxruntime, not installed: .*\[export\]"):
        export(classifier("mlp"), tmp_path / "n.onnx", "onnx")


def test_the_command_exports_what_was_trained(
    tmp_path: Path, images: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = ["--dataset", "folder", "--data", str(images), "--set", "batch=12", "lr=0.05", "epochs=1"]
    assert train(["--arch", "mlp:mlp_8", *given, "--seeds", "3,4", "--out", "run"]) == 0
    assert main(["run", "--seed", "4", "--format", "onnx", "state_dict"]) == 0
    output = capsys.readouterr().out
    assert max(map(len, output.splitlines())) <= 80 and "of the largest logit" in output
    assert "run/export/row1-seed4.onnx" in output and "takes pixels from 0 to 1" in output
    module = nas.load("run", row=1, seed=4)
    kept = torch.load(tmp_path / "run" / "export" / "row1-seed4.pt", weights_only=True)
    assert all(torch.equal(value, kept[name]) for name, value in module.state_dict().items())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere is not the folder of a training"),
        (["nowhere", "--format", "tflite"], "invalid choice: 'tflite'"),
        (["nowhere", "--row", "0"], "'0' is not a whole number of at least 1"),
    ],
)
def test_an_invalid_request_gets_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in refused(main, arguments, capsys)


def test_an_invalid_request_exits_with_2(command: Command) -> None:
    done = command("nas.export", "nowhere")
    assert done.returncode == 2 and not done.stdout
    assert "nowhere is not the folder of a training" in done.stderr and done.stderr.count("\n") == 1
