"""Readers of the published formats, from small files in the same formats."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

from nas.tabular import benchmark
from nas.tabular.benchmark import Published
from nas.tabular.corner import corner
from search_spaces import MBConv, MobileNet, NASBenchMacro, OFAMobileNetV3, RequestError
from tests.nas.tabular.files import accel_nasbench, mbconvs, result


def read(name: str, path: Path) -> Published:
    return benchmark.get(name).read(path)


@pytest.mark.parametrize("name", ["files", "files.tar.gz"])
def test_accel_nasbench_is_read_from_an_archive_or_a_folder(tmp_path: Path, name: str) -> None:
    networks = mbconvs(12)
    found = read("accel-nasbench", accel_nasbench(tmp_path / name, networks))
    assert found.networks == networks  # in the order of their numbers
    params = [network.figures().params for network in networks]
    assert found.table["published_params"].tolist() == params
    assert found.table["top1"].tolist() == [50 + count / 1e6 for count in params]
    assert found.table["latency_zcu102"].notna().all() and found.table["throughput_a100"].isna().all()


def test_files_of_accel_nasbench_in_a_deeper_folder(tmp_path: Path) -> None:
    accel_nasbench(tmp_path / "inner", mbconvs(3))
    assert len(read("accel-nasbench", tmp_path).networks) == 3


def test_accel_nasbench_with_large_expansions(tmp_path: Path) -> None:
    networks = [MBConv(), MBConv(expansions=(6, 4, 4, 4, 4, 4, 4)), MBConv(expansions=(1, 6, 6, 1, 6, 6, 6))]
    found = read("accel-nasbench-expanded", accel_nasbench(tmp_path / "files", networks))
    assert found.networks == networks[:2] and len(found.table) == 2 and "2 of 3" in found.notes[0]


def test_the_corner_is_predicted(tmp_path: Path) -> None:
    found = read("accel-nasbench-mobilenet", accel_nasbench(tmp_path / "files", mbconvs(60)))
    assert len(found.networks) == len(set(found.networks)) == 3**6 * 4
    assert set(corner()) == set(found.networks) and MBConv(kernels=(3,) * 7, se=(False,) * 7) in corner()
    assert found.table["top1"].between(50, 60).all() and found.table["top1"].std() > 0
    assert "Predicted, not measured" in found.notes[0] and "cross-validated" in found.notes[0]
    with pytest.raises(RequestError, match="5 networks are too few for a prediction; at least 20"):
        read("accel-nasbench-mobilenet", accel_nasbench(tmp_path / "few", mbconvs(5)))


WRONG = {
    "metrics.val_top1 is 'x', expected a positive number": {"metrics": {"val_top1": "x"}},
    "metrics.val_top1 is True, expected": {"metrics": {"val_top1": True}},
    "metrics.val_top1 is 101.0, expected a percentage": {"metrics": {"val_top1": 101}},
    "has no metrics.val_top1": {"metrics": []},
    "has no architecture.block0_e": {"architecture": {}},
    "has no model_info": {"model_info": None},
    "has no platform_perf.latency_x.latency_mean": {"platform_perf": {"latency_x": {}}},
}


@pytest.mark.parametrize("message", WRONG)
def test_a_wrong_file_of_accel_nasbench_is_named(tmp_path: Path, message: str) -> None:
    content = {**result(MBConv(), 60.0), **WRONG[message]}
    (tmp_path / "result_7.json").write_text(json.dumps(content))
    with pytest.raises(RequestError, match=rf"result_7\.json:? ?{message}"):
        read("accel-nasbench", tmp_path)


def test_a_wrong_architecture_of_accel_nasbench(tmp_path: Path) -> None:
    content = result(MBConv(), 60.0)
    content["architecture"]["block1_k"] = 4
    (tmp_path / "result_0.json").write_text(json.dumps(content))
    with pytest.raises(RequestError, match=r"result_0\.json: mbconv: kernel_2 is 4, expected an odd number"):
        read("accel-nasbench", tmp_path)
    for text, why in (("{", "is not JSON"), ("[]", "is not a JSON object")):
        (tmp_path / "result_0.json").write_text(text)
        with pytest.raises(RequestError, match=f"result_0.json {why}"):
            read("accel-nasbench", tmp_path)


def test_no_files_of_accel_nasbench(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"has no result_\*\.json"):
        read("accel-nasbench", tmp_path)
    with pytest.raises(RequestError, match="there is no such file or folder"):
        read("accel-nasbench", tmp_path / "none")
    (tmp_path / "text").write_text("no archive")
    with pytest.raises(RequestError, match="text is not a tar archive; give Accel-NASBench's anb_dataset"):
        read("accel-nasbench", tmp_path / "text")
    with tarfile.open(tmp_path / "empty.tar.gz", "w:gz"):
        pass
    with pytest.raises(RequestError, match=r"has no result_\*\.json"):
        read("accel-nasbench", tmp_path / "empty.tar.gz")


def test_tfslim_has_widths_and_resolutions(tmp_path: Path) -> None:
    path = tmp_path / "slim.csv"
    path.write_text(
        "width,resolution,macs_M,params_M,top1,top5,pixel1_cpu_ms\n"
        "1.0,224,300,3.47,70,90,70\n0.35,96,11,1.66,45,70,4\n"
    )
    found = read("tfslim", path)
    assert found.networks == [MobileNet(), MobileNet(width_mult=0.35, resolution=96)]
    assert found.table["latency_pixel1"].tolist() == [70, 4]
    path.write_text("width,resolution,params_M,top1,pixel1_cpu_ms\n1.0,224,3.47,70,70\n0,96,1,45,4\n")
    with pytest.raises(RequestError, match=r"slim.csv, row 2: mobilenet: width_mult is 0.0, expected"):
        read("tfslim", path)
    path.write_text("width,resolution,params_M,top1,pixel1_cpu_ms\n1.0,224,3.47,x,70\n")
    with pytest.raises(RequestError, match=r"slim.csv, row 1: top1 is 'x', expected a number"):
        read("tfslim", path)
    path.write_text("width,resolution\n1.0,224\n")
    with pytest.raises(RequestError, match=r"has no column params_M, top1, pixel1_cpu_ms; expected"):
        read("tfslim", path)


MACRO = {"test_acc": [90.0, 91.0, 92.0], "mean_acc": 91.0, "std": 0.8, "params": 890666, "flops": 47327744}


def test_nasbench_macro_has_means_of_seeds(tmp_path: Path) -> None:
    path = tmp_path / "macro.json"
    path.write_text(json.dumps({"02012100": MACRO, "00000000": {**MACRO, "test_acc": [50.0]}}))
    found = read("nasbench-macro", path)
    assert found.networks == [NASBenchMacro("02012100"), NASBenchMacro("00000000")]
    assert found.table["top1"].tolist() == [91, 50]
    assert found.table["top1_std"].tolist() == pytest.approx([1, np.nan], nan_ok=True)
    assert found.table["published_params"].tolist()[0] == NASBenchMacro("02012100").figures().params
    for content, message in (
        ({"0201210": MACRO}, r"'0201210': nasbench-macro: layers is '0201210'"),
        ({"02012100": {}}, r"'02012100' has no test_acc"),
        ({"02012100": {**MACRO, "test_acc": 90}}, "test_acc is 90, expected a list"),
        ({"02012100": {**MACRO, "test_acc": [-1]}}, "test_acc is -1, expected a positive number"),
        ({"02012100": {**MACRO, "params": None}}, "params is None, expected a positive number"),
        ({}, "has no networks"),
    ):
        path.write_text(json.dumps(content))
        with pytest.raises(RequestError, match=message):
            read("nasbench-macro", path)
    with pytest.raises(RequestError, match="there is no such file"):
        read("nasbench-macro", tmp_path / "none.json")
    with pytest.raises(RequestError, match="it is a folder"):
        read("nasbench-macro", tmp_path)


SUBNET = {"wid": None, "ks": [3, 5, 7, 7] * 5, "e": [3, 4, 6, 6] * 5, "d": [2, 3, 4, 2, 2], "r": [192]}
HEADER = "Sub-network,Date,Model Parameters,Latency (ms),MACs,Top-1 Acc (%)\n"


def dynast(path: Path, *subnets: object) -> Path:
    rows = [
        f'"{subnet}",2022-11-01 05:40:09,5000000,0,250000000,{75 + n}\n' for n, subnet in enumerate(subnets)
    ]
    path.write_text(HEADER + "".join(rows))
    return path


def test_subnets_of_once_for_all(tmp_path: Path) -> None:
    other = {**SUBNET, "ks": [3, 5, 3, 3] * 5, "d": [2] * 5}
    dynast(tmp_path / "one.csv", SUBNET, {**SUBNET, "wid": 1.2})
    dynast(tmp_path / "two.csv", other, {**SUBNET, "ks": [3, 5, 3, 3, *SUBNET["ks"][4:]]})
    network = OFAMobileNetV3(("35", "357", "3577", "35", "35"), ("34", "346", "3466", "34", "34"), 192)
    found = read("ofa", tmp_path)
    assert found.networks == [network, OFAMobileNetV3(("35",) * 5, ("34",) * 5, 192), network]
    assert found.notes == ("1 rows of other widths than 1.0 are left out.",)
    averaged = found.averaged()
    assert averaged.networks == [network, OFAMobileNetV3(("35",) * 5, ("34",) * 5, 192)]
    assert averaged.table["top1"].tolist() == [75.5, 75]
    assert len(read("ofa", tmp_path / "two.csv").networks) == 2


CODE = (
    "__import__('os').remove('x')",
    "[x for x in ()]",
    "{}",
    "{'ks': 3}",
    "((((",
    "[" * 3000,
    str({**SUBNET, "ks": [3, True, 5, 5] * 5}),
    str({**SUBNET, "ks": [3, 5]}),
    str({**SUBNET, "d": [5] * 5}),
    str({**SUBNET, "d": []}),
    str({**SUBNET, "r": [1, 2]}),
)


@pytest.mark.parametrize("text", CODE)
def test_a_subnet_is_data_and_never_code(tmp_path: Path, text: str) -> None:
    with pytest.raises(
        RequestError, match=r"one.csv, row 2: (Sub-network is .*, expected a dict|ofa-mobilenetv3)"
    ):
        read("ofa", dynast(tmp_path / "one.csv", SUBNET, text))


def test_a_wrong_table_of_once_for_all(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="has no CSV files"):
        read("ofa", tmp_path)
    (tmp_path / "one.csv").write_text("arch,top1\n")
    with pytest.raises(RequestError, match=r"one\.csv has no column Sub-network, Model Parameters"):
        read("ofa", tmp_path)
    with pytest.raises(RequestError, match="row 1: ofa-mobilenetv3: kernels_1 is '23'"):
        read("ofa", dynast(tmp_path / "one.csv", {**SUBNET, "ks": [2, 3, 3, 3] * 5}))


OWN = """arch,seed,top1,status,cpu_ms
mobilenet:mobilenet_v2,0,70.0,done,2.0
mobilenet:mobilenet_v2,1,72.0,done,2.0
mobilenet:nn_mass_a,0,60.0,done,1.0
mobilenet:nn_mass_b,0,,failed,
torchvision:resnet18,0,75.0,done,3.0
"""


def test_a_table_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "trained.csv").write_text(OWN)
    found = read("table", tmp_path).averaged()
    assert [str(network) for network in found.networks] == [
        "mobilenet:w1.0_d1-2-3-4-3-3-1",
        "mobilenet:w0.6_d2-3-4-5-4-3-1",
    ]
    assert found.table["top1"].tolist() == [71, 60] and found.table["latency_cpu_ms"].tolist() == [2, 1]
    assert found.table["top1_std"].tolist() == pytest.approx([np.sqrt(2), np.nan], nan_ok=True)
    notes = " ".join(found.notes)
    assert "1 rows without" in notes and "1 torchvision baselines" in notes and "3 rows of 2" in notes


def test_different_kinds_of_networks_are_named(tmp_path: Path) -> None:
    def notes_of(*archs: str) -> tuple[str, ...]:
        path = tmp_path / "own.csv"
        path.write_text("\n".join(["arch,top1", *(f"{arch},70" for arch in archs)]))
        return read("table", path).notes

    assert not notes_of("mobilenet:mobilenet_v2", "mobilenet:nn_mass_a")
    (families,) = notes_of("resnet:resnet18", "mobilenet:mobilenet_v2", "mlp:mlp_8")
    assert families.startswith("Networks of mlp, mobilenet, resnet on inputs of 2 shapes are judged together")
    (sizes,) = notes_of("mobilenet:mobilenet_v2", "mobilenet:w1_d1-2-3-4-3-3-1_r160")
    assert sizes.startswith("Networks of mobilenet on inputs of 2 shapes are")


def test_a_wrong_table_of_ones_own(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"has neither networks.csv nor trained.csv"):
        read("table", tmp_path)
    path = tmp_path / "own.csv"
    for text, message in (
        ("arch,top1\nmobilenet:x,70\n", r"own.csv, row 1: spec"),
        ("arch,top1\nmobilenet:mobilenet_v2,70\nmobilenet:nn_mass_a,inf\n", r"own.csv, row 2: top1 is 'inf'"),
        ("arch\nmobilenet:mobilenet_v2\n", r"own.csv has no column top1; expected"),
        ("arch,top1\n", r"own.csv has no rows"),
        ("arch,top1,status\nmlp:mlp_8,,interrupted\n", r"own.csv: none of its 1 trainings is finished"),
    ):
        path.write_text(text)
        with pytest.raises(RequestError, match=message):
            read("table", path)


def test_unknown_benchmarks_get_a_hint() -> None:
    with pytest.raises(RequestError, match="did you mean accel-nasbench"):
        benchmark.get("accel-nasbnch")
    with pytest.raises(ValueError, match="a benchmark tfslim already"):
        benchmark.register("tfslim", title="", accuracy="")(lambda path: Published([], None))  # type: ignore[arg-type]
