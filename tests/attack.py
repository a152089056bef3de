"""Attack the commands: wrong requests, damaged files, and kills at random moments.

    python -m tests.attack [--part requests files kills] [--seed N] [--count N] [--only NUMBER ...]

A wrong request must be refused with exit code 2 and one line, within seconds, and leave nothing behind. A
command that reads a damaged file must end with 0 or 2 and without a traceback. A run that was killed must go
on to the tables of an uninterrupted one. The same seed gives the same cases; each failure is one line with
the command that repeats it.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import io
import json
import os
import random
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd
import pytest
import torch

from nas.cli import Parser, progress
from nas.commands import command
from tests.nas.train.conftest import write_images
from tests.processes import Order, Server, environment

LONGEST_LINE = 600
MEMORY = 16 * 2**30
"""Bytes of addresses that a command may have."""
AT_A_TIME = 2


@dataclass(frozen=True)
class Ended:
    """A command that has ended, or was ended because it hung: then it has no code."""

    code: int | None
    output: str
    errors: str


class Commands:
    """Commands forked from one process that has imported what they need, one at a time."""

    def __init__(self) -> None:
        self._server = Server()

    def close(self) -> None:
        """End the process."""
        self._server.close()

    @contextlib.contextmanager
    def running(
        self, folder: Path, words: Sequence[str], constants: Mapping[str, object] = MappingProxyType({})
    ) -> Iterator[Running]:
        """A command running in a folder; its output files are elsewhere."""
        with tempfile.TemporaryDirectory() as kept:
            files = (Path(kept, "stdout"), Path(kept, "stderr"))
            order = Order(
                words=tuple(words),
                folder=folder,
                files=files,
                environment=environment(),
                without=(),
                anew=False,
                constants=dict(constants),
            )
            pid = self._server.begin(order)
            try:
                yield Running(self._server, pid, files)
            finally:
                if self._server.ended(pid, 0) is None:
                    os.kill(pid, signal.SIGKILL)
                    self._server.ended(pid, 60)

    def run(
        self,
        folder: Path,
        words: Sequence[str],
        patience: float,
        constants: Mapping[str, object] = MappingProxyType({}),
    ) -> Ended:
        """Run a command to its end, for at most so many seconds."""
        with self.running(folder, words, constants) as running:
            return running.ended(patience)


@dataclass(frozen=True)
class Running:
    """A running command."""

    server: Server
    pid: int
    files: tuple[Path, Path]

    def until(self, there: Callable[[], bool], patience: float) -> bool:
        """Wait until something is there; False if the command ended before."""
        end = time.monotonic() + patience
        while not there():
            if self.server.ended(self.pid, 0.002) is not None or time.monotonic() > end:
                return False
        return True

    def kill(self, number: signal.Signals) -> None:
        """As `kill` in a shell; it may have ended just before."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def ended(self, patience: float) -> Ended:
        """How it ended."""
        code = self.server.ended(self.pid, patience)
        output, errors = (
            file.read_text(errors="backslashreplace") if file.exists() else "" for file in self.files
        )
        return Ended(code, output, errors)


@dataclass(frozen=True)
class Ground:
    """What the attacks start from, made once.

    Attributes:
        data: A folder of small images.
        search: A finished search.
        trained: A finished training of two networks.
        broken: One that was interrupted after its first checkpoint.
        study: A finished study.
    """

    data: Path
    search: Path
    trained: Path
    broken: Path
    study: Path

    @staticmethod
    def prepared(commands: Commands, root: Path) -> Ground:
        """Make all of it."""
        ground = Ground(*(root / name for name in ("data", "search", "trained", "broken", "study")))
        write_images(ground.data, each=12, side=16)
        for words in (
            [*SEARCH, "--out", str(ground.search)],
            [*ground.training(), "--out", str(ground.trained)],
            [*ground.studying(), "--out", str(ground.study)],
        ):
            done = commands.run(root, words, 300)
            assert done.code == 0, (words, done)
        with commands.running(root, [*ground.training(epochs=40), "--out", str(ground.broken)]) as running:
            assert running.until((ground.broken / "checkpoints" / "row1-seed0.pt").exists, 300)
            running.kill(signal.SIGINT)
            assert running.ended(300).code == 130
        return ground

    def training(self, epochs: int = 2) -> list[str]:
        """A training of two networks."""
        archs = ["mlp:w8_d3_t2_i768_c3", "mlp:w8_d4_t2_i768_c3"]
        return ["nas.train", "--arch", *archs, *self._means(epochs)]

    def studying(self) -> list[str]:
        """A study of a few networks."""
        drawn = ["--space", "mlp", "--fix", "in_features=768", "width=8", "--count", "8"]
        return ["nas.study", *drawn, "--scores", "nn_mass", "params", *self._means(1)]

    def _means(self, epochs: int) -> list[str]:
        data = ["--dataset", "folder", "--data", str(self.data), "--device", "cpu", "--workers", "1"]
        return [*data, "--set", f"epochs={epochs}", "batch=8", "warmup=0"]


