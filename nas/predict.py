"""The function `nas.predict`: what a fitted score predicts of given networks, with its 90% interval."""

from __future__ import annotations

if __name__ == "__main__":
    from nas.commands import run_command

    run_command("predict")

from typing import TYPE_CHECKING
from warnings import warn

import search_spaces
from nas import callable_package, proxies
from nas.arguments import checked_arguments
from nas.networks import Many, One, listed
from nas.proxies import Subject
from search_spaces import RequestError
from search_spaces.errors import checked_kind

if TYPE_CHECKING:
    import pandas as pd


@checked_arguments
def predict(networks: One | Many, score: str = "imagenet") -> pd.DataFrame:
    """The values that a fitted score predicts, as `nas fit` makes one, and their 90% intervals.

    The values are not corrected for a choice: networks chosen for a large prediction are overestimated.

    Args:
        networks: An architecture, "space:spec" or "space:reference"; or a list of these, or a table with a
            column `arch`.
        score: Name of a score that ships with the package, or the path of a file.

    Returns:
        A row per network in the given order: arch; the value, in a column of the score's name; the ends of
        its interval, in columns of that name with `_low` and `_high`, nan if the fit did not measure any.

    Warns:
        UserWarning: A network lies outside the range of the fit.

    Raises:
        RequestError: A string is not an architecture or a fitted score, or the score is of another family.
        TypeError: An argument has a wrong type.

    >>> found = predict(search_spaces.MBConv(), "imagenet").round(1)
    >>> found[["imagenet", "imagenet_low", "imagenet_high"]].values.tolist()
    [[66.2, 65.8, 66.7]]
    """
    import pandas as pd

    checked_kind("score", score, str, "the name or the file of a fitted score")
    proxy = proxies.get(score)
    if (fitted := proxy.fitted) is None:
        raise RequestError(f"{score} is not a fitted score; there are {proxies.fitted_names()}")
    found = [
        search_spaces.parse(one) if isinstance(one, str) else one for one in listed("networks", networks)
    ]
    for one in found:
        fitted.check_family(type(one))
    if outside := [f"{one}: {where}" for one in found if (where := fitted.outside(one))]:
        warn(f"outside the range of {fitted.name}: {'; '.join(outside[:3])}", stacklevel=4)
    values = [proxy.measure(Subject.bare(one)) for one in found]
    half = fitted.columns(values, found, objective=False, chosen=False)[f"{fitted.name}_half"]
    table = pd.DataFrame({"arch": list(map(str, found)), fitted.name: values})
    return table.assign(
        **{f"{fitted.name}_low": table[fitted.name] - half, f"{fitted.name}_high": table[fitted.name] + half}
    )


callable_package(__name__)
