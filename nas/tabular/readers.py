"""Readers of the published formats, each registered as a benchmark."""

from __future__ import annotations

import ast
import json
import math
import re
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

import search_spaces
from nas.columns import is_median
from nas.files import read_csv, read_whole, reason
from nas.tabular.benchmark import Published, register
from search_spaces import MBConv, MobileNet, NASBenchMacro, OFAMobileNetV3, RequestError
from search_spaces.chain import ChainArchitecture
from search_spaces.errors import listed, shown

_LARGEST = 1 << 20
"""Bytes of one JSON file of Accel-NASBench."""
_PUBLISHED = "give the file as its authors published it, see docs/tabular.md"
_STAGES = 7
_CAPS = tuple(float(cap) for cap in range(250_000_000, 500_000_001, 50_000_000))


@register("accel-nasbench", title="Accel-NASBench", accuracy="ImageNet top-1, 16 epochs", caps=_CAPS)
def accel_nasbench(path: Path) -> Published:
    """MBConv networks: the archive of result_*.json, or the folder that it unpacks to."""
    networks, rows = [], []
    for name, content in sorted(_results(path), key=lambda one: _number(one[0])):
        where = f"{path}, {name}"
        found = _json(content, where)
        networks.append(_mbconv(found, where))
        row = {
            "top1": _percent(found, where, "metrics", "val_top1"),
            "published_params": round(1e6 * _positive(found, where, "model_info", "params")),
            "published_macs": 1e6 * _positive(found, where, "model_info", "macs"),
        }
        speeds = found.get("platform_perf", {})
        for speed in speeds if isinstance(speeds, dict) else ():
            keys = ("platform_perf", speed, f"{speed.partition('_')[0]}_mean")
            row[speed] = math.nan if _value(found, where, *keys) is None else _positive(found, where, *keys)
        rows.append(row)
    if not rows:
        raise RequestError(f"{path} has no result_*.json; give Accel-NASBench's anb_dataset_jsons.tar.gz")
    return Published(networks, pd.DataFrame(rows))


@register(
    "accel-nasbench-expanded",
    title="Accel-NASBench, expansions of stages 2 to 7 at least 4",
    accuracy="ImageNet top-1, 16 epochs",
    caps=_CAPS,
)
def accel_nasbench_expanded(path: Path) -> Published:
    """The networks of Accel-NASBench that have no expansion of 1 after the first stage."""
    whole = accel_nasbench(path)
    kept = [
        place
        for place, network in enumerate(whole.networks)
        if isinstance(network, MBConv) and min(network.expansions[1:]) >= 4
    ]
    if not kept:
        raise RequestError(f"{path} has no network with expansions of at least 4 in stages 2 to 7")
    note = (
        f"{len(kept):,} of {len(whole.networks):,} networks have expansions of at least 4 in stages 2 to 7."
    )
    return Published([whole.networks[place] for place in kept], whole.table.iloc[kept], (note,))


@register(
    "accel-nasbench-mobilenet",
    title="Accel-NASBench's corner of MobileNetV2's blocks, predicted",
    accuracy="predicted ImageNet top-1, 16 epochs",
    caps=_CAPS,
    predicted=True,
)
def accel_nasbench_mobilenet(path: Path) -> Published:
    """Networks of MobileNetV2's blocks, expansions 1 6 6 6 6 6 6, with accuracies predicted from all."""
    from nas.tabular.corner import predicted

    return predicted(accel_nasbench(path))


def _content(path: Path) -> bytes:
    """The content of a file.

    Raises:
        RequestError: It cannot be read.
    """
    try:
        return read_whole(path)
    except FileNotFoundError:
        raise RequestError(f"{path}: there is no such file; see docs/tabular.md") from None
    except OSError as error:
        raise RequestError(f"cannot read {path}: {reason(error)}") from None


