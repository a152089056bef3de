"""Proxies: what is said of a network's accuracy without training it, in one registry with one signature."""

from nas.proxies.registry import Proxy, Subject, get, measure, names, register

__all__ = ["Proxy", "Subject", "get", "measure", "names", "register"]
