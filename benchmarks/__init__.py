"""The speed figures that the README quotes; `python -m benchmarks` re-runs them all."""
