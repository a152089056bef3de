"""The formats a trained network is exported in: how files of each are made, and run to be checked."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
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
        content: What the file of a classifier holds.
        run: Makes of that something to run, the classifier showing only what it is.
    """

    suffix: str
    packages: tuple[str, ...]
    content: Callable[[Classifier], bytes]
    run: Callable[[bytes, Classifier], Run]


def facts(classifier: Classifier) -> dict[str, str]:
    """What someone who has only the file must know."""
    return {
        "arch": str(classifier.architecture),
        "classes": json.dumps(classifier.classes),
        "input": f"pixels from 0 to 1, of shape {tuple(classifier.example(1).shape)} for one image",
        "output": "logits, one for each class",
    }


def _safetensors(classifier: Classifier) -> bytes:
    from safetensors.torch import save

    return save(classifier.state_dict(), facts(classifier))


def _run_safetensors(content: bytes, classifier: Classifier) -> Run:
    from safetensors.torch import load

    return _with_weights(classifier, load(content))


def _state_dict(classifier: Classifier) -> bytes:
    import torch

    buffer = io.BytesIO()
    torch.save(classifier.state_dict(), buffer)
    return buffer.getvalue()


def _run_state_dict(content: bytes, classifier: Classifier) -> Run:
    import torch

    return _with_weights(classifier, torch.load(io.BytesIO(content), weights_only=True))


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


def _onnx(classifier: Classifier) -> bytes:
    program = as_onnx(classifier, classifier.example())
    program.model.metadata_props.update(facts(classifier))
    content: bytes = program.model_proto.SerializeToString()
    return content


def _run_onnx(content: bytes, classifier: Classifier) -> Run:
    import onnxruntime
    import torch

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return lambda pixels: torch.from_numpy(session.run(["logits"], {"pixels": pixels.numpy()})[0])


def _torch_export(classifier: Classifier) -> bytes:
    import torch

    shapes = ({0: torch.export.Dim.DYNAMIC},)
    program = torch.export.export(classifier, (classifier.example(),), dynamic_shapes=shapes)
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    return buffer.getvalue()


def _run_torch_export(content: bytes, classifier: Classifier) -> Run:
    import torch

    run: Run = torch.export.load(io.BytesIO(content)).module()
    return run


FORMATS: dict[str, Format] = {
    "safetensors": Format(".safetensors", ("safetensors",), _safetensors, _run_safetensors),
    "state_dict": Format(".pt", (), _state_dict, _run_state_dict),
    "onnx": Format(".onnx", ("onnx", "onnxscript", "onnxruntime"), _onnx, _run_onnx),
    "torch_export": Format(".pt2", (), _torch_export, _run_torch_export),
}
