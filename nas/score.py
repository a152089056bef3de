"""The command `nas score`, and its function: NN-Mass and costs of architectures, in closed form."""

from __future__ import annotations

if __name__ == "__main__":
    from nas.commands import run_command

    run_command("score")

from collections.abc import Sequence
from typing import TYPE_CHECKING

import search_spaces
from nas import callable_package
from nas.cli import DONE, FLOPS_NOTE, FORMATS, Parser, progress
from nas.latency import add_latency, wanted
from search_spaces import RequestError

if TYPE_CHECKING:
    from search_spaces import Architecture


def score(architecture: Architecture | str) -> dict[str, float]:
    """NN-Mass and costs of an architecture.

    Args:
        architecture: An architecture, or "space:spec" or "space:reference".

    Returns:
        nn_mass (float); flops, macs and params (int), by fvcore's rules: one multiply-add is one operation.

    Raises:
        RequestError: The text stands for no architecture.
        TypeError: It is neither an architecture nor text.

    >>> score("mobilenet:mobilenet_v2")
    {'nn_mass': 1287.0, 'flops': 314193216, 'macs': 300774272, 'params': 3504872}
    """
    from search_spaces.errors import checked_kind

    expected = "one architecture, or its text as SPACE:SPEC"
    checked_kind("architecture", architecture, (str, search_spaces.Architecture), expected)
    if isinstance(architecture, str):
        architecture = search_spaces.parse(architecture)
    figures = architecture.figures()
    return {
        "nn_mass": float(figures.nn_mass),
        "flops": int(figures.flops),
        "macs": int(figures.macs),
        "params": int(figures.params),
    }


callable_package(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Score architectures and print them in the order given."""
    parser = Parser("nas score", description=f"NN-Mass and costs of architectures. {FLOPS_NOTE}")
    parser.add_argument("--space", help="space of the architectures that do not name theirs")
    what = "architectures, such as w0.6_d2-3-4-5-4-3-1, nn_mass_b or resnet:resnet50"
    parser.add_argument("archs", nargs="*", metavar="SPEC|REFERENCE", help=what)
    parser.add_argument(
        "--arch", nargs="+", action="extend", metavar="SPEC|REFERENCE", default=[], help="more of them"
    )
    parser.add_argument("--format", choices=FORMATS, default="table")
    add_latency(parser)
    options = parser.parse_args(arguments)
    texts = [*options.archs, *options.arch]
    if not texts:
        raise RequestError("give architectures to score, such as --arch mobilenet:mobilenet_v2")
    asked = wanted(options)

    import pandas as pd

    from nas.show import rendered, show

    space = search_spaces.get(options.space) if options.space else None
    rows = []
    for text in texts:
        architecture = space.parse(text) if space and ":" not in text else search_spaces.parse(text)
        rows.append(
            {"name": _reference(text, options.space), "arch": str(architecture), **score(architecture)}
        )
    table = pd.DataFrame(rows)
    if options.format == "table" and table["name"].isna().all():
        table = table.drop(columns="name")
    if asked:
        from nas.latency import measure

        with progress("measuring", len(rows)) as advance:
            measured = measure(table["arch"], asked, on_network=advance)
        table = measured.columns(table)
    families = set(table["arch"].str.partition(":")[0])
    narrow = len(families) == 1 and (asked or "name" in table)
    show(table, options.format, family=families.pop() if narrow else "")
    if asked and options.format == "table":
        print(rendered(measured.sentence()), end="")
    return DONE


def _reference(text: str, space: str | None) -> str | None:
    """The name of the reference that an argument names, if it names one."""
    given, _, name = text.rpartition(":")
    space = given or space
    return name if space in search_spaces.names() and name in search_spaces.get(space).references else None