SEARCH = shlex.split("nas.search --space mlp --params 10K --trials 450 --sampler random --top 1")


@dataclass(frozen=True)
class Case:
    """An attack: its name, and what tries it in an empty folder and gives what went wrong, if anything."""

    name: str
    attempt: Callable[[Commands, Ground, Path], str]


# ------------------------------------------------------------------------------------------ wrong requests

WRONG_NUMBERS = ("-1", "1.5x", "1e400", "nan", "0x10", "1_0", "\uff11")
WRONG_TEXTS = ("", "nope", "\x1b[31mred\x07", "9" * 5000, "a\nb")
WRONG_PATHS = ("", "nowhere/at/all", "/dev/null", "/dev/null/x", "n" * 5000)
WRONG_OUT = ("", "/dev/null", "/dev/null/x", "/proc/x", "n" * 5000)

BASES = {
    "nas.search": "--space mlp --params 10K --trials 5 --sampler random --top 1",
    "nas.exact": "--space mlp --params 10K",
    "nas.score": "mlp:w8_d3_t2",
    "nas.train": "--arch mlp:w8_d3_t2_i768_c3 --dataset folder --data {data} --device cpu --set epochs=1",
    "nas.study": "--space mlp --fix in_features=768 --count 8 --dataset folder --data {data} --device cpu"
    " --scores nn_mass --set epochs=1",
    "nas report": "{study}",
    "nas compare": "{study} {study}",
    "nas predict": "{study} {search}/candidates.csv",
    "nas.export": "{trained}",
}

