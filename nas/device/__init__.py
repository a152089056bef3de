"""Latency of a designed set of networks, measured on this device, and a score fitted to it."""
