"""Pages in Chromium: what a reader does works, at any width, in light and dark, without a network."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest

import nas
from nas.page.cli import report
from nas.page.networks import MOST
from tests.conftest import REPOSITORY

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
HOSTILE = "</script><script>window.ran = 1</script><img src=x onerror='window.ran = 1'>\"`${window.ran = 1}"
STUDY = REPOSITORY / "results/pilot/cells-k1"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    api = pytest.importorskip("playwright.sync_api", reason="the extra browser is not installed")
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip(f"there is no {' or '.join(NAMES)}; on Debian: apt-get install chromium")
    with api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    """Real small runs, by what a page of them shows."""
    folder = tmp_path_factory.mktemp("runs")
    nas.search("mobilenet", flops="400M", trials=150, sampler="random", top=1, out=folder / "search")
    nas.search("mobilenet", pareto="params", fix={"width_mult": 0.5}, trials=20, top=1, out=folder / "front")
    nas.search("mlp", params="20K", trials=20, top=1, out=folder / "mlp")
    small = ["mlp:w8_d4_t4", "mlp:w8_d6_t8"]
    nas.train(small, dataset="seg20", epochs=2, device="cpu", threads=1, out=folder / "train")
    shutil.copytree(folder / "mlp", folder / "<hostile>")
    _make_hostile(folder / "<hostile>")
    paths = {name: [folder / name] for name in ("search", "front", "train", "<hostile>")}
    tables = [REPOSITORY / "results/tabular/accel-nasbench-mobilenet"]
    return paths | {
        "study": [STUDY],
        "spaces": [folder / "search", folder / "mlp", folder / "train"],
        "tables": tables,
    }


def _make_hostile(folder: Path) -> None:
    """Write texts that would run, if they were not only text, into all files of a search."""
    for name in ("candidates.csv", "references.csv"):
        table = pd.read_csv(folder / name).assign(found=HOSTILE, name=HOSTILE, **{HOSTILE: HOSTILE})
        table.loc[0, "arch"] = HOSTILE
        table.to_csv(folder / name, index=False)
    state = json.loads((folder / "run.json").read_text())
    state |= dict.fromkeys(("goal", "evidence", "command", "machine"), HOSTILE)
    (folder / "run.json").write_text(json.dumps(state))


class Opened:
    """A page in a browser, and all that it complained of or asked the network for."""

    def __init__(self, browser: Browser, file: Path) -> None:
        context = browser.new_context(viewport={"width": 1440, "height": 900}, offline=True)
        context.set_default_timeout(20_000)
        self.page: Page = context.new_page()
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(file.as_uri())
        self.drawn()

    def drawn(self) -> None:
        """Wait for the first chart."""
        self.page.wait_for_selector("canvas")

    def close(self) -> None:
        """It asked for itself alone, and complained of nothing."""
        assert [url for url in self.requests if not url.startswith("data:")] == [self.page.url]
        self.page.context.close()
        assert self.complaints == []

    def texts(self, selector: str) -> list[str]:
        """The texts of some elements."""
        return self.page.locator(selector).all_text_contents()


@pytest.fixture(scope="module")
def file(runs: dict[str, list[Path]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a search."""
    return report(runs["search"], tmp_path_factory.mktemp("pages") / "search.html")


@pytest.fixture
def opened(browser: Browser, file: Path) -> Iterator[Opened]:
    one = Opened(browser, file)
    yield one
    one.close()


@pytest.mark.parametrize("name", ["search", "front", "train", "study", "spaces", "tables", "<hostile>"])
def test_pages_fit_any_screen_in_light_and_dark(
    name: str, runs: dict[str, list[Path]], browser: Browser, tmp_path: Path
) -> None:
    opened = Opened(browser, report(runs[name], tmp_path / "page.html"))
    page, grounds = opened.page, set()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        grounds.add(page.evaluate("getComputedStyle(document.documentElement).backgroundColor"))
        for width in (390, 1440):
            page.set_viewport_size({"width": width, "height": 800})
            opened.drawn()
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert page.locator("h1, .several h2").first.is_visible()
            for chart in page.locator("canvas").all():
                box = chart.bounding_box()
                assert box is not None and 200 < box["width"] <= width
    assert len(grounds) == 2
    assert page.evaluate("window.ran") is None
    opened.close()


