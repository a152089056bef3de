"""Tests of latency measured on this device."""
