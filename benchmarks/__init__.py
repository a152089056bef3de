"""Measurements of speed and memory; `python -m benchmarks` runs all of them."""
