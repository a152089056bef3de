"""Export: a trained network as a file for other programs, checked against the module it came from."""

from __future__ import annotations

import importlib.util
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from nas.export.formats import FORMATS, Run

if TYPE_CHECKING:
    from nas.train.classifier import Classifier

_TOLERANCE = 1e-3
"""Largest difference of logits, as a share of the largest logit: other kernels round differently."""


def export(classifier: Classifier, path: Path, form: str) -> float:
    """Write a trained network to a file, and run the file to see that it is the same network.

    Args:
        classifier: What `nas.load` gives.
        path: The file; it is written whole or not at all.
        form: One of `nas.export.formats.FORMATS`.

    Returns:
        The largest difference between a logit of the file and of the module, over a few random images.

    Raises:
        RequestError: The format needs packages that are not installed, or the file cannot be written.
        RuntimeError: The file is not the same network.
    """
    from search_spaces import RequestError

    format_ = FORMATS[form]
    missing = [package for package in format_.packages if importlib.util.find_spec(package) is None]
    if missing:
        raise RequestError(
            f"--format {form} needs {', '.join(missing)}, not installed: pip install 'zero-cost-nas[export]'"
        )
    try:
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            file = Path(folder) / path.name
            format_.write(classifier, file)
            difference = _difference(format_.run(file, classifier), classifier)
            file.replace(path)
    except OSError as error:
        raise RequestError(f"cannot write {path}: {error.strerror or error}") from None
    return difference


def _difference(run: Run, classifier: Classifier) -> float:
    """Between the logits of the two, for one image and for several."""
    import torch

    largest = 0.0
    with torch.no_grad():
        for images in (1, 3):
            pixels = classifier.example(images)
            expected, got = classifier(pixels), run(pixels)
            difference = (got - expected).abs().max().item()
            allowed = _TOLERANCE * max(expected.abs().max().item(), 1)
            if not difference <= allowed:
                raise RuntimeError(f"a logit of the file differs by {difference}, more than {allowed}")
            largest = max(largest, difference)
    return largest
