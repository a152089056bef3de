"""Small files in the published formats, with invented accuracies."""

from __future__ import annotations

import io
import json
import random
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import search_spaces
from search_spaces import MBConv, NASBenchMacro


def mbconvs(count: int, seed: int = 0) -> list[MBConv]:
    """Different random networks of space mbconv."""
    generator, space = random.Random(seed), search_spaces.get("mbconv")
    found: dict[MBConv, None] = {}
    while len(found) < count:
        choices = {name: generator.choice(options) for name, options in space.choices.items()}
        found[MBConv.of_choices(choices)] = None
    return list(found)


def result(network: MBConv, top1: float) -> dict[str, Any]:
    """A file of Accel-NASBench."""
    figures = network.figures()
    fields = {"e": network.expansions, "k": network.kernels, "l": network.depths, "se": network.se}
    return {
        "architecture": {
            f"block{stage}_{letter}": value
            for letter, values in fields.items()
            for stage, value in enumerate(values)
        },
        "metrics": {"val_top1": top1, "val_top5": 90.0},
        "model_info": {"macs": 1.1 * figures.macs / 1e6, "params": round(figures.params / 1e6, 6)},
        "platform_perf": {
            "latency_zcu102": {"latency_mean": float(figures.macs) / 1e8, "latency_std": None},
            "throughput_a100": {"throughput_mean": None, "throughput_std": None},
        },
    }


def accel_nasbench(path: Path, networks: Sequence[MBConv]) -> Path:
    """An archive of Accel-NASBench, or a folder; accuracy grows with parameters."""
    files = {
        f"result_{number}.json": result(network, 50 + float(network.figures().params) / 1e6)
        for number, network in enumerate(networks)
    }
    if path.suffix != ".gz":
        path.mkdir()
        for name, content in files.items():
            (path / name).write_text(json.dumps(content))
        return path
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            data = json.dumps(content).encode()
            member = tarfile.TarInfo(f"anb_dataset_jsons/{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def macros(count: int, seed: int = 0) -> list[NASBenchMacro]:
    """Different random networks of NAS-Bench-Macro."""
    generator = random.Random(seed)
    numbers = generator.sample(range(3**8), count)
    return [NASBenchMacro("".join(str(number // 3**place % 3) for place in range(8))) for number in numbers]


def nasbench_macro(path: Path, networks: Sequence[NASBenchMacro]) -> Path:
    """The file of NAS-Bench-Macro; accuracy grows with parameters."""
    content = {}
    for network in networks:
        figures = network.figures()
        top1 = 80 + float(figures.params) / 1e6
        content[network.layers] = {
            "test_acc": [top1 - 1, top1, top1 + 1],
            "mean_acc": top1,
            "std": 1.0,
            "params": int(figures.params),
            "flops": int(figures.macs),
        }
    path.write_text(json.dumps(content))
    return path
