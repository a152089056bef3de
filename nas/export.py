"""The command `nas export`, and its function: a trained network as a file of another format, checked."""

from __future__ import annotations

if __name__ == "__main__":
    from nas.commands import run_command

    run_command("export")

import importlib.util
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from nas.cli import DONE, Parser, wrapped
from nas.files import write_whole
from nas.runs import writing
from nas.train.folder import TrainFolder, load
from nas.values import at_least
from search_spaces import RequestError

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.onnx import ONNXProgram

    from nas.train.model import Classifier

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
    from nas.train.model import Classifier

    blank = Classifier(classifier.architecture, classifier.normalization, classifier.classes, classifier.side)
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


_TOLERANCE = 1e-3
"""Largest difference of logits, as a fraction of the largest logit: other kernels round differently."""


def export(classifier: Classifier, path: Path, form: str) -> float:
    """Write a trained network to a file, once what it holds was run and is the same network.

    Args:
        classifier: What `nas.load` gives.
        path: The file; it is written whole or not at all.
        form: One of `nas.export.FORMATS`.

    Returns:
        The largest difference between a logit of the file and of the module, over a few random images, as
        a fraction of the largest logit.

    Raises:
        RequestError: The format needs packages that are not installed, or the file cannot be written.
        RuntimeError: The file is not the same network.
    """
    format_ = FORMATS[form]
    missing = [package for package in format_.packages if importlib.util.find_spec(package) is None]
    if missing:
        raise RequestError(
            f"--format {form} needs {', '.join(missing)}, not installed: pip install 'zero-cost-nas[export]'"
        )
    content = format_.content(classifier)
    difference = _difference(format_.run(content, classifier), classifier)
    with writing(path):
        write_whole(path, content)
    return difference


def _difference(run: Run, classifier: Classifier) -> float:
    """Between the logits of the two, for one image and for several, relative to the largest logit."""
    import torch

    largest = 0.0
    with torch.no_grad():
        for images in (1, 3):
            pixels = classifier.example(images)
            expected, got = classifier(pixels), run(pixels)
            difference, scale = (got - expected).abs().max().item(), expected.abs().max().item()
            allowed = _TOLERANCE * max(scale, 1)
            if not difference <= allowed:
                raise RuntimeError(f"a logit of the file differs by {difference}, more than {allowed}")
            largest = max(largest, difference / (scale or 1))
    return largest


def main(arguments: Sequence[str] | None = None) -> int:
    """Export as the arguments say; returns the exit code."""
    options = _parser().parse_args(arguments)
    classifier = load(options.folder, options.row, options.seed, options.best)
    out = options.out or options.folder / "export"
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
    seeds = TrainFolder.open(options.folder).request.seeds_of(options.row)
    best = "-best" if options.best else ""
    name = f"row{options.row}-seed{seeds[0] if options.seed is None else options.seed}{best}"
    for form in options.format:
        path = out / f"{name}{FORMATS[form].suffix}"
        difference = export(classifier, path, form)
        size = path.stat().st_size / 2**20
        print(path)
        print(f"  {size:.2f} MiB; logits equal the module's within {difference:.1e} of the largest logit")
    print(wrapped(f"{classifier.architecture} for {len(classifier.classes)} classes"))
    print(f"takes pixels from 0 to 1, shape (N, {', '.join(map(str, classifier.example(1).shape[1:]))})")
    return DONE


def _parser() -> Parser:
    parser = Parser("nas export", description="Write a trained network as files for other programs.")
    add = parser.add_argument
    add("folder", type=Path, help="folder of a training run")
    add("--row", type=at_least(1), default=1, help="the network's row in its trained.csv (1)")
    add("--seed", type=at_least(0), help="the seed it was trained with (the first one)")
    add("--best", action="store_true", help="the weights that did best on held-out images, not the last")
    forms = f"one or several of {', '.join(FORMATS)} (safetensors)"
    add("--format", nargs="+", choices=FORMATS, default=["safetensors"], metavar="FORMAT", help=forms)
    add("--out", type=Path, metavar="DIR", help="where to write (FOLDER/export)")
    return parser
