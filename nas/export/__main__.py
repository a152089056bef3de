"""The command `python -m nas.export`: write a trained network as files for other programs."""

from __future__ import annotations

if __name__ == "__main__":
    from nas.signals import guard

    guard()  # before the slow imports

from collections.abc import Sequence
from pathlib import Path

from nas.command_line import DONE, Parser, at_least, run
from nas.export import export
from nas.export.formats import FORMATS
from nas.train.folder import TrainFolder
from nas.train.trained import load
from search_spaces import RequestError


def main(arguments: Sequence[str] | None = None) -> int:
    """Export as the arguments say; returns the exit code."""
    options = _parser().parse_args(arguments)
    classifier = load(options.folder, options.row, options.seed, options.best)
    out = options.out or options.folder / "export"
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RequestError(f"cannot write {out}: {error.strerror}") from None
    seeds = TrainFolder.open(options.folder).order.seeds_of(options.row)
    best = "-best" if options.best else ""
    name = f"row{options.row}-seed{seeds[0] if options.seed is None else options.seed}{best}"
    for form in options.format:
        path = out / f"{name}{FORMATS[form].suffix}"
        difference = export(classifier, path, form)
        size = path.stat().st_size / 2**20
        print(f"{path}  {size:.2f} MiB, logits differ from the module's by at most {difference:.1e}")
    print(f"{classifier.architecture} for {len(classifier.classes)} classes")
    print(f"takes pixels from 0 to 1, shape (N, {', '.join(map(str, classifier.example(1).shape[1:]))})")
    return DONE


def _parser() -> Parser:
    parser = Parser("nas.export", description="Write a trained network as files for other programs.")
    add = parser.add_argument
    add("folder", type=Path, help="folder of a training run")
    add("--row", type=at_least(1), default=1, help="the network's row in its trained.csv (1)")
    add("--seed", type=at_least(0), help="the seed it was trained with (the first one)")
    add("--best", action="store_true", help="the weights that did best on held-out images, not the last")
    add("--format", nargs="+", choices=FORMATS, default=["safetensors"], help="one or several (safetensors)")
    add("--out", type=Path, metavar="DIR", help="where to write (FOLDER/export)")
    return parser


if __name__ == "__main__":
    run(main)