WRONG_TOGETHER = {
    "nas.search": (
        "",
        "--space mobilnet",
        "--space torchvision",
        "--space mlp --flops abc",
        "--space mlp --flops -1",
        "--space mlp --flops 0",
        "--space mlp --flops :",
        "--space mlp --flops 9K:8K",
        "--space mlp --flops 1:2:3",
        "--space mlp --flops 1e19",
        "--space mlp --flops 1K --params 1G:2G",
        "--space mobilenet --flops 10M",
        "--space mobilenet --flops 300000001:300000002",
        "--space mlp --fix width",
        "--space mlp --fix width=8 width=8",
        "--space mlp --fix height=2",
        "--space mlp --fix width=nan",
        "--space mlp --fix width=1e400",
        "--space mlp --fix in_features=0",
        "--space mlp --fix num_classes=100000000000000000000",
        "--space mlp --minimize flops",
        "--space mlp --like mlp_8 --pareto params",
        "--space mlp --like mlp_8 --score depth",
        "--space mlp --like vgg",
        "--space mlp --like mobilenet:mobilenet_v2",
        "--space mlp --like torchvision:resnet18",
        "--space mobilenet --like mobilenetv2",
        "--space mlp --pareto params --per-width 2",
        "--space mlp --pareto params --score params",
        "--space mlp --pareto params --sampler NSGAIISampler",
        "--space mlp --pareto speed",
        "--space mlp --score nnmass",
        "--space mlp --score-batch 8",
        "--space mlp --score snip --score-batch 1",
        "--space mlp --score snip --score-batch 1000000000",
        "--space mlp --sampler tpo",
        "--space mlp --sampler grid",
        "--space mlp --trials 0",
        "--space mlp --top 0",
        "--space mlp --seed 18446744073709551616",
        "--space mlp --latency-threads 2",
        "--space mlp --latency tpu",
        "--space mlp --latency cpu --latency-threads 1000000",
        "--space mlp --max-latency 0",
        "--space mlp --max-latency nan",
        "--choices --resume run",
        "--choices --space nope",
        "--choices --flops abc",
        "--resume . --out there",
        "--resume {trained}",
        "--resume {search} --space mobilenet",
        "--resume {search} --seed 3",
        "--resume {search} --params 11K",
        "--resume {search} --trials 1",
        "--space mlp --params 10K --out {search}",
        "extra --space mlp",
    ),
    "nas.exact": (
        "",
        "--space mlp --params 1",
        "--space mlp --top 10000000000",
        "--space mlp --sample 100000000000",
        "--space mlp --top 3 --count",
        "--space mlp --pareto params --sample 3",
        "--space mlp --count --like mlp_8",
        "--space mlp --pareto flops --like mlp_8",
        "--space mlp --front flops --across-widths",
        "--space mlp --flops 1K --count --count=2",
        "--space mlp --format xml",
    ),
    "nas.score": (
        "",
        "nn_mass_b",
        "resnet50",
        "mobilenet:",
        ":",
        "mobilenet:w1_dx",
        "mobilenet:w1_w1",
        "mobilenet:d1",
        "mobilenet:d1-1-1-1-1-1-1-1",
        "mobilenet:w0",
        "mobilenet:w1e400",
        "mobilenet:wnan",
        "mobilenet:w\uff11",
        "mobilenet:w1_0",
        "mlp:w8:d3",
        "mlp:w8_",
        "mlp:_w8",
        "mlp:w8_d3_t9999999999999999999999999999",
        "torchvision:",
        "torchvision:vgg16",
        "torchvision:resnet18_w0.5",
        "torchvision:mobilenet_v2_w-1",
        "torchvision:mobilenet_v2_r0",
        "resnet:bottleneck_basic",
        "--space torchvision resnet18",
        "--space nope w1",
        "--latency cpu --latency-threads 99999999999999999999 mlp:w8",
        "--latency-threads 2 mlp:w8",
        "-- --arch",
    ),
    "nas.train": (
        "",
        "--dataset folder",
        "--arch mlp:mlp_8",
        "--arch mlp:mlp_8 --dataset cifar",
        "--arch mlp:mlp_8 --dataset cifar10",
        "--arch mlp:mlp_8 --dataset cifar10 --image-size 9",
        "--arch mlp:mlp_8 --dataset folder --data .",
        "--arch nope --dataset folder --data {data}",
        "--arch torchvision:resnet18 --dataset seg20",
        "--arch resnet:resnet18 --dataset circle20",
        "--arch mobilenet:mobilenet_v2 --dataset circle20 --stem-stride 1",
        "--arch mlp:mlp_8 --dataset folder --data {data} --top 3",
        "--arch mlp:mlp_8 --dataset folder --data {data} --rows 1",
        "--arch mlp:mlp_8 --dataset folder --data {data} --stem-stride 1",
        "--arch mlp:mlp_8 --dataset folder --data {data} --device cuda:99",
        "--arch mlp:mlp_8 --dataset folder --data {data} --device meta",
        "--arch mlp:mlp_8 --dataset folder --data {data} --val-fraction 1",
        "--arch mlp:mlp_8 --dataset folder --data {data} --val-fraction -0.1",
        "--arch mlp:mlp_8 --dataset folder --data {data} --recipe quik",
        "--arch mlp:mlp_8 --dataset folder --data {data} --set lr",
        "--arch mlp:mlp_8 --dataset folder --data {data} --set lrr=1",
        "--arch mlp:mlp_8 --dataset folder --data {data} --set lr=1 lr=2",
        "--arch mlp:mlp_8 --dataset folder --data {data} --set epochs=0",
        "--arch mlp:mlp_8 --dataset folder --data {data} --set epochs=1e9",
        "--arch mlp:mlp_8 --dataset folder --data {data} --set lr=nan",
        "--arch mlp:mlp_8 --dataset folder --data {data} --set batch=99999999999999999999",
        "--arch mlp:mlp_8 --dataset folder --data {data} --workers 10000000",
        "--arch mlp:mlp_8 --dataset folder --data {data} --device cpu --parallel",
        "--arch mlp:mlp_8 --dataset folder --data {data} --device cpu --parallel 1000000",
        "--arch mlp:mlp_8 --dataset folder --data {data} --images 1000000000000000000000000000000",
        "--arch mlp:mlp_8 --dataset folder --data {data} --image-size 1000000",
        "--arch mlp:mlp_8 --dataset folder --data {data} --seeds 1,,2",
        "--arch mlp:mlp_8 --dataset folder --data {data} --seeds 18446744073709551616",
        "none.csv --dataset folder --data {data}",
        "{search} --dataset folder --data {data}",
        "{search}/run.json --dataset folder --data {data}",
        "{search}/candidates.csv --dataset folder --data {data} --rows 0",
        "{search}/candidates.csv --dataset folder --data {data} --rows 100000",
        "{search}/candidates.csv --dataset folder --data {data} --top 1000000000000000000000000000000",
        "--resume nowhere",
        "--resume {search}",
        "--resume {trained} --set epochs=9",
        "--resume {trained} --arch mlp:mlp_8",
        "--resume {trained} --seeds 7",
        "--resume {trained} --out there",
        "--arch mlp:mlp_8 --dataset folder --data {data} --out {trained}",
    ),
    "nas.study": (
        "",
        "--space mlp",
        "--dataset seg20",
        "--space mlp --dataset nope",
        "--space nope --dataset seg20",
        "--space mlp --dataset seg20 --count 1",
        "--space mlp --dataset seg20 --count 1000000000000",
        "--space mlp --dataset seg20 --draw nope",
        "--space mlp --dataset seg20 --draw-seed -1",
        "--space mlp --dataset seg20 --scores nope",
        "--space mlp --dataset seg20 --score-batch 1",
        "--space mlp --dataset seg20 --score-batch 1000000000",
        "--space mlp --dataset seg20 --initialisations 1000000000000000000000000000000 --plan",
        "--space mlp --dataset seg20 --device cpu --parallel",
        "--space resnet --dataset seg20",
        "--space mlp --dataset seg20 --params 1",
        "--space mlp --dataset seg20 --named-seeds 3",
        "--space mlp --dataset seg20 --score nn_mass",
        "--space mlp --dataset seg20 --latency-threads 3",
        "--resume {study} --predict {search}/candidates.csv",
        "--across {study} {study}",
        "--resume {study} --count 9",
        "--resume {study} --out there",
        "--resume {search}",
        "--resume {trained}",
    ),
    "nas report": ("", "nowhere", "{study} nowhere", "{data} --out x.html", "{study} --latency-threads 3"),
    "nas compare": ("", "{study}", "nowhere", "{study} nowhere", "{search} {trained}"),
    "nas predict": (
        "",
        "{study}",
        "nowhere {search}/candidates.csv",
        "{search} {search}/candidates.csv",
        "{study} none.csv",
        "{study} {search}/candidates.csv --score nope",
        "{study} {search}/candidates.csv --score zen",
        "{study} {search}/candidates.csv --latency-threads 3",
    ),
    "nas.export": (
        "",
        "nowhere",
        "{search}",
        "{trained} --row 0",
        "{trained} --row 3",
        "{trained} --row 99999999999999999999",
        "{trained} --seed 7",
        "{trained} --best",
        "{trained} --format exe",
        "{trained} --format safetensors exe",
        "{trained} --out /proc/x",
        "{trained} --out {trained}/run.json",
        "{trained} {trained}",
    ),
}


