"""What a proof, a front, a count and draws cost: seconds and peak memory, each in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pandas as pd

from benchmarks.record import save

RUNS = 5
QUESTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "best, one budget": ("best", {"flops": "400M"}),
    "best, FLOPs and parameters": ("best", {"flops": "400M", "params": "3.7M"}),
    "best, all three": ("best", {"flops": "400M", "macs": "380M", "params": "3.7M"}),
    "best, two bands": ("best", {"flops": "380M:400M", "params": "3.5M:3.7M"}),
    "ten best, one budget": ("best", {"k": 10, "flops": "400M"}),
    "thousand best, one budget": ("best", {"k": 1000, "flops": "400M"}),
    "cheapest of a mass": ("best", {"like": "mobilenet_v2", "across_widths": True}),
    "front, FLOPs up to a budget": ("front", {"flops": "400M"}),
    "front, FLOPs, none": ("front", {}),
    "front, parameters, two budgets": ("front", {"cost": "params", "flops": "400M", "params": "3.7M"}),
    "count, one budget": ("count", {"flops": "400M"}),
    "count, two budgets": ("count", {"flops": "400M", "params": "3.7M"}),
    "1,000 draws, one budget": ("sample", {"n": 1000, "flops": "400M"}),
    "1,000 draws, two bands": ("sample", {"n": 1000, "flops": "380M:400M", "params": "3.5M:3.7M"}),
}
_ASK = """
import json, resource, sys, time
from nas import exact
import nas.exact.problem, nas.ranking
kind, space, given = json.loads(sys.argv[1])
start = time.perf_counter()
answer = getattr(exact, kind)(space, **given)
taken = time.perf_counter() - start
value = answer if kind == "count" else len(answer)
mass = None if kind == "count" else float(answer["nn_mass"].max())
gap = None if kind in ("count", "sample") else answer.attrs["gap"]
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"seconds": taken, "peak_mb": peak, "answer": value, "largest_mass": mass, "gap": gap}))
"""


def ask(kind: str, space: str, given: dict[str, Any]) -> dict[str, Any]:
    """One question in a fresh process: seconds with the imports done, and the answer."""
    words = [sys.executable, "-c", _ASK, json.dumps([kind, space, given])]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def main() -> None:
    """Ask every question of both mobilenet spaces."""
    rows = []
    for space in ("mobilenet", "mobilenet-wide"):
        for name, (kind, given) in QUESTIONS.items():
            answers = pd.DataFrame([ask(kind, space, given) for _ in range(RUNS)])
            rows.append({"space": space, "question": name, **answers.iloc[0],
                         "seconds": answers["seconds"].median(), "slowest": answers["seconds"].max(),
                         "peak_mb": answers["peak_mb"].max()})  # fmt: skip
    save("proofs", pd.DataFrame(rows), "python -m benchmarks proofs")
