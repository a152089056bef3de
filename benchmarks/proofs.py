"""Time and peak memory of proofs, fronts, counts and samples, each in a separate process."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pandas as pd

from benchmarks.record import save

RUNS = 5
QUERIES: dict[str, tuple[str, dict[str, Any]]] = {
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
_CODE = """
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


def measure(kind: str, space: str, given: dict[str, Any]) -> dict[str, Any]:
    """Answer a query in a new process; the time excludes imports."""
    words = [sys.executable, "-c", _CODE, json.dumps([kind, space, given])]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def main() -> None:
    """Measure every query for both mobilenet spaces."""
    rows = []
    for space in ("mobilenet", "mobilenet-wide"):
        for name, (kind, given) in QUERIES.items():
            answers = pd.DataFrame([measure(kind, space, given) for _ in range(RUNS)])
            rows.append({"space": space, "question": name, **answers.iloc[0],
                         "seconds": answers["seconds"].median(), "slowest": answers["seconds"].max(),
                         "peak_mb": answers["peak_mb"].max()})  # fmt: skip
    save("proofs", pd.DataFrame(rows), "python -m benchmarks proofs")
