"""Accuracy as a sum of terms, and how far off that is for networks it was not fitted to.

Networks that were trained by different recipes are compared within their recipe only: all recipes share the
slopes, and each has an intercept of its own. A layout that several recipes trained is one layout: it is left
out of all of them at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from nas.study.stats import Interval, Values, with_interval

Labels = NDArray[np.integer]


@dataclass(frozen=True)
class Trained:
    """Networks with their accuracy.

    Attributes:
        terms: What accuracy is fitted with, shape (networks, terms); there may be no terms.
        accuracy: Top-1, in percent.
        recipes: By which recipe each was trained, as numbers.
        layouts: Which layout each is; a recipe has no layout twice.
    """

    terms: Values
    accuracy: Values
    recipes: Labels
    layouts: Labels

    @property
    def coefficients(self) -> int:
        """Slopes and intercepts."""
        return int(self.terms.shape[1]) + len(np.unique(self.recipes))

    def only(self, which: NDArray[np.bool_]) -> Trained:
        """Some of the networks."""
        return Trained(self.terms[which], self.accuracy[which], self.recipes[which], self.layouts[which])

    def slopes(self) -> Values | None:
        """The least-squares slopes; none where the networks do not settle them."""
        terms = within(self.terms, self.recipes)
        if not terms.shape[1]:
            return np.zeros(0)
        spread = np.sqrt(np.square(terms).sum(axis=0))
        if not (spread > 1e-9).all() or np.linalg.matrix_rank(terms / spread, 1e-6) < terms.shape[1]:
            return None
        found, *_ = np.linalg.lstsq(terms / spread, within(self.accuracy, self.recipes), rcond=None)
        return np.asarray(found / spread)

    def r_squared(self) -> float:
        """Share of the variance within recipes that the fit explains; nan where there is no fit.

        >>> terms, accuracy = np.array([[1.0], [2.0], [3.0]]), np.array([5.0, 7.0, 9.0])
        >>> Trained(terms, accuracy, recipes=np.zeros(3, int), layouts=np.arange(3)).r_squared()
        1.0
        """
        slopes = self.slopes()
        accuracy = within(self.accuracy, self.recipes)
        if slopes is None or not accuracy.any():
            return float("nan")
        rest = accuracy - within(self.terms, self.recipes) @ slopes
        return float(1 - np.square(rest).sum() / np.square(accuracy).sum())

    def errors_left_out(self) -> Values:
        """What the fit to all other layouts says of each network, less what it reached, in points.

        nan where the others do not settle the slopes, or the recipe trained no other.
        """
        errors = np.full(len(self.accuracy), np.nan)
        for layout in np.unique(self.layouts):
            out = self.layouts == layout
            rest = self.only(~out)
            slopes = rest.slopes()
            if slopes is None:
                continue
            for row in np.flatnonzero(out):
                beside = rest.recipes == self.recipes[row]
                if beside.any():
                    intercept = rest.accuracy[beside].mean() - rest.terms[beside].mean(axis=0) @ slopes
                    errors[row] = intercept + self.terms[row] @ slopes - self.accuracy[row]
        return errors

    def error_left_out(self) -> Interval:
        """Root of the mean squared error of networks left out; nan where one has none.

        The interval is that of layouts drawn with replacement, their errors kept.
        """
        squared = np.square(self.errors_left_out())
        which = [self.layouts == layout for layout in np.unique(self.layouts)]
        sums, counts = (np.array([of[one].sum() for one in which]) for of in (squared, np.ones(len(squared))))
        return with_interval(_root_of_mean, sums, counts, least=1)  # of a mean, not of an order

    def pairs(self) -> Iterator[tuple[int, int]]:
        """Every two networks of one recipe that differ in accuracy."""
        for first, second in combinations(range(len(self.accuracy)), 2):
            if self.recipes[first] == self.recipes[second] and self.accuracy[first] != self.accuracy[second]:
                yield first, second

    def ordered(self) -> dict[tuple[int, int], float]:
        """For each pair: 1 if it is told which is the better, 0 if the other is named, a half for a tie.

        One term alone says that more is better. Several are weighed by the fit to all layouts but the two;
        a pair without one is missing.
        """
        found = {}
        for first, second in self.pairs():
            difference = self.terms[first] - self.terms[second]
            if self.terms.shape[1] == 1:
                said = float(difference[0])
            else:
                pair = (self.layouts == self.layouts[first]) | (self.layouts == self.layouts[second])
                slopes = self.only(~pair).slopes()
                if slopes is None:
                    continue
                said = float(difference @ slopes)
            right = np.sign(said) * np.sign(self.accuracy[first] - self.accuracy[second])
            found[first, second] = float(1 + right) / 2
        return found

    def by_layouts(self, values: dict[tuple[int, int], float]) -> dict[frozenset[int], float]:
        """What is said of pairs of networks, as one number for each two layouts: the mean over recipes."""
        gathered: dict[frozenset[int], list[float]] = {}
        for (first, second), value in values.items():
            key = frozenset((int(self.layouts[first]), int(self.layouts[second])))
            gathered.setdefault(key, []).append(value)
        return {key: float(np.mean(several)) for key, several in gathered.items()}


def within(values: Values, recipes: Labels) -> Values:
    """Values less the mean of their recipe.

    >>> within(np.array([1.0, 3.0, 7.0]), np.array([0, 0, 1]))
    array([-1.,  1.,  0.])
    """
    centred = np.array(values, float)
    for recipe in np.unique(recipes):
        centred[recipes == recipe] -= centred[recipes == recipe].mean(axis=0)
    return centred


def _root_of_mean(sums: Values, counts: Values) -> float:
    return float(np.sqrt(sums.sum() / counts.sum()))
