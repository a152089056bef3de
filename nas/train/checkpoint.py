"""Checkpoints: written whole or not at all, and read without running anything that is in them."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import torch

from nas.files import write_whole
from search_spaces import RequestError


def save(path: Path, state: dict[str, Any]) -> None:
    """Write tensors and plain values.

    Raises:
        OSError: It cannot be written; an older checkpoint is left as it was.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_whole(path, buffer.getvalue())


def load(path: Path, device: torch.device) -> dict[str, Any]:
    """Read what `save` wrote.

    Raises:
        RequestError: The file is damaged, or holds more than tensors and plain values.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
        reason = str(error).partition("\n")[0]
        raise RequestError(f"{path} is no checkpoint of ours ({reason})") from None
    return state