def requests() -> list[Case]:
    """Every option of every command with wrong values, and what is wrong together."""
    cases: list[tuple[str, list[str]]] = []
    for module, base in BASES.items():
        parser = _parser(module)
        wrong = [words for action in parser._actions for words in _wrong(action, parser)]
        cases += [(module, [*shlex.split(base), *words]) for words in wrong]
        cases += [(module, shlex.split(words)) for words in WRONG_TOGETHER[module]]
    return [
        Case(" ".join([f"python -m {module}", *map(_shown, words)]), partial(_request, module, words))
        for module, words in cases
    ]


def _main(module: str) -> Callable[[Sequence[str]], int]:
    return command(module[len("nas.") :])  # "nas.train" or "nas report"


def _parser(module: str) -> Parser:
    """The parser of a command: it is made when the command begins."""

    class Found(Exception):  # noqa: N818
        pass

    def stop(parser: Parser, *_: object) -> None:
        raise Found(parser)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Parser, "parse_args", stop)
        try:
            _main(module)([])
        except Found as found:
            parser: Parser = found.args[0]
    return parser


def _wrong(action: argparse.Action, parser: Parser) -> Iterator[tuple[str, ...]]:
    if not action.option_strings or action.dest == "help":
        return
    option = action.option_strings[-1]
    known = parser._option_string_actions
    yield from ((f"{option}x",), *([] if option[:-1] in known else [(option[:-1],)]))
    if action.nargs == 0:
        yield (f"{option}=yes",)
        return
    if action.nargs != "?":
        yield (option,)
    texts = WRONG_TEXTS if action.type is None or action.choices else (*WRONG_TEXTS, *WRONG_NUMBERS)
    if action.type is Path:
        texts = WRONG_OUT if action.dest == "out" else WRONG_PATHS
    yield from ((f"{option}={text}",) for text in texts)


def _request(module: str, words: list[str], commands: Commands, ground: Ground, folder: Path) -> str:
    given = [_filled(word, ground) for word in words]
    before = {file: _state(file) for file in _kept(ground)}
    ended = commands.run(folder, [*module.split(), *given], PATIENCE)
    if ended.code is None:
        return "hangs"
    if ended.code != 2:
        return f"exit code {ended.code}, not 2: {_last(ended)}"
    if fault := _not_one_line(ended.errors):
        return fault
    if ended.output:
        return f"prints {_shown(ended.output)}"
    if left := [str(file.relative_to(folder)) for file in folder.rglob("*")]:
        return f"leaves {', '.join(left)}"
    if changed := [str(file) for file in before if before[file] != _state(file)]:
        return f"changes {', '.join(changed)}"
    return ""


def _filled(word: str, ground: Ground) -> str:
    for name, path in vars(ground).items():
        word = word.replace(f"{{{name}}}", str(path))
    return word


def _kept(ground: Ground) -> tuple[Path, ...]:
    return tuple(path / "run.json" for path in (ground.search, ground.trained, ground.study))


def _state(file: Path) -> tuple[int, int]:
    stat = file.stat()
    return stat.st_mtime_ns, stat.st_size


def _not_one_line(errors: str) -> str:
    if errors.count("\n") != 1 or not errors.startswith("error: "):
        return f"not one line: {_shown(errors)}"
    if len(errors) > LONGEST_LINE + 1:
        return f"a line of {len(errors)} characters"
    return "" if errors[:-1].isprintable() else f"escape codes: {_shown(errors)}"


def _last(ended: Ended) -> str:
    return _shown(ended.errors.strip().rpartition("\n")[2])


def _shown(text: str) -> str:
    quoted = shlex.quote(text) if text.isprintable() else repr(text)
    return quoted if len(quoted) <= 200 else f"{quoted[:40]}...({len(text)} characters)...{quoted[-40:]}"


# ------------------------------------------------------------------------------------------- damaged files

