"""Small data sets of torchvision: reading, downloads, and pickles with code."""

from __future__ import annotations

import os
import pickle
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from urllib.error import URLError

import numpy as np
import pytest
import torch

from nas.train.data import load
from nas.train.small_sets import _MIRRORS, plain_pickle
from search_spaces import RequestError


def write_cifar(folder: Path) -> Path:
    """CIFAR-10 in the layout of torchvision, with 30 images and other checksums than the real ones."""
    batches = folder / "cifar-10-batches-py"
    batches.mkdir(parents=True)
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    (batches / "batches.meta").write_bytes(pickle.dumps({"label_names": names}, 4))
    generator = np.random.default_rng(0)
    for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"):
        pixels = generator.integers(0, 256, (5, 3072), np.uint8)
        (batches / name).write_bytes(pickle.dumps({"data": pixels, "labels": [0, 1, 2, 3, 4]}, 4))
    return folder


def test_cifar10_equals_torchvisions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.datasets import CIFAR10

    monkeypatch.setattr(CIFAR10, "_check_integrity", lambda self: True)
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *given: True)
    data = load("cifar10", write_cifar(tmp_path))
    assert (len(data.train), len(data.test), data.channels, data.side) == (25, 5, 3, 32)
    assert len(data.classes) == 10 and data.train.labels[:5].tolist() == [0, 1, 2, 3, 4]
    for train, own in ((True, data.train), (False, data.test)):
        expected = CIFAR10(tmp_path, train=train)
        pixels, labels = next(own.batches(torch.arange(len(own)), len(own)))
        assert torch.equal(pixels, torch.from_numpy(expected.data).permute(0, 3, 1, 2))
        assert labels.tolist() == expected.targets


@pytest.mark.parametrize("target", ["data_batch_3", "test_batch", "batches.meta"])
def test_code_in_a_pickle_is_not_run(target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.datasets import CIFAR10

    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return (os.system, (f"touch {tmp_path / 'ran'}",))

    monkeypatch.setattr(CIFAR10, "_check_integrity", lambda self: True)
    file = write_cifar(tmp_path / "data") / "cifar-10-batches-py" / target
    for content in (pickle.dumps(Evil()), pickle.dumps({"data": Evil()}, 0), b"cos\nsystem\n.", b"", b"."):
        file.write_bytes(content)
        with pytest.raises(RequestError, match=f"{target} is not a data set of images"):
            load("cifar10", tmp_path / "data")
    for content in ({"data": np.zeros((5, 3072)), "labels": [0] * 5}, {"data": 1, "labels": []}, []):
        file.write_bytes(pickle.dumps(content, 4))
        with pytest.raises(RequestError, match="does not contain images of CIFAR10"):
            load("cifar10", tmp_path / "data")
    assert not (tmp_path / "ran").exists()


def test_python_2_pickles_are_read(tmp_path: Path) -> None:
    """The bytes are in the format of CIFAR's own files."""
    (tmp_path / "old").write_bytes(
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01K\x02K\x02\x86"
        b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        b"\x89U\x04\x00\x01\xfe\xfftb."
    )
    found = plain_pickle(tmp_path / "old")
    assert found.dtype == np.uint8 and found.tolist() == [[0, 1], [254, 255]]


def test_downloads_use_https_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every address that a download would try."""
    tried: list[str] = []

    def fetch(url: str, *given: object, **more: object) -> None:
        tried.append(url)
        raise RuntimeError("no network here")

    for module in ("mnist", "cifar"):
        monkeypatch.setattr(f"torchvision.datasets.{module}.download_and_extract_archive", fetch)
    for name in ("cifar10", "cifar100", "mnist", "fashionmnist"):
        with pytest.raises(RequestError, match=f"^{name} in .*: the download failed, or .*; try again"):
            load(name, tmp_path / name, download=True)
    assert len(tried) == 5 and all(url.startswith("https://") for url in tried)


def test_a_failed_download_is_not_tried_over_plain_http(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a download fails torchvision replaces https by http, here at a server that speaks http only."""
    reached: list[str] = []

    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            reached.append(self.path)
            self.send_error(404)

    before = urllib.request._opener  # type: ignore[attr-defined]
    with HTTPServer(("127.0.0.1", 0), Server) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        address = f"https://127.0.0.1:{server.server_port}"
        monkeypatch.setattr("torchvision.datasets.utils._get_redirect_url", lambda url, **given: url)
        monkeypatch.setattr("torchvision.datasets.CIFAR10.url", f"{address}/cifar-10-python.tar.gz")
        monkeypatch.setitem(_MIRRORS, "mnist", (f"{address}/mnist/",))
        with pytest.raises(RequestError, match=r"cifar10 in .*: the download failed \(.*SSL"):
            load("cifar10", tmp_path, download=True)
        with pytest.raises(RequestError, match=r"mnist in .*: the download failed"):
            load("mnist", tmp_path, download=True)
        server.shutdown()
    assert not reached and urllib.request._opener is before  # type: ignore[attr-defined]


def test_a_missing_data_set_is_refused(tmp_path: Path) -> None:
    for name in ("cifar10", "cifar100", "mnist", "fashionmnist"):
        with pytest.raises(RequestError, match=f"^{name} in .*: it is not there, or .*; add --download"):
            load(name, tmp_path)


def test_a_failed_download_names_its_cause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(*given: object, **more: object) -> None:
        raise URLError(OSError(-2, "Name or service not known"))

    monkeypatch.setattr("torchvision.datasets.cifar.download_and_extract_archive", fetch)
    with pytest.raises(RequestError, match=r"the download failed \(Name or service not known\); try again"):
        load("cifar10", tmp_path / "new", download=True)
    (tmp_path / "file").touch()
    with pytest.raises(RequestError, match="file, and a folder is expected"):
        load("mnist", tmp_path / "file", download=True)


@pytest.mark.parametrize("content", [b"", b"\0\0\x08\x03", b"\0\0\xff\x03" + bytes(40), b"text, not numbers"])
def test_damaged_files_of_mnist_are_refused(content: bytes, tmp_path: Path) -> None:
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for part in ("train", "t10k"):
        for name in ("images-idx3", "labels-idx1"):
            (raw / f"{part}-{name}-ubyte").write_bytes(content)
    for download in (False, True):
        with pytest.raises(RequestError, match="damaged"):
            load("mnist", tmp_path, download=download)