def test_headings_sort(opened: Opened) -> None:
    heading, values = opened.page.locator('th button[data-key="params"]'), "#rows tbody td:nth-child(6)"
    assert heading.text_content() == "params"
    heading.click()
    largest = [_number(text) for text in opened.texts(values)]
    assert largest == sorted(largest, reverse=True)
    assert heading.locator("..").get_attribute("aria-sort") == "descending"
    opened.page.keyboard.press("Enter")  # the heading keeps the focus
    smallest = [_number(text) for text in opened.texts(values)]
    assert smallest == sorted(smallest) and smallest[0] < largest[-1]


def _number(text: str) -> float:
    return float(text[:-1]) * {"K": 1e3, "M": 1e6}[text[-1]]


def test_a_filter_leaves_what_matches(opened: Opened) -> None:
    opened.page.fill("#filter", "flops<360M d1-2")
    specs, flops = opened.texts("#rows .pick"), opened.texts("#rows tbody td:nth-child(4)")
    assert 0 < len(specs) < MOST and all("d1-2" in one or one.startswith("mobilenet_v2") for one in specs)
    assert all(_number(one) < 360e6 for one in flops)
    assert " of " in opened.texts("#count")[0]
    opened.page.fill("#filter", "nothing-of-this-name")
    assert opened.texts("#rows .pick") == []


def test_a_point_shows_its_spec_and_is_selected(opened: Opened) -> None:
    page, box = opened.page, opened.page.locator("canvas").first.bounding_box()
    assert box is not None
    first, tip = opened.texts("#chosen-name")[0], page.locator("#tip")
    for step in range(400):  # over the chart, until there is a point
        across, down = divmod(step, 20)
        x, y = box["x"] + box["width"] * (0.5 + across / 50), box["y"] + box["height"] * down / 24
        page.mouse.move(x, y)
        if tip.is_visible() and not tip.text_content().startswith(first):  # type: ignore[union-attr]
            break
    name = (tip.text_content() or "").splitlines()[0]
    page.mouse.click(x, y)
    assert name and opened.texts("#chosen-name") == [name]
    assert name in opened.texts("#drawings .drawing-name")
    assert page.locator("#drawings svg").count() == 2


def test_a_row_is_selected_by_key_and_drawn_beside_a_reference(opened: Opened) -> None:
    page = opened.page
    page.locator("#rows .pick").nth(3).focus()
    page.keyboard.press("Enter")
    name = opened.texts("#rows .pick")[3]
    assert opened.texts("#chosen-name") == [name]
    assert page.locator('#rows tr[aria-current="true"]').count() == 1
    page.select_option("#beside", label="nn_mass_a")
    assert opened.texts("#drawings .drawing-name") == [name, "nn_mass_a"]
    assert len(opened.texts("#stages tbody tr")) == 10  # stem, seven stages, head, and their sum


def test_specs_and_commands_are_copied(opened: Opened) -> None:
    page, spec = opened.page, opened.texts("#chosen-spec")[0]
    command = f"nas train --arch {spec} --dataset imagenet"
    for button, what, expected in (
        ("#copy-spec", "Spec", spec),
        ("#copy-command", "Train command", command),
    ):
        page.click(button)
        page.locator("#copied", has_text=f"{what} copied").wait_for(state="attached")
        page.focus("#filter")
        page.keyboard.press("Control+a")
        page.keyboard.press("Control+v")
        assert page.input_value("#filter").startswith(expected)


def test_other_axes_are_plotted(opened: Opened) -> None:
    before = opened.page.locator("canvas").first.get_attribute("aria-label") or ""
    opened.page.select_option("#axis-x", "params")
    assert "against parameters" not in before
    opened.page.locator("canvas[aria-label*='against parameters']").wait_for()
    assert "against parameters" in (opened.page.locator("canvas").first.get_attribute("aria-label") or "")


def test_hostile_texts_are_shown(runs: dict[str, list[Path]], browser: Browser, tmp_path: Path) -> None:
    opened = Opened(browser, report(runs["<hostile>"], tmp_path / "page.html"))
    assert HOSTILE in opened.texts("#chosen-spec")[0] and HOSTILE in opened.texts(".answer .request")[0]
    assert opened.page.locator("#copy-command").is_hidden()  # it is no network that could be trained
    opened.page.locator("canvas").first.hover()
    assert opened.page.evaluate("window.ran") is None
    opened.close()


def test_the_library_of_charts_is_what_its_maker_bundles() -> None:
    maker = pytest.importorskip("vl_convert", reason="the extra browser is not installed")
    ours = (REPOSITORY / "nas/page/vega.js").read_text()
    assert maker.javascript_bundle() == ours