WILD = (
    None,
    True,
    -1,
    0,
    1.5,
    10**30,
    10**400,
    float("nan"),
    float("inf"),
    "",
    "x",
    "../../x",
    [],
    {},
    [[]],
    [1],
)

TARGETS: dict[str, tuple[str, str, str]] = {
    "a search's run.json": ("search", "run.json", "nas.search --resume {search} --top 1"),
    "a search's study.log": ("search", "study.log", "nas.search --resume {search} --top 1"),
    "a search's log, extended": ("search", "study.log", "nas.search --resume {search} --top 1 --trials 460"),
    "a search's candidates": (
        "search",
        "candidates.csv",
        "nas.train {search}/candidates.csv --top 1 --dataset folder --data {data} --device cpu --workers 1"
        " --set epochs=1 batch=8 warmup=0 --out new",
    ),
    "a training's run.json": ("trained", "run.json", "nas.train --resume {trained}"),
    "a training's run.json, exported": ("trained", "run.json", "nas.export {trained} --out new"),
    "a training's table": ("trained", "trained.csv", "nas.train --resume {trained}"),
    "a training's table, exported": ("trained", "trained.csv", "nas.export {trained} --out new"),
    "a checkpoint, exported": ("trained", "checkpoints/row1-seed0.pt", "nas.export {trained} --out new"),
    "a checkpoint": ("trained", "checkpoints/row2-seed0.pt", "nas.train --resume {trained}"),
    "a broken training's run.json": ("broken", "run.json", "nas.train --resume {broken}"),
    "a broken training's table": ("broken", "trained.csv", "nas.train --resume {broken}"),
    "a broken training's checkpoint": ("broken", "checkpoints/row1-seed0.pt", "nas.train --resume {broken}"),
    "an image": ("data", "train/red/003.png", "{train} --out new"),
    "a class": ("data", "test/green", "{train} --out new"),
    "a study's run.json": ("study", "run.json", "nas.study --resume {study}"),
    "a study's run.json, reported": ("study", "run.json", "nas report {study}"),
    "a study's scores": ("study", "scores.csv", "nas.study --resume {study}"),
    "a study's networks": (
        "study",
        "networks.csv",
        "nas predict {study} {search}/candidates.csv",
    ),
    "a study's networks, across": ("study", "networks.csv", "nas compare {study} {study}"),
    "a study's training": ("study", "training/run.json", "nas.study --resume {study}"),
    "a study's trained networks": ("study", "training/trained.csv", "nas.study --resume {study}"),
}


def files(seed: int, count: int) -> list[Case]:
    """Damaged files, each read by a command."""
    names = list(TARGETS)
    return [
        Case(names[number % len(names)], partial(_file, names[number % len(names)], f"{seed} files {number}"))
        for number in range(count)
    ]


def _file(name: str, seed: str, commands: Commands, ground: Ground, folder: Path) -> str:
    whose, file, words = TARGETS[name]
    here = Ground(**{part: folder / part for part in vars(ground)})
    for part, path in vars(ground).items():
        shutil.copytree(path, here.__dict__[part])
    for state in folder.glob("*/**/run.json"):  # what was made there is read here
        state.write_text(state.read_text().replace(str(ground.data), str(here.data)))
    damage = _damaged(random.Random(seed), here.__dict__[whose] / file, folder / "code ran")
    words = words.replace("{train}", shlex.join(here.training(1)))
    ended = commands.run(folder, [_filled(word, here) for word in shlex.split(words)], PATIENCE)
    if (folder / "code ran").exists():
        return f"{damage}: runs its code"
    if ended.code is None:
        return f"{damage}: hangs: {_last(ended)}"
    lines = [line for line in ended.errors.splitlines() if line.startswith("error: ")]
    if "Traceback" in ended.errors or ended.code not in (0, 1, 2):
        return f"{damage}: exit code {ended.code}: {_last(ended)}"
    if ended.code == 2 and (fault := _not_one_line("".join(f"{line}\n" for line in lines))):
        return f"{damage}: {fault}"
    if ended.code == 1 and "no network was trained to the end" not in ended.errors:
        return f"{damage}: exit code 1: {_last(ended)}"
    return ""


def _damaged(chance: random.Random, file: Path, marker: Path) -> str:
    """Damage a file; says how."""
    structured = {".json": _wild_json, ".log": _wild_log, ".csv": _wild_table, ".pt": _wild_checkpoint}
    if file.suffix in structured and chance.random() < 0.6:
        return structured[file.suffix](chance, file, marker)
    if file.is_dir():
        return _damaged_folder(chance, file)
    how = chance.choice(list(BYTES))
    content = file.read_bytes()
    file.unlink()
    BYTES[how](chance, file, content)
    return how


def _damaged_folder(chance: random.Random, folder: Path) -> str:
    how = chance.choice(["missing", "empty", "a file", "linked to itself", "with a FIFO", "with text"])
    if how == "with a FIFO":
        os.mkfifo(folder / "000.png.fifo.png")
    elif how == "with text":
        (folder / "a.png").write_text("text")
    elif how == "linked to itself":
        (folder / "again").symlink_to(folder)
    else:
        shutil.rmtree(folder)
        if how == "empty":
            folder.mkdir()
        elif how == "a file":
            folder.write_text("")
    return how


