"""How long networks of about equal FLOPs take: what a search under 400M FLOPs ranks first, and known ones."""

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
    """Each by what it is called."""
    space = search_spaces.get("mobilenet")
    first = nas.search("mobilenet", flops=BUDGET, top=0)["arch"].iloc[0]
    widths = [MobileNet(width_mult=float(width)) for width in space.choices["width_mult"]]
    scaled = min(widths, key=lambda wider: abs(int(wider.figures().flops) - BUDGET))
    return {**space.references, "scaled mobilenet_v2": scaled, "first of search": search_spaces.parse(first)}


def measured() -> Iterator[dict[str, Any]]:
    """A row a measurement; the networks take turns, so that a busy while meets all of them."""
    from nas.latency import latencies

    there = networks()
    for turn in range(ROUNDS):
        for name, architecture in there.items():
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


def summed_up(rounds: pd.DataFrame) -> pd.DataFrame:
    """A row a network, engine and batch: the median over rounds, and the least and the largest."""
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
    """Measure in turns, and write every measurement and what they come to."""
    rounds = pd.DataFrame(measured())
    command = "python -m benchmarks latency"
    save("rounds", rounds, command, FOLDER)
    save("networks", summed_up(rounds), command, FOLDER)


if __name__ == "__main__":
    main()
