"""Proxies: what is said of a network's accuracy without training it, in one registry with one signature."""

from nas.proxies.registry import Proxy, get, measure, names, register
from nas.proxies.subject import Subject

__all__ = ["Proxy", "Subject", "get", "measure", "names", "register"]
