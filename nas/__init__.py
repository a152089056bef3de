"""What is done with search spaces: score, count, search."""

from nas.score import score
from nas.search import search

__all__ = ["score", "search"]