def _results(path: Path) -> Iterator[tuple[str, bytes]]:
    """Name and content of each result_*.json of a folder or an archive."""
    try:
        if path.is_dir():
            for file in path.rglob("result_*.json"):
                yield file.name, read_whole(file)
            return
        read_whole(path)
        with tarfile.open(path) as archive:
            for member in archive:
                name = Path(member.name).name
                if member.isfile() and re.fullmatch(r"result_.*\.json", name):
                    content = archive.extractfile(member)
                    yield name, content.read(_LARGEST) if content else b""
    except FileNotFoundError:
        raise RequestError(f"{path}: there is no such file or folder; see docs/tabular.md") from None
    except OSError as error:
        raise RequestError(f"cannot read {path}: {reason(error)}") from None
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise RequestError(
            f"{path} is not a tar archive; give Accel-NASBench's anb_dataset_jsons.tar.gz or a folder of its"
            f" result_*.json ({type(error).__name__})"
        ) from None


def _number(name: str) -> tuple[int, str]:
    digits = re.search(r"\d+", name)
    return int(digits[0]) if digits else -1, name


def _json(content: bytes, where: str) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        raise RequestError(f"{where} is not JSON; {_PUBLISHED}") from None
    if not isinstance(found, dict):
        raise RequestError(f"{where} is not a JSON object; {_PUBLISHED}")
    return found


def _value(found: Any, where: str, *keys: str) -> Any:
    """A value of a nested object."""
    for depth, key in enumerate(keys):
        if not isinstance(found, dict) or key not in found:
            raise RequestError(f"{where} has no {'.'.join(keys[: depth + 1])}")
        found = found[key]
    return found


def _positive(found: Any, where: str, *keys: str) -> float:
    value = _value(found, where, *keys)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise RequestError(f"{where}: {'.'.join(keys)} is {shown(value)}, expected a positive number")
    return float(value)


def _percent(found: Any, where: str, *keys: str) -> float:
    value = _positive(found, where, *keys)
    if value > 100:
        raise RequestError(f"{where}: {'.'.join(keys)} is {shown(value)}, expected a percentage")
    return value


def _mbconv(found: Mapping[str, Any], where: str) -> MBConv:
    def of(letter: str) -> tuple[Any, ...]:
        return tuple(
            _value(found, where, "architecture", f"block{stage}_{letter}") for stage in range(_STAGES)
        )

    try:
        return MBConv(expansions=of("e"), kernels=of("k"), depths=of("l"), se=of("se"))
    except RequestError as error:
        raise RequestError(f"{where}: {error}") from None


@register("nasbench-macro", title="NAS-Bench-Macro", accuracy="CIFAR-10 top-1, mean of 3 seeds")
def nasbench_macro(path: Path) -> Published:
    """All networks of NAS-Bench-Macro: nas-bench-macro_cifar10.json."""
    networks, rows = [], []
    for layers, found in _json(_content(path), str(path)).items():
        where = f"{path}, {shown(layers)}"
        try:
            networks.append(NASBenchMacro(layers))
        except RequestError as error:
            raise RequestError(f"{where}: {error}") from None
        seeds = _value(found, where, "test_acc")
        if not isinstance(seeds, list) or not seeds:
            raise RequestError(f"{where}: test_acc is {shown(seeds)}, expected a list of accuracies")
        accuracies = [_percent({"test_acc": accuracy}, where, "test_acc") for accuracy in seeds]
        rows.append(
            {
                "top1": float(np.mean(accuracies)),
                "top1_std": float(np.std(accuracies, ddof=1)) if len(accuracies) > 1 else math.nan,
                "published_params": _positive(found, where, "params"),
                "published_macs": _positive(found, where, "flops"),
            }
        )
    if not rows:
        raise RequestError(f"{path} has no networks; give nas-bench-macro_cifar10.json")
    return Published(networks, pd.DataFrame(rows))


_OFA = ("Model Parameters", "MACs", "Top-1 Acc (%)")
"""Numbers in the tables of DyNAS-T."""
_SUBNET = "Sub-network"
_BLOCKS = 4
"""Most blocks of a stage of Once-for-All's MobileNetV3; its lists have so many entries per stage."""


