"""Checkpoints: any damage is refused with a one-line message."""

from __future__ import annotations

import copy
import math
import os
import pickle
import random
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from nas.train.config import TrainConfig
from nas.train.data import Data, fitted
from nas.train.folder import TrainFolder
from nas.train.job import Job
from nas.train.model import Checkpoint
from nas.train.run import TrainRun
from nas.train.runtime import Execution, train
from search_spaces import RequestError, parse
from tests.nas.train.conftest import CPU, PLAIN

INVALID: tuple[object, ...] = (
    *(None, True, 5, -1, 10**30, 1.5, math.nan, math.inf, "x", "../../x", [], [1], {}, {"a": 1}),
    *(torch.zeros(2), torch.zeros(()), "mlp:w9_d3_t2_i192_c3", "torchvision:mobilenet_v2_w100"),
)


@pytest.fixture(scope="module")
def checkpoints(images: Path, data: Data, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The checkpoint of a finished job, and one of a running job."""
    folder = TrainFolder.create(
        TrainConfig(("mlp:w4_d3_t2",), "folder", str(images), "quick", replace(PLAIN, epochs=2), (0, 1)),
        tmp_path_factory.mktemp("checkpoints") / "run",
    )
    run, steps = TrainRun(folder.request, data, Execution(CPU)), iter(range(100))
    run.run(folder, stop=lambda: next(steps) >= 20)
    return {"done": folder.checkpoint("row1-seed0"), "running": folder.checkpoint("row1-seed1")}


def use(path: Path, data: Data) -> None:
    """Load a checkpoint, build its network, and resume its training."""
    checkpoint = Checkpoint.load(path)
    checkpoint.classifier(path)
    job, recipe = Job(1, fitted(parse("mlp:w4_d3_t2"), data), 1), replace(PLAIN, epochs=2)
    checkpoint.check(path, job, recipe, data)
    if checkpoint.training is not None:
        train(job, data, recipe, path, Execution(CPU), lambda: True, lambda job, outcome: None)


def places(values: Any, depth: int) -> Iterator[list[Any]]:
    """The path of keys to each part of nested values, up to a depth."""
    parts = (
        values.items() if isinstance(values, dict) else enumerate(values) if isinstance(values, list) else ()
    )
    for key, part in parts:
        yield [key]
        if depth > 1:
            yield from ([key, *rest] for rest in places(part, depth - 1))


@pytest.mark.parametrize("kind", ["done", "running"])
def test_invalid_values_get_one_line(
    kind: str, checkpoints: dict[str, Path], data: Data, tmp_path: Path
) -> None:
    """A checkpoint with an invalid or missing value, in each place."""
    whole = torch.load(checkpoints[kind], weights_only=True)
    path, generator = tmp_path / "invalid.pt", random.Random(0)
    refused = 0
    for keys in places(whole, 3):
        for invalid in generator.sample(INVALID, 2):
            values = copy.deepcopy(whole)
            place = values
            for key in keys[:-1]:
                place = place[key]
            if invalid is None and isinstance(place, dict):
                del place[keys[-1]]
            else:
                place[keys[-1]] = invalid
            torch.save(values, path)
            try:
                use(path, data)
            except RequestError as error:
                assert "\n" not in str(error) and len(str(error)) < 600
                refused += 1
    assert refused > 50


def test_a_flipped_bit_of_a_weight_is_refused(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    content, path = bytearray(checkpoints["done"].read_bytes()), tmp_path / "flipped.pt"
    with zipfile.ZipFile(checkpoints["done"]) as archive:
        largest = max(archive.infolist(), key=lambda part: part.file_size)
    content[largest.header_offset + largest.compress_size] ^= 1
    path.write_bytes(content)
    with pytest.raises(RequestError, match="checksum"):
        Checkpoint.load(path)


def test_flipped_bits_get_one_line(checkpoints: dict[str, Path], data: Data, tmp_path: Path) -> None:
    whole, path, generator = checkpoints["running"].read_bytes(), tmp_path / "flipped.pt", random.Random(0)
    for _ in range(25):
        content = bytearray(whole)
        content[generator.randrange(len(content))] ^= 1 << generator.randrange(8)
        path.write_bytes(content)
        try:
            use(path, data)
        except RequestError as error:
            assert "\n" not in str(error)


def test_special_files_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.pt")
    (tmp_path / "link.pt").symlink_to("pipe.pt")
    (tmp_path / "zero.pt").symlink_to("/dev/zero")
    (tmp_path / "folder.pt").mkdir()
    for name in ("pipe.pt", "link.pt", "zero.pt", "folder.pt"):
        with pytest.raises(RequestError, match=rf"{name} is damaged, or not a checkpoint of this package"):
            Checkpoint.load(tmp_path / name)


def test_weights_that_are_not_finite_are_refused(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    checkpoint = Checkpoint.load(checkpoints["done"])
    checkpoint.weights["mean"].fill_(math.nan)
    with pytest.raises(RequestError, match="mean is not finite: the training diverged"):
        checkpoint.classifier(tmp_path / "c.pt")


def test_a_checkpoint_with_code_is_refused(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return (os.system, ("touch " + str(tmp_path / "ran"),))

    path = tmp_path / "evil.pt"
    path.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(RequestError, match=r"evil\.pt is damaged, or not a checkpoint"):
        Checkpoint.load(path)
    torch.save({"arch": Evil()}, path)
    with pytest.raises(RequestError, match=r"evil\.pt is damaged, or not a checkpoint"):
        Checkpoint.load(path)
    assert not (tmp_path / "ran").exists()
