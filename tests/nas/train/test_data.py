"""Data sets: where they come from, what is held out, and what is wrong with them."""

from __future__ import annotations

import os
import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import search_spaces
from nas.train.config import TrainConfig
from nas.train.data import Data, all_fitted, fitted, load
from nas.train.small_sets import plain_pickle
from search_spaces import MLP, MobileNet, RequestError, ResNet
from tests.nas.train.conftest import RECIPE, SMALL, write_images


def test_a_holdout_is_even_and_repeats(data: Data) -> None:
    split = data.hold_out(0.25, seed=0)
    assert split.held_out is not None
    assert split.held_out.labels.bincount().tolist() == [6, 6, 6] and len(split.train) == 54
    assert torch.equal(split.held_out.labels, data.hold_out(0.25, seed=0).held_out.labels)  # type: ignore
    with pytest.raises(RequestError, match="too few to hold some out"):
        data.hold_out(0.001, seed=0)


def test_a_limit_keeps_some_and_always_the_same(images: Path) -> None:
    first, again = (load("folder", images, limit=10) for _ in range(2))
    assert len(first.train) == len(first.test) == 10
    assert torch.equal(first.train.labels, again.train.labels)
    assert len(load("folder", images, limit=1000).train) == 72


def test_networks_are_rebuilt_for_the_data(data: Data) -> None:
    assert fitted(SMALL, data).constants() == {"resolution": 8, "num_classes": 3}
    assert fitted(MLP(), data).constants() == {"in_features": 3 * 8 * 8, "num_classes": 3}
    for architecture in (MobileNet(), ResNet()):
        assert fitted(architecture, data).build()(torch.rand(2, 3, 8, 8)).shape == (2, 3)


def test_a_stem_is_rebuilt_where_it_is_open(data: Data, images: Path) -> None:
    """The MLP and the ResNet, whose stems are not, are trained beside the others as they are."""
    archs = ("mobilenet:w0.5", "mobilenet-wide:mobilenet_v2", "mlp:mlp_8", "resnet:resnet18")
    order = TrainConfig(archs, "folder", str(images), "quick", RECIPE)
    stems = {stride: all_fitted(replace(order, stem_stride=stride), data) for stride in (None, 1, 2)}
    assert stems[None] == stems[2] == [fitted(search_spaces.parse(arch), data) for arch in archs]
    assert [one.constants().get("stem_stride") for one in stems[1]] == [1, 1, None, None]
    assert stems[1][2:] == stems[2][2:]
    assert fitted(MobileNet(stem_stride=1), data).constants()["stem_stride"] == 1
    with pytest.raises(RequestError, match="--stem-stride 1: none of these networks has a stem of another"):
        replace(order, archs=archs[2:], stem_stride=1)


def test_a_network_too_deep_says_for_what_it_is(tmp_path: Path) -> None:
    tiny = load("folder", write_images(tmp_path / "small", each=3, side=4))
    with pytest.raises(RequestError, match="resolution is 4, expected a whole number of at least 5"):
        fitted(SMALL, tiny)


def write_cifar(folder: Path) -> Path:
    """CIFAR-10 in the layout that torchvision reads, of 30 images; its checksums are not the real ones."""
    batches = folder / "cifar-10-batches-py"
    batches.mkdir(parents=True)
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    (batches / "batches.meta").write_bytes(pickle.dumps({"label_names": names}, 4))
    generator = np.random.default_rng(0)
    for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"):
        pixels = generator.integers(0, 256, (5, 3072), np.uint8)
        (batches / name).write_bytes(pickle.dumps({"data": pixels, "labels": [0, 1, 2, 3, 4]}, 4))
    return folder


