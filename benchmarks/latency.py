"""Latency of networks of about equal FLOPs: the top-ranked under 400M FLOPs, and baselines."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

import nas
import search_spaces
from benchmarks.record import save
from search_spaces import Architecture, MobileNet

FOLDER = Path("results/latency")
ROUNDS = 5
THREADS = 1
BUDGET = 400_000_000
BASE = "mobilenet_v2"


def networks() -> dict[str, Architecture]:
    """The networks by name."""
    space = search_spaces.get("mobilenet")
    top = nas.search("mobilenet", flops=BUDGET, top=0)["arch"].iloc[0]
    widths = [MobileNet(width_mult=float(width)) for width in space.choices["width_mult"]]
    scaled = min(widths, key=lambda wider: abs(int(wider.figures().flops) - BUDGET))
    return {**space.references, "scaled mobilenet_v2": scaled, "first of search": search_spaces.parse(top)}


def measured() -> Iterator[dict[str, Any]]:
    """Yield a row per measurement; networks alternate, so that load on the machine affects all of them."""
    from nas.timing import latencies

    architectures = networks()
    for turn in range(ROUNDS):
        for name, architecture in architectures.items():
            print(f"round {turn + 1} of {ROUNDS}: {name}", flush=True)
            for latency in latencies(architecture, "cpu", THREADS):
                yield {
                    "round": turn,
                    "network": name,
                    "arch": str(architecture),
                    "flops": nas.score(architecture)["flops"],
                    **vars(latency),
                    "load": os.getloadavg()[0],
                }


def summarise(rounds: pd.DataFrame) -> pd.DataFrame:
    """A row per network, engine and batch: median, minimum and maximum over the rounds."""
    how = ["engine", "threads", "batch"]
    base = rounds[rounds["network"] == BASE].set_index(["round", *how])["ms"].rename("base")
    rounds = rounds.join(base, on=["round", *how])
    rounds["ratio"] = rounds["ms"] / rounds["base"]
    per = rounds.groupby([*how, "network", "arch", "flops"], sort=False)
    summary = per.agg(
        rounds=("ms", "size"),
        ms=("ms", "median"), ms_least=("ms", "min"), ms_largest=("ms", "max"),
        ratio=("ratio", "median"), ratio_least=("ratio", "min"), ratio_largest=("ratio", "max"),
    ).reset_index()  # fmt: skip
    summary["flops_ratio"] = summary["flops"] / nas.score(f"mobilenet:{BASE}")["flops"]
    return summary.sort_values(["engine", "batch", "flops"], ascending=[False, True, True])


def main() -> None:
    """Measure in rounds, and write all measurements and their summary."""
    rounds = pd.DataFrame(measured())
    command = "python -m benchmarks latency"
    save("rounds", rounds, command, FOLDER)
    save("networks", summarise(rounds), command, FOLDER)


if __name__ == "__main__":
    main()
