"""The command `nas score` and the function `nas.score`: NN-Mass and costs of architectures in closed form."""

from __future__ import annotations

if __name__ == "__main__":
    from nas.commands import run_command

    run_command("score")

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import search_spaces
from nas import callable_package
from nas.arguments import checked_arguments
from nas.cli import DONE, FLOPS_NOTE, FORMATS, Parser, progress, wrapped
from nas.latency import LatencyConfig, latency_config
from nas.networks import Many, One, listed
from nas.options import add_options
from nas.query import ELEMENT_BYTES, checked_element
from nas.tables import PEAK
from search_spaces import RequestError
from search_spaces.chain import ChainArchitecture

if TYPE_CHECKING:
    import pandas as pd

    from search_spaces import Architecture, Space


@overload
def score(
    networks: One,
    *,
    scores: Sequence[str] = (),
    score_batch: int | None = None,
    seed: int = 0,
    element_bytes: int = 4,
) -> dict[str, float]: ...


@overload
def score(
    networks: Many,
    *,
    scores: Sequence[str] = (),
    score_batch: int | None = None,
    seed: int = 0,
    element_bytes: int = 4,
) -> pd.DataFrame: ...


@checked_arguments
def score(
    networks: One | Many,
    *,
    scores: Sequence[str] = (),
    score_batch: int | None = None,
    seed: int = 0,
    element_bytes: int = 4,
) -> dict[str, float] | pd.DataFrame:
    """NN-Mass and costs of one architecture or of many.

    Args:
        networks: An architecture, "space:spec" or "space:reference"; or a list of these, or a table with a
            column `arch`.
        scores: Names of further proxies (`nas.proxies.names()`), or "peak-memory". Proxies that are not
            closed forms are measured on the initialised network, on Gaussian noise with random labels.
        score_batch: Number of images for these proxies, 32 by default.
        seed: Seed of the weights and of the noise.
        element_bytes: Bytes per element of a tensor, for peak memory.

    Returns:
        For one architecture a dict: nn_mass (float); flops, macs and params (int) by fvcore's rules, where a
        multiply-add is one operation; and the further scores. For several a DataFrame with one row per
        architecture in the given order: arch and the same columns.

    Raises:
        RequestError: A string is not an architecture, there is no such score, or a number is out of range.
        TypeError: An argument has a wrong type.

    >>> score("mobilenet:mobilenet_v2")
    {'nn_mass': 1287.0, 'flops': 314193216, 'macs': 300774272, 'params': 3504872}
    >>> score(["mlp:mlp_8", "mlp:w16"], scores=["depth"])[["arch", "nn_mass", "depth"]].values.tolist()
    [['mlp:w8_d12_t10', 21.381818181818183, 12.0], ['mlp:w16_d12_t10', 21.818181818181817, 12.0]]
    """
    from nas.values import MOST_IMAGES, MOST_SEED
    from search_spaces.errors import checked_kind, checked_whole

    checked_kind("scores", scores, (list, tuple), "a list of names")
    for name in scores:
        checked_kind("scores", name, str, "a list of names")
    batch = None if score_batch is None else checked_whole("score_batch", score_batch, 2, MOST_IMAGES)
    seed = checked_whole("seed", seed, 0, MOST_SEED)
    architectures = [
        search_spaces.parse(one) if isinstance(one, str) else one for one in listed("networks", networks)
    ]
    others = [name for name in scores if not _is_peak(name)]
    further = _further(architectures, others, batch, seed) if others else [{} for _ in architectures]
    width = checked_element(element_bytes) if len(others) < len(scores) else None
    rows = [
        {**one.figures().numbers(), **({} if width is None else {PEAK: peak_of(one, width)}), **more}
        for one, more in zip(architectures, further, strict=True)
    ]
    if isinstance(networks, search_spaces.Architecture | str):
        return rows[0]
    import pandas as pd

    return pd.DataFrame(rows).assign(arch=list(map(str, architectures)))[["arch", *rows[0]]]


def _is_peak(name: str) -> bool:
    return name.replace("-", "_") == PEAK


def peak_of(architecture: Architecture, element_bytes: int) -> float:
    """Peak memory of an architecture, in bytes; nan where it is not defined."""
    if not isinstance(architecture, ChainArchitecture):
        return math.nan
    return architecture.peak_memory(element_bytes)


def _further(
    architectures: Sequence[Architecture], scores: Sequence[str], batch: int | None, seed: int
) -> list[dict[str, float]]:
    """The values of proxies for each architecture, without those that are among its costs already."""
    from nas import proxies
    from nas.proxies import Subject
    from nas.proxies.subject import BATCH
    from nas.tables import FIGURES

    proxies.check_distinct(scores)
    found = [proxies.get(name) for name in dict.fromkeys(scores) if proxies.get(name).name not in FIGURES]
    bare = all(proxy.closed_form for proxy in found)
    if bare and batch is not None:
        raise RequestError(f"score_batch is {batch}, but {', '.join(scores)} use no images; leave it out")
    rows = []
    for one in architectures:
        subject = Subject.bare(one) if bare else Subject.of_noise(one, batch or BATCH, seed)
        rows.append({proxy.name: float(proxies.measure(proxy.name, subject).value) for proxy in found})
    return rows


