"""The function `nas.score` and the command `nas score`."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import nas
from nas import proxies, score
from nas.proxies import Subject
from nas.score import main
from search_spaces import MLP, Architecture, MobileNet, RequestError, parse
from tests.conftest import Command, environment, refused


def test_several_networks_give_one_row_each_in_order() -> None:
    given: list[Architecture | str] = [
        MLP(),
        "mobilenet:mobilenet_v2",
        "mlp:w8_d12_t10",
        MobileNet(width_mult=0.35),
    ]
    table = nas.score(given)
    assert list(table) == ["arch", "nn_mass", "flops", "macs", "params"]
    assert table["arch"].tolist() == [
        str(given[0]),
        str(parse("mobilenet:mobilenet_v2")),
        "mlp:w8_d12_t10",
        str(given[3]),
    ]
    for one, row in zip(given, table.to_dict("records"), strict=True):
        assert nas.score(one) == {name: value for name, value in row.items() if name != "arch"}
    assert nas.score(table).equals(table) and nas.score(table["arch"]).equals(table)
    assert nas.score(tuple(given)).equals(table)


def test_further_scores_equal_those_of_the_proxies() -> None:
    table = nas.score(["mlp:w8", "mlp:w16"], scores=["zen", "params", "depth"], score_batch=4, seed=3)
    assert list(table) == ["arch", "nn_mass", "flops", "macs", "params", "zen", "depth"]
    subject = Subject.of_noise(MLP(width=16), 4, 3)
    assert table["zen"].iloc[1] == proxies.measure("zen", subject).value
    assert nas.score("mlp:w8", scores=["depth"])["depth"] == 12.0


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(RequestError, match="networks is a table without a column arch"):
        nas.score(pd.DataFrame({"spec": ["mlp:w8"]}))
    with pytest.raises(RequestError, match="networks is empty"):
        nas.score([])
    with pytest.raises(RequestError, match="unknown score 'zenn'"):
        nas.score("mlp:w8", scores=["zenn"])
    with pytest.raises(RequestError, match="score_batch is 8, but depth use no images"):
        nas.score("mlp:w8", scores=["depth"], score_batch=8)


def test_csv_of_several_networks(command: Command) -> None:
    done = command("nas.score", "--space", "mobilenet", "--arch", "nn_mass_b", "w0.6", "--format", "csv")
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(io.StringIO(done.stdout))
    assert table["arch"].tolist() == ["mobilenet:w1.0_d2-3-4-5-4-3-1", "mobilenet:w0.6_d1-2-3-4-3-3-1"]
    assert table.loc[0, ["nn_mass", "flops", "macs", "params"]].to_dict() == score("mobilenet:nn_mass_b")


def test_json_of_several_spaces(command: Command) -> None:
    done = command("nas.score", "--arch", "resnet:resnet18", "--arch", "mlp:w8_d4_t2", "--format", "json")
    assert [row.pop("arch") for row in json.loads(done.stdout)] == [
        "resnet:basic_d2-2-2-2_w64",
        "mlp:w8_d4_t2",
    ]
    rows = json.loads(done.stdout)
    assert {name: rows[0][name] for name in score("resnet:resnet18")} == score("resnet:resnet18")


def test_a_reference_keeps_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    given = ["mobilenet:nn_mass_b", "mobilenet:w0.6", "--space", "mlp", "--arch", "mlp_16"]
    main([*given, "--format", "csv"])
    table = pd.read_csv(io.StringIO(capsys.readouterr().out))
    assert table["name"].fillna("").tolist() == ["nn_mass_b", "", "mlp_16"]
    main(given)
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[2:]] == [
        "nn_mass_b",
        "-",
        "mlp_16",
    ]
    main(["mobilenet:w0.6"])
    assert "name" not in capsys.readouterr().out


def test_json_has_full_precision(capsys: pytest.CaptureFixture[str]) -> None:
    main(["mobilenet:w0.35_d1-5-6-6-6-6-5", "torchvision:mobilenet_v2", "--format", "json"])
    text = capsys.readouterr().out
    assert all(str(row["nn_mass"]) in text for row in json.loads(text) if row["nn_mass"])
    assert json.loads(text)[1]["nn_mass"] is None


def test_a_table_fits_a_terminal(command: Command) -> None:
    done = command("nas.score", "--arch", "mobilenet:mobilenet_v2", "resnet:wide_resnet101_2")
    assert "314.2M" in done.stdout and "1287.0" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_torchvision_baselines_beside_networks_of_a_space(command: Command) -> None:
    given = ["--space", "mobilenet", "--arch", "mobilenet_v2", "torchvision:mobilenet_v2"]
    table = command("nas.score", *given).stdout.splitlines()
    ours, baseline = (line.split() for line in table[-2:])
    assert ours[2:] == ["1287.0", *baseline[3:]] and baseline[:3] == ["-", "torchvision:mobilenet_v2", "-"]
    rows = json.loads(command("nas.score", *given, "--format", "json").stdout)
    assert rows[1]["nn_mass"] is None and rows[1]["flops"] == rows[0]["flops"]


def test_networks_of_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "t.csv").write_text("arch\nmlp:mlp_8\nresnet:resnet18\n")
    assert main(["mlp:w8", str(tmp_path / "t.csv"), "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["arch"] for row in rows] == [
        str(parse(one)) for one in ("mlp:w8", "mlp:mlp_8", "resnet:resnet18")
    ]
    assert "none.csv: there is no such file" in refused(main, ["none.csv"], capsys)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--arch", "nn_mass_b"], "names no space; write it as SPACE:SPEC: mobilenet:nn_mass_b"),
        (["--arch", "resnet50"], "SPACE:SPEC: resnet:resnet50"),
        (["w8_d3_t2"], "SPACE:SPEC: mlp:w8_d3_t2"),
        (["mobilenetv2"], "such as mobilenet:mobilenet_v2"),
        (["mobilenet:mobilenetv2"], "did you mean mobilenet_v2?"),
        (["mobilenet:"], "''"),
        (["mlp:w\uff18"], "at character 5"),
        (["mlp:w8", "--fromat", "csv"], "did you mean --format?"),
        (["mlp:w" + "9" * 5000], "; it is not a reference of mlp either"),
        (["mlp:w8", "--latency", "cpu", "--latency-threads", "1000000"], "'1000000' is too large"),
        (["mlp:w8", "--latency", "gpu"], "did you mean cuda?"),
        (["--arch", "mobilenet:w1_dx"], "'dx' at character 14"),
        (["--space", "nope", "--arch", "w1"], "unknown space 'nope'"),
        (["--space", "torchvision", "--arch", "resnet18"], "torchvision is not a search space"),
        (["--arch", "torchvision:mobilnet_v2"], "did you mean mobilenet_v2?"),
        (["--space", "mobilenet"], "--arch"),
        (["mlp:w8", ""], "an empty argument"),
        (["--arch", "mlp:w8", "--format", "xml"], "xml"),
        (["mlp:w8", "--compare"], "--compare takes two networks, 1 given"),
        (["mlp:w8", "--stages", "--compare"], "not allowed with"),
        (["mlp:w8", "--stages", "--scores", "zen"], "--scores has no value per stage"),
        (["torchvision:resnet18", "--stages"], "'torchvision:resnet18' has no stages"),
    ],
)
def test_wrong_requests_get_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in refused(main, arguments, capsys)


def test_a_wrong_request_in_a_separate_process(command: Command) -> None:
    done = command("nas.score", "--arch", "nn_mass_b")
    assert done.returncode == 2 and not done.stdout
    assert "names no space" in done.stderr and done.stderr.count("\n") == 1


HEAVY = {
    "nas": {"torch", "fvcore", "optuna", "pandas"},
    "nas.verify": {"torch", "fvcore", "optuna", "pandas"},
    "nas.latency": {"torch", "fvcore", "optuna", "onnxruntime", "pandas"},
    "nas.score": {"torch", "fvcore", "optuna"},
    "nas.optimize.run": {"torch", "fvcore"},
}
"""For each module, the packages that must not be imported after it and the modules before it."""


def test_imports_leave_out_heavy_packages() -> None:
    """Training must run without Optuna and fvcore; a search imports torch only for verification."""
    code = (
        "import importlib, sys\n"
        f"for module, heavy in {HEAVY!r}.items():\n"
        "    importlib.import_module(module)\n"
        "    assert not heavy & set(sys.modules), (module, heavy & set(sys.modules))\n"
        "import nas\n"
        "for options in ({}, {'score': 'root_params'}, {'at_most': {'peak-memory': '6KB'}}):\n"
        "    nas.search('mlp', trials=10, top=0, **options)\n"
        "    assert 'torch' not in sys.modules, options\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment())
    assert done.returncode == 0, done.stderr


def test_stages_in_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mobilenet:mobilenet_v2", "densenet:cells_13", "--stages"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0] == "mobilenet_v2 = mobilenet:w1.0_d1-2-3-4-3-3-1"
    (stage,) = (line.split() for line in lines if line.lstrip().startswith("stage_4"))
    assert stage == ["stage_4", "4/3", "64", "14", "312.0", "24%", "39.88M", "13%", "38.50M", "183.9K", "5%"]
    totals = [line.split() for line in lines if line.lstrip().startswith("network")]
    assert [total[4:6] for total in totals] == [["1287.0", "100%"], ["526.1", "100%"]]


def test_stages_as_csv_say_of_which_network(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mlp:mlp_8", "resnet:resnet18", "--stages", "--format", "csv"]) == 0
    table = pd.read_csv(io.StringIO(capsys.readouterr().out))
    sums = table.groupby("arch")[["nn_mass", "flops", "macs", "params"]].sum()
    for spec, row in sums.iterrows():
        assert row.to_dict() == pytest.approx(score(str(spec)))


def test_two_networks_side_by_side(capsys: pytest.CaptureFixture[str]) -> None:
    given = ["resnet:resnet18", "mobilenet:mobilenet_v2", "--compare"]
    assert main(given) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[1] == "2: mobilenet_v2 = mobilenet:w1.0_d1-2-3-4-3-3-1"
    names = [line.split()[0] for line in lines[5:] if line.strip()]
    assert names == ["stem", *(f"stage_{i}" for i in range(1, 8)), "head", "network"]
    assert lines[-1].split() == [
        *("network", "-", "-", "-", "-", "3392.0", "1287.0", "1.819G", "314.2M", "11.69M", "3.505M")
    ]
    assert main([*given, "--format", "json"]) == 0
    (row,) = (row for row in json.loads(capsys.readouterr().out) if row["stage"] == "stage_7")
    assert row["blocks_of_1"] is None and row["flops_of_1"] is None and row["flops_of_2"] == 23222080


def test_peak_memory_is_a_column_in_bytes(capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(["mobilenet:mobilenet_v2", "--scores", "peak-memory", "--element-bytes", "1", "--format", "csv"])
        == 0
    )
    assert capsys.readouterr().out.splitlines()[-1].endswith(",1505280")
    with pytest.raises(RequestError, match="element_bytes is 3"):
        nas.score("mobilenet:mobilenet_v2", scores=["peak-memory"], element_bytes=3)
