"""Training runs: tables, failures, resuming, and refusals."""

from __future__ import annotations

import dataclasses
import json
import os
import resource
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch

import nas
import search_spaces
from nas.train.cli import main
from nas.train.config import TrainConfig
from nas.train.data import Data, load_for
from nas.train.distributed import ALONE, Processes
from nas.train.folder import TrainFolder
from nas.train.images import Files
from nas.train.loop import accuracy
from nas.train.model import Checkpoint
from nas.train.run import TrainRun, draw
from nas.train.runtime import Execution
from nas.train.session import Hardware, load_data
from search_spaces import RequestError
from tests.conftest import REPOSITORY, refused
from tests.nas.test_runs import hold
from tests.nas.train.conftest import CPU, PLAIN, RECIPE, SIDE, SMALL, same

EXECUTION = Execution(CPU)


def make_config(images: Path, *archs: str, **changes: object) -> TrainConfig:
    base = TrainConfig(archs, "folder", str(images), "quick", replace(PLAIN, epochs=2))
    return replace(base, **changes)  # type: ignore[arg-type]


def trained(config: TrainConfig, path: Path, execution: Execution = EXECUTION) -> TrainRun:
    """Run a training in a new folder, or resume the one there."""
    run = TrainRun(config, load_for(config), execution)
    run.run(TrainFolder.open(path) if path.exists() else TrainFolder.create(config, path))
    return run