@register("ofa", title="Once-for-All's MobileNetV3", accuracy="ImageNet top-1, shared weights")
def ofa(path: Path) -> Published:
    """Subnets of Once-for-All's MobileNetV3 from DyNAS-T: mbnv3w10_*.csv, one of them or their folder.

    Subnets of another width than 1.0 are left out.
    """
    files = sorted(path.glob("*.csv")) if path.is_dir() else [path]
    if not files:
        raise RequestError(f"{path} has no CSV files; give DyNAS-T's mbnv3w10_*.csv")
    networks, tables = [], []
    for file in files:
        table = _numbers(file, _OFA, (_SUBNET,))
        networks += _each(file, table, lambda row: _subnet(row[1]), (_SUBNET,))
        params, macs, top1 = (table[name].astype(float) for name in _OFA)
        tables.append(pd.DataFrame({"top1": top1, "published_params": params, "published_macs": macs}))
    found = pd.concat(tables, ignore_index=True)
    kept = [network is not None for network in networks]
    notes = () if all(kept) else (f"{kept.count(False):,} rows of other widths than 1.0 are left out.",)
    return Published([network for network in networks if network], found[kept], notes)


def _subnet(text: object) -> OFAMobileNetV3 | None:
    """The network of a cell of DyNAS-T, a Python dict of lists; None for another width than 1.0."""
    fault = RequestError(f"{_SUBNET} is {shown(text)}, expected a dict of wid, ks, e, d and r")
    try:
        found = ast.literal_eval(str(text)[:2000])
        kernels, expansions, depths, (resolution,) = (
            [_whole(entry) for entry in found[key]] for key in ("ks", "e", "d", "r")
        )
        other_width = found["wid"] not in (None, 1.0)
    except (ValueError, SyntaxError, TypeError, KeyError, MemoryError, RecursionError):
        raise fault from None
    if other_width:
        return None
    starts = range(0, _BLOCKS * len(depths), _BLOCKS)
    if not len(kernels) == len(expansions) == len(starts) * _BLOCKS or max(depths, default=0) > _BLOCKS:
        raise fault

    def of_stages(values: Sequence[int]) -> tuple[str, ...]:
        return tuple(
            "".join(map(str, values[start : start + depth]))
            for start, depth in zip(starts, depths, strict=True)
        )

    return OFAMobileNetV3(of_stages(kernels), of_stages(expansions), resolution)


def _whole(value: object) -> int:
    if type(value) is not int:
        raise TypeError(f"{shown(value)} is not a whole number")
    return value


@register("tfslim", title="TF-slim's MobileNetV2", accuracy="ImageNet top-1", params_unit=10_000)
def tfslim(path: Path) -> Published:
    """MobileNetV2 of several widths and resolutions: width, resolution, params_M, top1, pixel1_cpu_ms."""
    names = ("width", "resolution", "params_M", "top1", "pixel1_cpu_ms")
    table = _numbers(path, names)

    def network(row: Any) -> MobileNet:
        return MobileNet(width_mult=row.width, resolution=row.resolution)

    kept = {"published_params": 1e6 * table["params_M"], "latency_pixel1": table["pixel1_cpu_ms"]}
    return Published(_each(path, table, network), table[["top1"]].assign(**kept))


@register("table", title="your table", accuracy="top-1")
def own(path: Path) -> Published:
    """A CSV with columns `arch` and `top1`, such as trained.csv and networks.csv, or a folder that has one.

    Rows whose `status` is not "done" are left out, and torchvision baselines, which have no stages.
    """
    found = trained(path, "top1")
    return replace(found, notes=(*found.notes, *_mixed(found.networks)))


