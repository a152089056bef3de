"""Proxies: what is said of a network's accuracy without training it, in one registry with one signature."""

from nas.proxies.registry import Proxy, Subject, find, get, measure, names, register

__all__ = ["Proxy", "Subject", "find", "get", "measure", "names", "register"]
