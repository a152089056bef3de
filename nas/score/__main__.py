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


def main(arguments: Sequence[str] | None = None) -> int:
    """Score architectures and print them in the order given."""
    parser = Parser("nas.score", description=f"NN-Mass and costs of architectures. {FLOPS_NOTE}")
    parser.add_argument("--space", help="space of the architectures that do not name theirs")
    parser.add_argument(
        "--arch",
        nargs="+",
        required=True,
        action="extend",
        metavar="SPEC|REFERENCE",
        help="architectures, such as w0.6_d2-3-4-5-4-3-1, nn_mass_b or resnet:resnet50",
    )
    parser.add_argument("--format", choices=FORMATS, default="table")
    add_latency(parser)
    options = parser.parse_args(arguments)
    asked = wanted(options)

    import pandas as pd

    from nas.show import rendered, show

    space = search_spaces.get(options.space) if options.space else None
    rows = []
    for text in options.arch:
        architecture = space.parse(text) if space and ":" not in text else search_spaces.parse(text)
        rows.append({"arch": str(architecture), **score(architecture)})
    table = pd.DataFrame(rows)
    if asked:
        from nas.latency.table import measure

        with progress("measuring", len(rows)) as advance:
            measured = measure(table["arch"], asked, on_network=advance)
        table = measured.columns(table)
    families = set(table["arch"].str.partition(":")[0])
    show(table, options.format, family=families.pop() if asked and len(families) == 1 else "")
    if asked and options.format == "table":
        print(rendered(measured.sentence()), end="")
    return DONE


if __name__ == "__main__":
    run(main)
