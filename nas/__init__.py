"""What is done with search spaces: score, count, search."""

from nas import exact
from nas.score import score
from nas.search import search

__all__ = ["exact", "score", "search"]