def _flipped(chance: random.Random, file: Path, content: bytes) -> None:
    damaged = bytearray(content)
    for _ in range(chance.randint(1, 8)):
        damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
    file.write_bytes(damaged)


def _replaced(chance: random.Random, file: Path, content: bytes) -> None:
    start = chance.randrange(len(content))
    size = chance.randint(1, 200)
    file.write_bytes(content[:start] + chance.randbytes(size) + content[start + size :])


BYTES: dict[str, Callable[[random.Random, Path, bytes], object]] = {
    "missing": lambda chance, file, content: None,
    "empty": lambda chance, file, content: file.write_bytes(b""),
    "cut short": lambda chance, file, content: file.write_bytes(content[: chance.randrange(len(content))]),
    "bits flipped": _flipped,
    "bits flipped here and there": _flipped,
    "a part replaced": _replaced,
    "noise": lambda chance, file, content: file.write_bytes(chance.randbytes(1000)),
    "twice": lambda chance, file, content: file.write_bytes(content + content),
    "zeros": lambda chance, file, content: file.write_bytes(bytes(len(content))),
    "in another encoding": lambda chance, file, content: file.write_bytes(content + "ünï".encode("latin-1")),
    "deep": lambda chance, file, content: file.write_bytes(b"[" * 200_000),
    "deep objects": lambda chance, file, content: file.write_bytes(b'{"a":' * 50_000 + b"1" + b"}" * 50_000),
    "digits": lambda chance, file, content: file.write_bytes(b"9" * 1_000_000),
    "a folder": lambda chance, file, content: file.mkdir(),
    "a FIFO": lambda chance, file, content: os.mkfifo(file),
    "a link to itself": lambda chance, file, content: file.symlink_to(file),
    "a link to a FIFO": lambda chance, file, content: (
        os.mkfifo(file.with_name("fifo")),
        file.symlink_to("fifo"),
    ),
    "a link to endless zeros": lambda chance, file, content: file.symlink_to("/dev/zero"),
}


def _wild_json(chance: random.Random, file: Path, _: Path) -> str:
    state, how = _wild(chance, json.loads(file.read_text()), WILD)
    file.write_text(json.dumps(state))
    return how


def _wild_log(chance: random.Random, file: Path, _: Path) -> str:
    lines = file.read_text().splitlines()
    place = chance.randrange(len(lines))
    how = chance.choice(["a value", "a value of it", "dropped", "twice", "cut", "swapped"])
    if how.startswith("a value"):
        state, how = _wild(chance, json.loads(lines[place]), WILD)
        lines[place] = json.dumps(state)
    elif how == "dropped":
        del lines[place]
    elif how == "twice":
        lines.insert(place, lines[place])
    elif how == "cut":
        lines[place] = lines[place][: len(lines[place]) // 2]
    else:
        other = chance.randrange(len(lines))
        lines[place], lines[other] = lines[other], lines[place]
    file.write_text("".join(f"{line}\n" for line in lines))
    return f"line {place + 1} {how}"


def _wild_table(chance: random.Random, file: Path, _: Path) -> str:
    rows = list(csv.reader(io.StringIO(file.read_text())))
    row, column = chance.randrange(len(rows)), chance.randrange(len(rows[0]))
    how = chance.choice(["a cell", "a cell of it", "without a column", "without rows", "twice", "ragged"])
    if how.startswith("a cell"):
        rows[row][column] = str(chance.choice(WILD))
        how = f"row {row} column {rows[0][column]!r} is {rows[row][column][:40]!r}"
    elif how == "without a column":
        how = f"without column {rows[0][column]!r}"
        rows = [[*cells[:column], *cells[column + 1 :]] for cells in rows]
    elif how == "without rows":
        rows = rows[:1]
    elif how == "twice":
        rows.insert(row, rows[row])
    else:
        rows[row] = rows[row] * 2
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    file.write_text(text.getvalue())
    return how


def _wild_checkpoint(chance: random.Random, file: Path, marker: Path) -> str:
    if chance.random() < 0.1:
        torch.save({"weights": _Code(marker)}, file)
        return "with code"
    tensors = (torch.zeros(2), torch.full((99, 99), float("nan")))
    state, how = _wild(chance, torch.load(file, weights_only=True), (*WILD, *tensors))
    torch.save(state, file)
    return how


class _Code:
    """A pickle of it runs code when it is read."""

    def __init__(self, marker: Path) -> None:
        self._marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self._marker),)