callable_package(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command: print the scores of architectures in the given order."""
    options = _parser().parse_args(arguments)
    texts = [*options.archs, *options.arch]
    if not texts:
        raise RequestError("no architecture to score; give one, such as --arch mobilenet:mobilenet_v2")
    latency = latency_config(options)

    import pandas as pd

    from nas.show import predictions, show

    space = search_spaces.get(options.space) if options.space else None
    named = [pair for text in texts for pair in _architectures(text, space)]
    if options.stages or options.compare:
        _show_stages(named, options)
        return DONE
    rows = [
        {
            "name": name,
            "arch": str(one),
            **score(one, scores=options.scores, element_bytes=options.element_bytes),
            **_beside(one, options.scores),
        }
        for name, one in named
    ]
    table = pd.DataFrame(rows)
    if options.format == "table" and (options.scores or table["name"].isna().all()):
        table = table.assign(arch=table["name"].fillna(table["arch"])).drop(columns="name")
    if latency:
        from nas.latency import measure

        with progress("measuring", len(rows)) as advance:
            measured = measure(table["arch"], latency, on_network=advance)
        table = measured.columns(table)
    families = set(table["arch"].str.partition(":")[0])
    narrow = len(families) == 1 and (latency or "name" in table)
    show(table, options.format, family=families.pop() if narrow else "")
    if options.format == "table":
        for note in (*predictions(table), *([measured.sentence()] if latency else [])):
            print(wrapped(note))
    return DONE


def _parser() -> Parser:
    parser = Parser("nas score", description=f"NN-Mass and costs of architectures. {FLOPS_NOTE}")
    parser.add_argument("--space", help="space of the architectures given without one")
    what = (
        "architectures, such as w0.6_d2-3-4-5-4-3-1, nn_mass_b or resnet:resnet50; or tables with a column"
        " arch, such as candidates.csv"
    )
    parser.add_argument("archs", nargs="*", metavar="SPEC|REFERENCE|CSV", help=what)
    parser.add_argument(
        "--arch",
        nargs="+",
        action="extend",
        metavar="SPEC|REFERENCE",
        default=[],
        help="further architectures",
    )
    parser.add_argument(
        "--scores",
        nargs="+",
        action="extend",
        metavar="SCORE",
        default=[],
        help="further scores, such as depth, zen or imagenet, files of nas fit, or peak-memory",
    )
    parser.add_argument(
        "--element-bytes",
        type=int,
        choices=ELEMENT_BYTES,
        default=4,
        help="bytes per element of a tensor, for --scores peak-memory (4)",
    )
    parser.add_argument("--format", choices=FORMATS, default="table")
    stages = parser.add_mutually_exclusive_group()
    stages.add_argument("--stages", action="store_true", help="the stages of each network, with their costs")
    stages.add_argument("--compare", action="store_true", help="the stages of two networks side by side")
    add_options(parser, LatencyConfig, exclude=("most",))
    return parser


def _show_stages(named: Sequence[tuple[str | None, Architecture]], options: argparse.Namespace) -> None:
    """Print the stages of networks, one table after another, or of two side by side.

    Raises:
        RequestError: There is something to measure, or not two networks to compare.
    """
    import pandas as pd

    from nas.show import show
    from nas.stages import compared, stage_table, with_total

    asked = "--compare" if options.compare else "--stages"
    if options.scores or options.latency:
        left_out = "--scores" if options.scores else "--latency"
        raise RequestError(f"{left_out} has no value per stage; leave it out, or leave out {asked}")
    if options.compare and len(named) != 2:
        raise RequestError(f"--compare takes two networks, {len(named)} given; or use --stages")
    titles = [f"{name} = {one}" if name else str(one) for name, one in named]
    networks = [one for _, one in named]
    tables = [compared(*networks)] if options.compare else [stage_table(one) for one in networks]
    if options.format != "table":
        if options.stages:
            tables = [table.assign(arch=str(one)) for one, table in zip(networks, tables, strict=True)]
        table = pd.concat(tables, ignore_index=True)
        show(table[sorted(table, key=lambda name: name != "arch")], options.format)
        return
    if options.compare:
        print(*(f"{number}: {title}" for number, title in enumerate(titles, 1)), sep="\n")
        show(with_total(tables[0])[list(_SIDE_BY_SIDE)], break_before=len(tables[0]))
        return
    for title, table in zip(titles, tables, strict=True):
        print(title)
        pairs = table["blocks"].astype(str) + "/" + table["skips"].astype(str)
        show(with_total(table.assign(blocks_skips=pairs))[list(_SHOWN_STAGES)], break_before=len(table))


_SIDE_BY_SIDE = (
    "stage",
    *(f"{name}_of_{i}" for name in ("blocks", "channels", "nn_mass", "flops", "params") for i in (1, 2)),
)
_SHOWN_STAGES = (
    *("stage", "blocks_skips", "channels", "side", "nn_mass", "nn_mass_of_network", "flops"),
    *("flops_of_network", "macs", "params", "params_of_network"),
)
"""Columns that fit a terminal; CSV and JSON have all."""


def _beside(architecture: Architecture, scores: Sequence[str]) -> dict[str, Any]:
    """What tables show beside the values of fitted scores."""
    from nas import proxies
    from nas.proxies import Subject

    found: dict[str, Any] = {}
    for name in scores:
        proxy = None if _is_peak(name) else proxies.get(name)
        if proxy and proxy.fitted:
            value = proxy.measure(Subject.bare(architecture))
            columns = proxy.fitted.columns([value], [architecture], objective=False, chosen=False)
            found |= {column: values[0] for column, values in columns.items()}
    return found


def _architectures(text: str, space: Space | None) -> list[tuple[str | None, Architecture]]:
    """The architectures that an argument names, with the names of references."""
    if text.endswith(".csv"):
        from nas.train.config import from_table

        return [(None, one) for one in from_table(Path(text), None, None)]
    architecture = space.parse(text) if space and ":" not in text else search_spaces.parse(text)
    return [(_reference(text, space.name if space else None), architecture)]


def _reference(text: str, space: str | None) -> str | None:
    """The name of the reference, if an argument names one."""
    given, _, name = text.rpartition(":")
    space = given or space
    return name if space in search_spaces.names() and name in search_spaces.get(space).references else None
