"""Export: a trained network as a file for other programs, checked against the module it came from."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from nas.export.formats import FORMATS, Run
from nas.files import write_whole

if TYPE_CHECKING:
    from nas.train.classifier import Classifier

_TOLERANCE = 1e-3
"""Largest difference of logits, as a share of the largest logit: other kernels round differently."""


def export(classifier: Classifier, path: Path, form: str) -> float:
    """Write a trained network to a file, once what it holds was run and is the same network.

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
    from nas.folders import writing  # with numpy: the command is not yet guarded where this is imported
    from search_spaces import RequestError

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