def test_tables_hold_the_results(images: Path, tmp_path: Path) -> None:
    config = make_config(images, str(SMALL), "mlp:mlp_8", seeds=(0, 1))
    trained(config, tmp_path / "run")
    kept = pd.read_csv(tmp_path / "run" / "trained.csv")
    assert kept["status"].eq("done").all() and kept["epochs"].eq(2).all()
    assert kept[["row", "seed"]].to_numpy().tolist() == [[1, 0], [1, 1], [2, 0], [2, 1]]
    fit = search_spaces.parse(kept["arch"].iloc[0])
    assert (fit.constants()["resolution"], fit.constants()["num_classes"]) == (SIDE, 3)
    assert kept["params"].iloc[0] == fit.figures().params
    assert kept[["best_epoch", "best_top1", "held_out_top1"]].isna().all().all()
    summary = pd.read_csv(tmp_path / "run" / "summary.csv")
    seeds = kept.groupby("row")["top1"]
    assert summary["seeds"].tolist() == [2, 2]
    assert summary["top1_mean"].tolist() == pytest.approx(seeds.mean().tolist())
    assert summary["top1_std"].tolist() == pytest.approx(seeds.std().tolist())
    assert len(pd.read_csv(tmp_path / "run" / "curves.csv")) == 8
    assert (tmp_path / "run" / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert list((tmp_path / "run" / "tensorboard" / "row2-seed1").glob("events*"))
    state = json.loads((tmp_path / "run" / "run.json").read_text())
    assert state["status"] == "finished" and state["order"]["values"] == dataclasses.asdict(config.values)


def test_the_stem_stride_is_saved(images: Path, tmp_path: Path) -> None:
    config = make_config(
        images, "mobilenet:w0.35_d1-1-1-1-1-1-1", stem_stride=1, values=replace(PLAIN, epochs=1)
    )
    trained(config, tmp_path / "run")
    (kept,) = pd.read_csv(tmp_path / "run" / "trained.csv").to_dict("records")
    assert kept["arch"].endswith(f"_r{SIDE}_c3_s1") and kept["flops"] == nas.score(kept["arch"])["flops"]
    network = nas.load(tmp_path / "run")
    assert str(network.architecture) == kept["arch"]
    stem = next(layer for layer in network.modules() if isinstance(layer, torch.nn.Conv2d))
    assert stem.stride == (1, 1)
    opened = TrainFolder.open(tmp_path / "run").request
    assert opened == config
    assert opened.differences(replace(config, stem_stride=2)) == ["stem_stride 1 and not 2"]
    older = opened.as_json()
    del older["stem_stride"]
    assert TrainConfig.of_json(older) == replace(config, stem_stride=None)


def test_torchvision_baselines_are_trained_and_loaded(images: Path, tmp_path: Path) -> None:
    """The summary includes them, although they have no NN-Mass."""
    archs = ("torchvision:mnasnet1_0_w0.25", "torchvision:shufflenet_v2_x0_5", "mlp:mlp_8")
    once = replace(PLAIN, epochs=1)
    config = make_config(images, *archs, values=once, val_fraction=0.25, stem_stride=1, seeds=(0, 1))
    trained(config, tmp_path / "run")
    kept = pd.read_csv(tmp_path / "run" / "trained.csv")
    assert kept["status"].eq("done").all() and kept["nn_mass"].isna().tolist() == [True] * 4 + [False] * 2
    assert kept["arch"].iloc[0] == f"torchvision:mnasnet1_0_w0.25_r{SIDE}_c3_s1"
    summary = pd.read_csv(tmp_path / "run" / "summary.csv")
    assert summary["row"].tolist() == [1, 2, 3] and summary["seeds"].eq(2).all()
    data = load_for(config)
    for best, column in ((False, "top1"), (True, "best_top1")):
        again = nas.load(tmp_path / "run", 1, seed=1, best=best)
        assert accuracy(again, data.test, CPU)[0] == pytest.approx(kept[column].iloc[1])


def test_a_loaded_network_has_the_accuracy_of_the_table(images: Path, tmp_path: Path) -> None:
    config = make_config(images, str(SMALL), values=RECIPE, val_fraction=0.25)
    trained(config, tmp_path / "run")
    kept = pd.read_csv(tmp_path / "run" / "trained.csv").iloc[0]
    data = load_for(config)
    last, best = nas.load(tmp_path / "run", 1), nas.load(tmp_path / "run", 1, seed=0, best=True)
    assert accuracy(last, data.test, CPU) == pytest.approx((kept["top1"], kept["top5"]))
    assert accuracy(best, data.test, CPU) == pytest.approx((kept["best_top1"], kept["best_top5"]))
    assert accuracy(best, data.held_out, CPU)[0] == pytest.approx(kept["best_held_out_top1"])  # type: ignore
    curves = pd.read_csv(tmp_path / "run" / "curves.csv")
    assert kept["best_epoch"] == curves["number"][curves["top1"].idxmax()]
    assert kept["held_out_top1"] == pytest.approx(curves["top1"].iloc[-1])
    assert last.classes == data.classes and not last.training


def test_networks_that_cannot_be_loaded_are_refused(images: Path, tmp_path: Path) -> None:
    config = make_config(images, str(SMALL), "mlp:mlp_8")
    run, steps = TrainRun(config, load_for(config), EXECUTION), iter(range(100))
    run.run(TrainFolder.create(config, tmp_path / "run"), stop=lambda: next(steps) >= 8)
    for arguments, message in (
        ({"row": 1}, r"row 1 has done 1 of 2 epochs; go on with python -m nas\.train --resume"),
        ({"row": 2}, "row 2 has not been trained"),
        ({"row": 3}, "has rows 1 to 2, not 3"),
        ({"seed": 5}, "has seeds 0, not 5"),
        ({"best": True}, "no validation images were held out"),
    ):
        with pytest.raises(RequestError, match=message):
            nas.load(tmp_path / "run", **arguments)  # type: ignore[arg-type]


def test_a_diverged_network_fails(images: Path, tmp_path: Path) -> None:
    diverging = replace(PLAIN, epochs=1, lr=1e6)
    trained(make_config(images, "mlp:w8_d6_t0", values=diverging, seeds=(0, 1)), tmp_path / "run")
    kept = pd.read_csv(tmp_path / "run" / "trained.csv")
    assert kept["status"].tolist() == ["failed"] * 2 and kept["reason"].str.contains("smaller lr").all()
    assert len(kept["arch"].unique()) == 1


def test_warnings_are_stored_and_printed(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Real trainings: one whose loss grows, and one that does not learn."""
    found = {}
    for name, values in {
        "diverging": replace(PLAIN, epochs=2, lr=40.0),
        "untrained": replace(PLAIN, epochs=2, lr=0.0),
    }.items():
        trained(make_config(images, str(SMALL), values=values), tmp_path / name)
        (row,) = pd.read_csv(tmp_path / name / "trained.csv").to_dict("records")
        assert row["status"] == "done"
        found[name] = row["warning"]
    assert "training loss above that of guessing (1.10)" in found["diverging"]
    assert "top-1 within noise of guessing (33.3%)" in found["untrained"]
    assert main(["--resume", str(tmp_path / "diverging")]) == 0
    assert "warning: training loss above that of guessing (1.10): row 1 (seed 0)" in capsys.readouterr().out


def test_references_keep_their_names(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["mlp:mlp_8", "mlp:w8_d4_t2"]
    once = ["--set", "epochs=1", "batch=12", "--out", str(tmp_path / "run")]
    assert main(["--arch", *given, "--dataset", "folder", "--data", str(images), *once]) == 0
    assert pd.read_csv(tmp_path / "run" / "trained.csv")["name"].fillna("").tolist() == ["mlp_8", ""]
    assert "mlp_8 = " in capsys.readouterr().out


def test_a_file_size_limit_fails_only_the_large_network(images: Path, tmp_path: Path) -> None:
    """The large checkpoint exceeds the limit of the system; the tables do not."""
    config = make_config(images, str(SMALL), "mlp:mlp_8")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, before[1]))
    try:
        run = trained(config, tmp_path / "run")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert run.table["status"].tolist() == ["failed", "done"]
    assert "the checkpoint cannot be written" in run.table["reason"].iloc[0]
    assert "File too large" in run.table["reason"].iloc[0]
    assert run.table["epochs"].tolist() == [1, 2]
    assert pd.read_csv(tmp_path / "run" / "summary.csv")["row"].tolist() == [2]
    assert trained(config, tmp_path / "run").table["status"].tolist() == ["done", "done"]


def test_an_unreadable_image_or_a_dead_reader_fails_the_network(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = make_config(images, "mlp:mlp_8", cache="disk")
    data = load_for(config)
    assert isinstance(data.train, Files)
    gone = replace(data, train=replace(data.train, paths=("gone.png", *data.train.paths[1:])))
    run = TrainRun(config, replace(data), EXECUTION)
    _ = data.normalization
    gone.__dict__["normalization"] = data.normalization
    run._data = gone
    run.run(TrainFolder.create(config, tmp_path / "gone"))
    assert run.table["reason"].tolist() == ["gone.png cannot be read as an image (FileNotFoundError)"]

    monkeypatch.setattr("nas.train.images._Reader.__getitem__", lambda *_: os.kill(os.getpid(), 9))
    run = TrainRun(config, data, EXECUTION)
    run.run(TrainFolder.create(config, tmp_path / "dead"))
    assert run.table["status"].tolist() == ["failed"] and "DataLoader worker" in run.table["reason"].iloc[0]


def test_a_failed_write_of_the_tables_does_not_end_the_training(images: Path, tmp_path: Path) -> None:
    config = make_config(images, "mlp:mlp_8")
    folder = TrainFolder.create(config, tmp_path / "run")
    folder.trained.mkdir()
    run = TrainRun(config, load_for(config), EXECUTION)
    run.run(folder)
    assert run.table["status"].tolist() == ["done"] and "trained.csv" in run.unsaved


def test_checkpoints_are_saved_within_an_epoch(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved: list[int] = []
    save = Checkpoint.save

    def note(self: Checkpoint, path: Path) -> None:
        saved.append(self.training["step"] if self.training else -1)
        save(self, path)

    monkeypatch.setattr(Checkpoint, "save", note)
    config = make_config(images, str(SMALL), values=replace(RECIPE, epochs=2))
    often = trained(config, tmp_path / "often", Execution(CPU, minutes=1e-9))
    assert saved == [1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5, -1]
    once = trained(config, tmp_path / "once")
    timed = ["seconds", "images_per_second", "waiting"]
    pd.testing.assert_frame_equal(once.table.drop(columns=timed), often.table.drop(columns=timed))


def test_another_recipe_or_network_is_refused(images: Path, tmp_path: Path) -> None:
    config = make_config(images, "mlp:mlp_8")
    trained(config, tmp_path / "run")
    for other in (
        replace(config, values=replace(PLAIN, epochs=5)),
        replace(config, archs=("mlp:mlp_16",)),
    ):
        run = TrainRun(other, load_for(other), EXECUTION)
        with pytest.raises(RequestError, match=r"is of another (recipe|network)"):
            run.run(TrainFolder(tmp_path / "run", other))


def contents(folder: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.fixture(scope="module")
def whole(images: Path, data: Data, tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainRun, Path]:
    """A finished run of two networks, and its folder, for copies."""
    config = make_config(images, "mlp:mlp_8", "mlp:mlp_16", values=replace(PLAIN, epochs=1))
    run, path = TrainRun(config, data, EXECUTION), tmp_path_factory.mktemp("whole") / "run"
    run.run(TrainFolder.create(config, path))
    return run, path


def resumed(path: Path, data: Data, **settings: object) -> pd.DataFrame:
    """Resume the run in a folder; its table."""
    folder = TrainFolder.open(path)
    run = TrainRun(folder.request, data, EXECUTION)
    run.run(folder, **settings)  # type: ignore[arg-type]
    return run.table


def test_resuming_a_finished_run_writes_nothing(
    whole: tuple[TrainRun, Path],
    data: Data,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With all checkpoints, without some or all of them, and without the data."""
    run, path = whole
    path = shutil.copytree(path, tmp_path / "run")
    monkeypatch.setattr("nas.train.runtime.Training", None)
    for gone in ("curves.png", "checkpoints/row1-seed0.pt", "checkpoints", "curves.csv"):
        (shutil.rmtree if gone == "checkpoints" else os.unlink)(path / gone)
        before = contents(tmp_path)
        pd.testing.assert_frame_equal(resumed(path, data), run.table)
        assert main(["--resume", str(path), "--data", "nowhere"]) == 0
        assert contents(tmp_path) == before
    output = capsys.readouterr().out
    assert output.count("finished: nothing is left to train in ") == 4 and output.count("100.00%") <= 8
    with pytest.raises(RequestError, match="row 2 is trained, but its checkpoint is missing"):
        nas.load(path, 2)


def test_finished_results_without_checkpoints_stay(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = shutil.copytree(REPOSITORY / "results/gradient_flow/mlp-w8/training", tmp_path / "run")
    before = contents(path)
    assert main(["--resume", str(path)]) == 0
    assert capsys.readouterr().out.count(" done\n") == 90 and contents(path) == before


@pytest.mark.parametrize("unfinished", [".trained.csv.0a1b2c3d.unfinished", ".run.json.0a1b2c3d.unfinished"])
def test_a_run_killed_while_it_saved_its_results_is_saved_again(
    whole: tuple[TrainRun, Path], tmp_path: Path, unfinished: str
) -> None:
    path = shutil.copytree(whole[1], tmp_path / "run")
    before = contents(path)
    if "trained" in unfinished:
        state = (path / "run.json").read_text()
        (path / "run.json").write_text(state.replace('"finished"', '"running"'))
    for gone in ("summary.csv", "curves.png"):
        (path / gone).unlink()
    (path / unfinished).write_bytes(b"row,se")
    assert main(["--resume", str(path), "--threads", "1"]) == 0
    assert contents(path) == before


def test_finished_rows_stay_unchanged(whole: tuple[TrainRun, Path], data: Data, tmp_path: Path) -> None:
    """Without checkpoints, while other jobs are interrupted or resumed."""
    path = shutil.copytree(whole[1], tmp_path / "run")
    table, curves = (path / name for name in ("trained.csv", "curves.csv"))
    done, other = table.read_text().splitlines()[1:]
    done = done.replace(",cpu,", ",cuda,")  # it may have been trained elsewhere
    table.write_text(
        "\n".join([table.read_text().splitlines()[0], done, other.replace(",done,", ",waiting,")])
    )
    points = curves.read_text().splitlines()
    shutil.rmtree(path / "checkpoints")
    for stop, status in ((True, "waiting"), (False, "done")):
        assert resumed(path, data, stop=lambda stop=stop: stop)["status"].tolist() == ["done", status]
        assert table.read_text().splitlines()[1] == done
        assert curves.read_text().splitlines()[:2] == points[:2]
    assert pd.read_csv(path / "summary.csv")["row"].tolist() == [1, 2]
    assert len(curves.read_text().splitlines()) == 3


def test_a_finished_checkpoint_overrides_a_failed_row(
    whole: tuple[TrainRun, Path], data: Data, tmp_path: Path
) -> None:
    path = shutil.copytree(whole[1], tmp_path / "run")
    table = path / "trained.csv"
    table.write_text(table.read_text().replace("done", "failed"))
    pd.testing.assert_frame_equal(resumed(path, data), whole[0].table)


def test_a_damaged_checkpoint_is_refused_and_nothing_is_lost(
    whole: tuple[TrainRun, Path], data: Data, tmp_path: Path
) -> None:
    path = shutil.copytree(whole[1], tmp_path / "run")
    damaged = path / "checkpoints" / "row1-seed0.pt"
    before = contents(path)
    for content in (b"", before[damaged][:1000], b"PK"):
        damaged.write_bytes(content)
        with pytest.raises(RequestError, match=r"row1-seed0\.pt is damaged.*delete it"):
            resumed(path, data)
    damaged.write_bytes(before[damaged])
    assert contents(path) == before


def test_a_damaged_table_is_refused(whole: tuple[TrainRun, Path], data: Data, tmp_path: Path) -> None:
    path = shutil.copytree(whole[1], tmp_path / "run")
    for table in (path / "trained.csv", path / "curves.csv"):
        content = table.read_bytes()
        wrong = (b"\xff\xfe\x00", b"", content.replace(b"row", b"now"), content.replace(b"\n1,", b"\none,"))
        for damage in (*wrong, content[: len(content) // 2]):
            table.write_bytes(damage)
            with pytest.raises(RequestError, match=r"\.csv is damaged .*; move it away"):
                resumed(path, data)
        table.unlink()
    pd.testing.assert_frame_equal(resumed(path, data), whole[0].table)


def test_a_path_may_be_invalid_utf_8(whole: tuple[TrainRun, Path], data: Data, tmp_path: Path) -> None:
    path = shutil.copytree(whole[1], tmp_path / os.fsdecode(b"\xff"))
    (path / "trained.csv").unlink()
    (path / "checkpoints" / "row1-seed0.pt").unlink()
    assert resumed(path, data)["status"].tolist() == ["done"] * 2


def test_a_run_in_use_is_refused(
    whole: tuple[TrainRun, Path], data: Data, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = shutil.copytree(whole[1], tmp_path / "run")
    (path / "trained.csv").unlink()
    held, before = hold(path), contents(path)
    with pytest.raises(RequestError, match="is in use by another command"):
        resumed(path, data)
    assert "is in use by another command" in refused(main, ["--resume", str(path)], capsys)
    assert contents(path) == before
    os.close(held)
    assert resumed(path, data)["status"].tolist() == ["done"] * 2
    assert not (path / ".lock").exists()


def test_other_data_are_refused(images: Path, tmp_path: Path) -> None:
    trained(make_config(images, "mlp:mlp_8"), tmp_path / "run")
    shutil.copytree(images, tmp_path / "fewer")
    (tmp_path / "fewer" / "train" / "red" / "000.png").unlink()
    other = make_config(tmp_path / "fewer", "mlp:mlp_8")
    run = TrainRun(other, load_for(other), EXECUTION)
    with pytest.raises(RequestError, match="another number of training images: 72, now 71"):
        run.run(TrainFolder.open(tmp_path / "run"))


def test_a_batch_needs_images_which_are_counted_before_they_are_read(images: Path, tmp_path: Path) -> None:
    shutil.copytree(images, tmp_path / "damaged")
    (tmp_path / "damaged" / "train" / "red" / "001.png").write_bytes(b"not an image")
    config = make_config(tmp_path / "damaged", "mlp:mlp_8", values=replace(PLAIN, batch_size=73))
    with pytest.raises(RequestError, match=r"expected 2 to 72; change it with --batch-size"):
        load_data(config, Hardware(), ALONE)
    with pytest.raises(RequestError, match="cannot be read as an image"):
        load_data(replace(config, values=replace(PLAIN, batch_size=72)), Hardware(), ALONE)
    with pytest.raises(RequestError, match=r"expected 2 to 36; change it with --batch-size"):
        load_data(replace(config, val_fraction=0.5), Hardware(), ALONE)
    with pytest.raises(RequestError, match=r"batch 6 of 72 .* in 4 process\(es\): expected 8 to 72"):
        Processes(count=4).check(6, 72)
    with pytest.raises(RequestError, match="does not divide among 4 processes; try --batch-size 16"):
        Processes(count=4).check(13, 72)


def test_loading_is_deterministic(images: Path, tmp_path: Path) -> None:
    trained(make_config(images, str(SMALL)), tmp_path / "run")
    first, again = (nas.load(tmp_path / "run").state_dict() for _ in range(2))
    assert same(dict(first), dict(again))


def test_curves_have_the_names_of_networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from matplotlib.figure import Figure

    labels: list[str] = []
    real = Figure.legend

    def legend(self: Figure, handles: object, given: list[str], **more: object) -> object:
        labels.extend(given)
        return real(self, handles, given, **more)

    monkeypatch.setattr(Figure, "legend", legend)
    columns = ["row", "seed", "number", "train_loss", "tested_on", "top1"]
    rows = [[row, seed, number, 2 / number, "test", 30.0 * number] for row in (1, 2) for seed in (0, 1)
            for number in (1, 2, 3)]  # fmt: skip
    names = {1: "mobilenet_v2", 2: "w0.85_d2-1-2-6-5-5-3" * 5}
    curves = pd.DataFrame(rows, columns=columns)
    draw(curves, names, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert labels[:2] == ["mobilenet_v2, seed 0", "mobilenet_v2, seed 1"] and max(map(len, labels)) < 70
    labels.clear()
    draw(curves[curves["seed"] == 0], names, tmp_path / "curves.png")
    assert labels[0] == "mobilenet_v2"