def test_torchvisions_sets_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.datasets import CIFAR10

    monkeypatch.setattr(CIFAR10, "_check_integrity", lambda self: True)
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *given: True)
    data = load("cifar10", write_cifar(tmp_path))
    assert (len(data.train), len(data.test), data.channels, data.side) == (25, 5, 3, 32)
    assert len(data.classes) == 10 and data.train.labels[:5].tolist() == [0, 1, 2, 3, 4]
    for train, ours in ((True, data.train), (False, data.test)):
        theirs = CIFAR10(tmp_path, train=train)
        pixels, labels = next(ours.batches(torch.arange(len(ours)), len(ours)))
        assert torch.equal(pixels, torch.from_numpy(theirs.data).permute(0, 3, 1, 2))
        assert labels.tolist() == theirs.targets


@pytest.mark.parametrize("target", ["data_batch_3", "test_batch", "batches.meta"])
def test_code_in_a_set_is_not_run(target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_arrays_that_python_2_pickled_are_read(tmp_path: Path) -> None:
    """Byte for byte as CIFAR's own files have them."""
    (tmp_path / "old").write_bytes(
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01K\x02K\x02\x86"
        b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        b"\x89U\x04\x00\x01\xfe\xfftb."
    )
    found = plain_pickle(tmp_path / "old")
    assert found.dtype == np.uint8 and found.tolist() == [[0, 1], [254, 255]]


def test_sets_are_fetched_over_https_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every address that a download would try."""
    tried: list[str] = []

    def fetch(url: str, *given: object, **more: object) -> None:
        tried.append(url)
        raise RuntimeError("no network here")

    for module in ("mnist", "cifar"):
        monkeypatch.setattr(f"torchvision.datasets.{module}.download_and_extract_archive", fetch)
    for name in ("cifar10", "cifar100", "mnist", "fashionmnist"):
        with pytest.raises(RequestError, match=f"(?s){name} in .*no network here.*try again"):
            load(name, tmp_path / name, download=True)
    assert len(tried) == 5 and all(url.startswith("https://") for url in tried)


def test_what_is_not_downloaded_is_said(tmp_path: Path) -> None:
    for name in ("cifar10", "cifar100", "mnist", "fashionmnist"):
        with pytest.raises(RequestError, match=f"{name} in .*add --download"):
            load(name, tmp_path)


def test_grey_images_suit_every_family(tmp_path: Path) -> None:
    """Files in the layout of MNIST, grey, 28 pixels wide."""
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    generator = np.random.default_rng(0)
    for part in ("train", "t10k"):
        header = np.array([2051, 6, 28, 28], ">i4").tobytes()
        (raw / f"{part}-images-idx3-ubyte").write_bytes(header + generator.bytes(6 * 28 * 28))
        header = np.array([2049, 6], ">i4").tobytes()
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(header + bytes(range(6)))
    data = load("mnist", tmp_path)
    assert (data.channels, data.side, len(data.train)) == (1, 28, 6)
    from nas.train.model import Classifier

    for architecture in (MLP(), SMALL):
        model = Classifier.untrained(fitted(architecture, data), data).eval()
        assert model(model.example()).shape == (2, 10) and model.example().shape == (2, 1, 28, 28)


def test_what_is_wrong_with_a_folder_is_named(images: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(images, broken)
    shutil.rmtree(broken / "test" / "red")
    with pytest.raises(RequestError, match=r"class 'red' is in train/ and not in test/"):
        load("folder", broken)
    shutil.rmtree(broken / "test")
    with pytest.raises(RequestError, match=r"expected .*/train/CLASS"):
        load("folder", broken)
    shutil.copytree(images / "test", broken / "val")
    assert len(load("folder", broken).test) == 24


def test_links_that_lead_back_and_pipes_are_refused(tmp_path: Path) -> None:
    """Two links that lead back would be followed for ever, and a pipe waited for."""
    folder = write_images(tmp_path / "colours", each=1)
    inside = folder / "train" / "red"
    for name in ("a", "b"):
        (inside / name).symlink_to(inside)
    with pytest.raises(RequestError, match=r"red/[ab] leads back to a folder above it; remove that link"):
        load("folder", folder)
    for name in ("a", "b"):
        (inside / name).unlink()
    os.mkfifo(inside / "0.png")
    with pytest.raises(RequestError, match=r"0\.png is no regular file; remove it"):
        load("folder", folder)