def _wild(chance: random.Random, state: Any, values: Sequence[object]) -> tuple[Any, str]:
    """A state with one of its values replaced by another, left out, or of another name; and how."""
    places = list(_places(state))
    if not places:
        return chance.choice(values), "replaced"
    # Those near the root are few, those in long lists many: a level is chosen first.
    depth = chance.choice(sorted({len(place) for place in places}))
    place = chance.choice([place for place in places if len(place) == depth])
    inner = state
    for key in place[:-1]:
        inner = inner[key]
    name = ".".join(map(str, place))
    if isinstance(inner, dict) and chance.random() < 0.3:
        value = inner.pop(place[-1])
        if chance.random() < 0.5:
            return state, f"without {name}"
        inner[f"{place[-1]}x"] = value
        return state, f"{name} called {place[-1]}x"
    inner[place[-1]] = chance.choice(values)
    return state, f"{name} = {str(inner[place[-1]])[:40]}"


def _places(state: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inner = state.items() if isinstance(state, dict) else enumerate(state) if isinstance(state, list) else ()
    for key, value in inner:
        yield (*before, key)
        yield from _places(value, (*before, key))


# -------------------------------------------------------------------------------------------------- kills

SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGINT, signal.SIGTERM)
KILLED_SEARCH = shlex.split(
    "nas.search --space mobilenet --flops 400M --sampler random --trials 2000 --top 1"
)
BUSY = ("seconds", "images_per_second", "waiting", "gpu_memory_mb", "recounted")
"""Columns in which two runs of one request differ."""
COLD = ("nas.search", "nas.train", "nas.exact", "nas.score", "nas.study", "nas.export")


