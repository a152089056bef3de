"""The formats a trained network is exported in: how each is written, and how it is run to be checked."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.onnx import ONNXProgram

    from nas.train.classifier import Classifier

Run: TypeAlias = "Callable[[Tensor], Tensor]"
"""Pixels to logits."""


@dataclass(frozen=True)
class Format:
    """A format.

    Attributes:
        suffix: Of its files.
        packages: What it needs beyond torch.
        write: Writes a classifier to a file.
        run: Makes of such a file something to run, the classifier showing only what it is.
    """

    suffix: str
    packages: tuple[str, ...]
    write: Callable[[Classifier, Path], None]
    run: Callable[[Path, Classifier], Run]


def facts(classifier: Classifier) -> dict[str, str]:
    """What someone who has only the file must know."""
    return {
        "arch": str(classifier.architecture),
        "classes": json.dumps(classifier.classes),
        "input": f"pixels from 0 to 1, of shape {tuple(classifier.example(1).shape)} for one image",
        "output": "logits, one for each class",
    }


def _write_safetensors(classifier: Classifier, path: Path) -> None:
    from safetensors.torch import save_file

    save_file(classifier.state_dict(), path, metadata=facts(classifier))


def _run_safetensors(path: Path, classifier: Classifier) -> Run:
    from safetensors.torch import load_file

    return _with_weights(classifier, load_file(path))


def _write_state_dict(classifier: Classifier, path: Path) -> None:
    import torch

    torch.save(classifier.state_dict(), path)


def _run_state_dict(path: Path, classifier: Classifier) -> Run:
    import torch

    return _with_weights(classifier, torch.load(path, weights_only=True))


def _with_weights(classifier: Classifier, weights: dict[str, Tensor]) -> Run:
    """A new network of the same architecture with other weights."""
    from nas.train.classifier import Classifier

    blank = Classifier(classifier.architecture, classifier.spread, classifier.classes, classifier.side)
    blank.load_state_dict(weights)
    return blank.eval()


def as_onnx(module: nn.Module, pixels: Tensor) -> ONNXProgram:
    """A module in evaluation mode as ONNX, from `pixels` to `logits`, for batches of any size.

    Args:
        pixels: A batch of at least two; of one, the exporter would take the batch for a constant.
    """
    import torch

    program = torch.onnx.export(
        module,
        (pixels,),
        input_names=["pixels"],
        output_names=["logits"],
        dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    return program


def _write_onnx(classifier: Classifier, path: Path) -> None:
    program = as_onnx(classifier, classifier.example())
    program.model.metadata_props.update(facts(classifier))
    program.save(path, external_data=False)


def _run_onnx(path: Path, classifier: Classifier) -> Run:
    import onnxruntime
    import torch

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda pixels: torch.from_numpy(session.run(["logits"], {"pixels": pixels.numpy()})[0])


def _write_torch_export(classifier: Classifier, path: Path) -> None:
    import torch

    shapes = ({0: torch.export.Dim.DYNAMIC},)
    program = torch.export.export(classifier, (classifier.example(),), dynamic_shapes=shapes)
    torch.export.save(program, path)


def _run_torch_export(path: Path, classifier: Classifier) -> Run:
    import torch

    run: Run = torch.export.load(path).module()
    return run


FORMATS: dict[str, Format] = {
    "safetensors": Format(".safetensors", ("safetensors",), _write_safetensors, _run_safetensors),
    "state_dict": Format(".pt", (), _write_state_dict, _run_state_dict),
    "onnx": Format(".onnx", ("onnx", "onnxscript", "onnxruntime"), _write_onnx, _run_onnx),
    "torch_export": Format(".pt2", (), _write_torch_export, _run_torch_export),
}
