"""Training speed of our loop, eager and compiled, and of a plain loop on the same device, with noise images.

The plain loop is that of a first tutorial: float32, images augmented one by one in the workers of a
DataLoader, no compilation. For comparison the table has the rate of the device in a large matrix product.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

import search_spaces
from benchmarks.record import save
from nas.train.config import RECIPES
from nas.train.data import Data, fitted
from nas.train.images import InMemory
from nas.train.loop import Training

NETWORKS = {"densenet:cells_13": (32, 10), "mobilenet:mobilenet_v2": (64, 100)}
"""Networks, each with the side of its images in pixels and its number of classes."""
LOOPS = ("plain", "ours", "ours, compiled")
EPOCHS = 4
"""The first epoch is not counted."""


def main() -> None:
    """Measure every network with every loop; write the table after each network."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    ceiling = matrix_product_rate(device)
    rows: list[dict[str, object]] = []
    for spec, (side, classes) in NETWORKS.items():
        data = noise(50_000 if device.type == "cuda" else 512, side, classes)
        architecture = fitted(search_spaces.parse(spec), data)
        # 2 operations per multiply-add; the backward pass costs 2 forward passes.
        per_image = 6 * architecture.figures().macs
        for loop in LOOPS:
            compiling = loop == "ours, compiled"
            if compiling and device.type == "cpu":
                continue
            measured = plain(spec, data, device) if loop == "plain" else ours(spec, data, device, compiling)
            for epoch in measured:
                rate = per_image * float(str(epoch["images_per_second"])) / 1e12
                rows.append(
                    {
                        "network": spec,
                        "side": side,
                        "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
                        "loop": loop,
                        **epoch,
                        "tflops": rate,
                        "of_matrix_product": rate / ceiling,
                    }
                )
        save("training", pd.DataFrame(rows), "python -m benchmarks training")


def noise(count: int, side: int, classes: int) -> Data:
    """A data set of noise; speed does not depend on the content of images."""
    pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (count, 3, side, side), np.uint8))
    images = InMemory(pixels, torch.arange(count) % classes)
    return Data("noise", tuple(map(str, range(classes))), images, images.take(torch.arange(100)))


def ours(spec: str, data: Data, device: torch.device, compiling: bool) -> Iterator[dict[str, object]]:
    """Yield the measured epochs of our loop."""
    recipe = replace(RECIPES["cifar"], epochs=EPOCHS)
    on_device = data.to(device)
    training = Training(
        fitted(search_spaces.parse(spec), data), on_device, recipe, 0, device, compiling=compiling
    )
    for _ in range(EPOCHS):
        epoch = training.run_epoch()
        assert epoch is not None
        if epoch.number > 1:
            yield {
                "images_per_second": epoch.images_per_second,
                "waiting": epoch.waiting,
                "gpu_memory_mb": epoch.gpu_memory_mb,
                "compile_s": training.forward.seconds,
                "note": training.forward.failure,
            }


def plain(spec: str, data: Data, device: torch.device) -> Iterator[dict[str, object]]:
    """Yield the measured epochs of the plain loop, with the same recipe and images."""
    recipe = RECIPES["cifar"]
    torch.manual_seed(0)
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    model = fitted(search_spaces.parse(spec), data).build().to(device)
    loader = DataLoader(
        _OneByOne(data),
        recipe.batch_size,
        shuffle=True,
        drop_last=True,
        num_workers=min(8, os.cpu_count() or 1),
    )
    optimizer = torch.optim.SGD(
        model.parameters(), recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay
    )
    for epoch in range(EPOCHS):
        start, seen = time.perf_counter(), 0
        for images, labels in loader:
            loss = nn.functional.cross_entropy(model(images.to(device)), labels.to(device))
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            seen += len(labels)
        loss.item()  # waits for the device
        if epoch:
            memory = torch.cuda.max_memory_allocated() / 2**20 if device.type == "cuda" else None
            rate = seen / (time.perf_counter() - start)
            yield {"images_per_second": rate, "gpu_memory_mb": memory}


class _OneByOne(Dataset[tuple[torch.Tensor, int]]):
    """Yields images as torchvision's data sets do: one at a time, cropped, flipped, as tensors."""

    def __init__(self, data: Data) -> None:
        assert isinstance(data.train, InMemory)
        self._pixels = data.train.pixels.permute(0, 2, 3, 1).contiguous().numpy()
        self._labels = data.train.labels.tolist()
        side = data.side
        self._transform = v2.Compose(
            [
                v2.RandomCrop(side, padding=side // 8),
                v2.RandomHorizontalFlip(),
                v2.ToImage(),
                v2.ToDtype(torch.float32, scale=True),
                v2.Normalize([0.5] * 3, [0.25] * 3),
            ]
        )

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self._transform(Image.fromarray(self._pixels[index])), self._labels[index]


def matrix_product_rate(device: torch.device) -> float:
    """Tera-operations per second of a large matrix product, in the precision of our training."""
    kind, side = (torch.bfloat16, 8192) if device.type == "cuda" else (torch.float32, 2048)
    one, other = torch.randn(2, side, side, device=device, dtype=kind)
    rates = []
    for _ in range(20):
        start = time.perf_counter()
        one @ other
        if device.type == "cuda":
            torch.cuda.synchronize()
        rates.append(2 * side**3 / (time.perf_counter() - start) / 1e12)
    return float(np.median(rates[5:]))