class Uninterrupted:
    """The results of uninterrupted runs, computed at the first request."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: dict[str, tuple[dict[str, Any], float]] = {}

    def of(
        self, words: list[str], read: Callable[[Path], dict[str, Any]], commands: Commands, folder: Path
    ) -> tuple[dict[str, Any], float]:
        """The tables of a run, and the seconds it takes."""
        with self._lock:
            if words[0] not in self._made:
                start = time.monotonic()
                ended = commands.run(folder, [*words, "--out", "uninterrupted"], 300, OFTEN)
                assert ended.code == 0, ended
                self._made[words[0]] = read(folder / "uninterrupted"), time.monotonic() - start
            return self._made[words[0]]


OFTEN: Mapping[str, object] = {"nas.optimize.run._LEAST_PAUSE": 0.0, "nas.runs._PAUSE_RATIO": 1e-3}
"""Searches are saved after every block of trials."""


def kills(seed: int, count: int) -> list[Case]:
    """Kills: three of ten of a search with trials on disk, three of one anywhere, three of a training, and
    one of a command that starts.
    """
    kinds = ("search with trials", "search", "training") * 3 + ("start",)
    uninterrupted = Uninterrupted()
    return [
        Case(kinds[number % 10], partial(_kill, kinds[number % 10], f"{seed} kills {number}", uninterrupted))
        for number in range(count)
    ]


def _kill(
    kind: str, seed: str, uninterrupted: Uninterrupted, commands: Commands, ground: Ground, folder: Path
) -> str:
    chance = random.Random(seed)
    if kind == "start":
        return _killed_at_start(chance, folder)
    training = kind == "training"
    words = ground.training(epochs=3) if training else KILLED_SEARCH
    read = _training_tables if training else _search_tables
    expected, seconds = uninterrupted.of(words, read, commands, folder)
    run = folder / "run"
    wanted, kills = chance.choice((1, 1, 2)), 0
    for _ in range(20):
        number, delay = chance.choice(SIGNALS), chance.random() * seconds
        with commands.running(folder, _going_on(words, run), OFTEN) as running:
            status = Path(f"/proc/{running.pid}/status")
            there = (run / "study.log").exists if "trials" in kind else partial(_catches_sigterm, status)
            if running.until(there, PATIENCE) and not running.until(lambda: False, delay):
                running.kill(number)
            ended = running.ended(PATIENCE)
        if fault := _badly_ended(ended, number):
            return f"{number.name}: {fault}"
        kills += ended.code != 0
        if kills == wanted:
            break
        if ended.code == 0:  # it was faster
            shutil.rmtree(run)
            kills = 0
    else:
        return "is never killed in time"
    ended = commands.run(folder, _going_on(words, run), 300, OFTEN)
    if ended.code != 0:
        return f"{number.name}: cannot go on: exit code {ended.code}: {_last(ended)}"
    differing = [name for name, table in read(run).items() if not _same(table, expected[name])]
    if differing:
        return f"{number.name}: differs in {', '.join(differing)}"
    left = [file.name for file in run.rglob(".*") if "lock" not in file.name]
    return f"{number.name}: leaves {', '.join(left)}" if left else ""


def _going_on(words: list[str], run: Path) -> list[str]:
    begun = (run / "run.json").exists()
    return [words[0], "--resume", run.name] if begun else [*words, "--out", run.name]


def _badly_ended(ended: Ended, number: signal.Signals) -> str:
    if ended.code is None:
        return "hangs"
    if "Traceback" in ended.errors:
        return f"a traceback: {_last(ended)}"
    allowed = {-signal.SIGKILL, 0} if number == signal.SIGKILL else {130, 0}
    if ended.code not in allowed:
        return f"exit code {ended.code}: {_last(ended)}"
    return (
        "" if ended.code != 130 or "interrupted" in ended.errors else f"says nothing: {_shown(ended.errors)}"
    )


def _killed_at_start(chance: random.Random, folder: Path) -> str:
    """Interrupt a command that has just begun to import what it needs."""
    module, number = chance.choice(COLD), chance.choice(SIGNALS[2:])
    words = [sys.executable, "-m", module, *shlex.split(BASES[module])[:2]]
    with subprocess.Popen(
        words, cwd=folder, env=environment(), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as process:
        status = Path(f"/proc/{process.pid}/status")
        while process.poll() is None and not _catches_sigterm(status):
            time.sleep(0.001)
        time.sleep(chance.random() * 0.5)
        process.send_signal(number)
        _, errors = process.communicate(timeout=PATIENCE)
    # Once a command has answered, Python takes its handlers away: a signal then has the system's meaning.
    after = (-number,) if errors.startswith("error: ") else ()
    faster = process.returncode in (0, 2, *after) and "Traceback" not in errors
    if faster or (process.returncode == 130 and errors == "interrupted\n"):
        return ""
    return f"{module} {number.name}: exit code {process.returncode}: {_shown(errors)}"


def _catches_sigterm(status: Path) -> bool:
    """Whether a process has a handler of SIGTERM, which our commands have before anything else."""
    with contextlib.suppress(OSError):
        for line in status.read_text().splitlines():
            if line.startswith("SigCgt:"):
                return bool(int(line.split()[1], 16) >> (signal.SIGTERM - 1) & 1)
    return False


def _search_tables(folder: Path) -> dict[str, Any]:
    return {name: _table(folder / name) for name in ("candidates.csv", "references.csv")}


def _training_tables(folder: Path) -> dict[str, Any]:
    tables: dict[str, Any] = {
        name: _table(folder / name) for name in ("trained.csv", "summary.csv", "curves.csv")
    }
    for file in sorted((folder / "checkpoints").glob("*.pt")):
        tables[file.name] = torch.load(file, weights_only=True)["weights"]
    return tables


def _table(file: Path) -> pd.DataFrame:
    table = pd.read_csv(file)
    return table.drop(columns=[name for name in table.columns if name.startswith(BUSY)])


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
    return bool(one.equals(other))


# --------------------------------------------------------------------------------------------------- main

PARTS = ("requests", "files", "kills")
COUNTS = {"files": 220, "kills": 100}
PATIENCE = 25.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Attack as the arguments say; 1 if anything failed."""
    global PATIENCE
    parser = argparse.ArgumentParser("python -m tests.attack", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--part", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--seed", type=int, default=0, help="of what is damaged, and when it is killed (0)")
    parser.add_argument("--count", type=int, metavar="N", help="N cases of each part, spread over all of it")
    parser.add_argument("--only", type=int, nargs="+", metavar="NUMBER", help="these cases alone")
    parser.add_argument(
        "--patience", type=float, default=PATIENCE, help="seconds after which a command hangs (25)"
    )
    options = parser.parse_args(arguments)
    PATIENCE = options.patience
    torch.set_num_threads(1)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
    makers = {
        "requests": requests,
        "files": partial(files, options.seed, max(options.count or 0, COUNTS["files"])),
        "kills": partial(kills, options.seed, max(options.count or 0, COUNTS["kills"])),
    }
    servers = [Commands() for _ in range(AT_A_TIME)]
    failures: Counter[str] = Counter()
    try:
        with tempfile.TemporaryDirectory() as root:
            ground = Ground.prepared(servers[0], Path(root))
            for part in options.part:
                failures[part] = _attacked(part, makers[part](), servers, ground, options)
    finally:
        for server in reversed(servers):  # a later one holds the pipes of those before it
            server.close()
    return int(failures.total() > 0)


def _attacked(
    part: str, cases: list[Case], servers: list[Commands], ground: Ground, options: argparse.Namespace
) -> int:
    """Try the cases, some at a time; gives how many failed."""
    numbers = options.only or range(len(cases))
    if options.count and not options.only:
        numbers = random.Random(options.seed).sample(range(len(cases)), min(options.count, len(cases)))
    free, start = list(servers), time.monotonic()

    def attempt(number: int) -> str:
        commands = free.pop()
        try:
            with tempfile.TemporaryDirectory() as folder:
                return cases[number].attempt(commands, ground, Path(folder))
        except Exception as error:
            return f"the attack itself fails: {error!r}"
        finally:
            free.append(commands)

    failed = 0
    with ThreadPoolExecutor(len(servers)) as pool, progress(part, len(numbers)) as advance:
        for number, fault in zip(numbers, pool.map(attempt, numbers), strict=True):
            advance()
            if fault:
                failed += 1
                again = f"python -m tests.attack --part {part} --seed {options.seed} --only {number}"
                print(f"FAILED {cases[number].name}: {fault}   # {again}", flush=True)
    print(f"{part}: {len(numbers)} cases, {failed} failures, {time.monotonic() - start:.0f} s", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
