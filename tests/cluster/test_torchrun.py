"""One network on two nodes: two agents of torchrun on the loopback, each with a process and its own data."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch

from tests.conftest import PATIENCE, Begin, environment
from tests.nas.train.conftest import same, write_images
from tests.nas.train.test_cli import in_two_processes

pytestmark = pytest.mark.cluster

WORDS = ("--arch", "mlp:mlp_8", "--dataset", "folder", "--device", "cpu", "--threads", "1",
         "--set", "epochs=4", "batch_size=12")  # fmt: skip


def on_two_nodes(folders: list[Path], *arguments: str) -> list[subprocess.CompletedProcess[str]]:
    """A training by two agents, each in the folder of its node."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    agents = [
        subprocess.Popen(
            [
                sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "1",
                "--rdzv-backend", "c10d", "--rdzv-endpoint", f"127.0.0.1:{port}",
                "--local-addr", "127.0.0.1", "-m", "nas.train", *arguments,
            ],
            cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for folder in folders
    ]  # fmt: skip
    ended = [(*agent.communicate(timeout=PATIENCE), agent.returncode) for agent in agents]
    return [subprocess.CompletedProcess((), code, output, errors) for output, errors, code in ended]


def test_two_nodes_train_as_two_processes_of_one(begin: Begin, tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        write_images(folder / "data", each=24)  # each node reads its own copy
    nodes = on_two_nodes(folders, *WORDS, "--data", "data", "--out", "run")
    assert [node.returncode for node in nodes] == [0, 0], [node.stderr for node in nodes]
    wrote = [folder for folder in folders if (folder / "run").exists()]
    assert len(wrote) == 1, "only the main process writes"
    assert sum("Kept in run" in node.stdout for node in nodes) == 1

    (tmp_path / "whole").mkdir()
    data = ["--data", str(folders[0] / "data")]
    for process in in_two_processes(begin, tmp_path / "whole", *WORDS, *data, "--out", "run"):
        assert process.ended().returncode == 0
    two, one = (
        torch.load(folder / "run" / "checkpoints" / "row1-seed0.pt", weights_only=True)
        for folder in (wrote[0], tmp_path / "whole")
    )
    assert same(two["weights"], one["weights"])
    table = pd.read_csv(wrote[0] / "run" / "trained.csv")
    assert table["device"].tolist() == ["2 x cpu"] and table["status"].tolist() == ["done"]


def test_nodes_with_other_data_are_refused(begin: Begin, tmp_path: Path) -> None:
    """The environment of torchrun, one folder a process."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    common = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    begun = []
    for rank, images in (("0", 24), ("1", 18)):
        write_images(tmp_path / rank / "data", each=images)
        node = {"RANK": rank, "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1"}
        words = (*WORDS, "--data", "data", "--out", "run")
        begun.append(begin(tmp_path / rank, "nas.train", *words, extra={**common, **node}))
    for process in begun:
        done = process.ended()
        assert done.returncode == 2, done.stderr
        assert "the data set in data differs from that of the main process" in done.stderr
        assert done.stderr.count("\n") == 1
    assert not (tmp_path / "0" / "run").exists()