def _mixed(networks: Sequence[ChainArchitecture]) -> list[str]:
    """A line about networks of several families or input sizes, if there are."""
    families = sorted({network.family for network in networks})
    shapes = {network.input_shape for network in networks}
    if len(families) < 2 and len(shapes) < 2:
        return []
    of = f"{listed(families)} on inputs of {len(shapes)} shape{'s' if len(shapes) > 1 else ''}"
    return [f"Networks of {of} are judged together; a score compares networks of one space at one size."]


def trained(path: Path, target: str) -> Published:
    """The networks of a CSV, or of a folder with trained.csv or networks.csv, and a column of their values.

    Args:
        path: The CSV, with a column `arch`, or the folder.
        target: Name of the column of values.
    """
    if path.is_dir():
        files = [path / name for name in ("networks.csv", "trained.csv") if (path / name).exists()]
        if not files:
            raise RequestError(f"{path} has neither networks.csv nor trained.csv; give a table")
        path = files[0]
    expected = f"expected a table with columns arch and {target}"
    table = read_csv(path, expected)
    missing = [name for name in ("arch", target) if name not in table]
    if missing:
        others = [str(name) for name in table if is_numeric_dtype(table[name])]
        known = f"; its columns of numbers are {listed(others)}" if others and missing == [target] else ""
        raise RequestError(f"{path} has no column {', '.join(missing)}; {expected}{known}")
    table, notes = _finished(path, table)
    _check_numbers(path, table, (target,))

    def network(row: Any) -> ChainArchitecture | None:
        parsed = search_spaces.parse(str(row.arch))
        return parsed if isinstance(parsed, ChainArchitecture) else None

    networks = _each(path, table, network, ("arch",))
    kept = [network is not None for network in networks]
    if not all(kept):
        notes.append(f"{kept.count(False):,} torchvision baselines, which have no stages, are left out.")
    speeds = {f"latency_{name}": table[name][kept] for name in table if is_median(str(name))}
    found = table[[target]][kept].assign(**speeds)
    return Published([network for network in networks if network], found, tuple(notes))


def _finished(path: Path, table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The rows of finished trainings, and a line about the others."""
    if "status" not in table:
        return table, []
    done = table["status"] == "done"
    if len(done) and not done.any():
        way = "finish them by nas train --resume"
        raise RequestError(f"{path}: none of its {len(done):,} trainings is finished; {way}")
    left_out = f"{int((~done).sum()):,} rows without a finished training are left out."
    return table[done], [] if done.all() else [left_out]


def _numbers(path: Path, names: Sequence[str], others: Sequence[str] = ()) -> pd.DataFrame:
    """A CSV with numeric columns of these names, and further columns.

    Raises:
        RequestError: It cannot be read, lacks a column, or has a value that is not a number.
    """
    expected = f"expected a table with columns {', '.join((*others, *names))}"
    table = read_csv(path, expected)
    if missing := [name for name in (*others, *names) if name not in table]:
        raise RequestError(f"{path} has no column {', '.join(missing)}; {expected}")
    _check_numbers(path, table, names)
    return table


def _check_numbers(path: Path, table: pd.DataFrame, names: Iterable[str]) -> None:
    if table.empty:
        raise RequestError(f"{path} has no rows; expected one for each network")
    for name in names:
        numbers = pd.to_numeric(table[name], errors="coerce")
        wrong = ~numbers.between(-math.inf, math.inf, inclusive="neither")
        if wrong.any():
            row = table.index[wrong][0]
            value = shown(str(table.loc[row, name]))
            raise RequestError(f"{path}, row {row + 1}: {name} is {value}, expected a number")
        if not is_numeric_dtype(table[name]):
            table[name] = numbers


def _each(
    path: Path, table: pd.DataFrame, network: Callable[[Any], Any], columns: Sequence[str] = ()
) -> list[Any]:
    """The network of each row, or of some columns of it; errors name the row, counted from 1."""
    found = []
    for row in (table[list(columns)] if columns else table).itertuples():
        try:
            found.append(network(row))
        except RequestError as error:
            raise RequestError(f"{path}, row {int(row[0]) + 1}: {error}") from None
    return found
