"""The command `python -m nas.score`: NN-Mass and costs of architectures given by spec or name."""

from __future__ import annotations

if __name__ == "__main__":
    from nas.signals import guard

    guard()  # before the slow imports

from collections.abc import Sequence

import search_spaces
from nas.command_line import DONE, FLOPS_NOTE, FORMATS, Parser, progress, run
from nas.latency.arguments import add_latency, wanted
from nas.score import score
from search_spaces import RequestError


def main(arguments: Sequence[str] | None = None) -> int:
    """Score architectures and print them in the order given."""
    parser = Parser("nas.score", description=f"NN-Mass and costs of architectures. {FLOPS_NOTE}")
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
        from nas.latency.table import measure

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


if __name__ == "__main__":
    run(main)
