"""What is done with search spaces: score, count, search, train."""

from nas import exact
from nas.score import score
from nas.search import search
from nas.train.trained import load

__all__ = ["exact", "load", "score", "search"]
