"""Latency: how long a network takes, measured, for FLOPs are not time."""

from nas.latency.measurement import Latency

__all__ = ["Latency"]
