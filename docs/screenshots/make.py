"""Pictures of the page, of the project's own demo data: python docs/screenshots/make.py [FOLDER]

Copies the data to FOLDER (~/searchkit-demo by default) and indexes it there, unless that was done before;
starts the page, and writes a WebP of each state into this folder.
Needs playwright and Chromium at /usr/bin/chromium.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from PIL import Image
from playwright.sync_api import sync_playwright

from searchkit.collection import Collection
from searchkit.finetuning.adapt import adapt, learning, use
from searchkit.registry import load_encoder
from searchkit.spaces import refill, rollback

HERE = Path(__file__).resolve().parent
DATA = HERE.parents[1] / "data"
LABELS = ("car", "boat", "house", "cake", "dog", "tree", "mountain", "lighthouse")
WIDE, NARROW = {"width": 1200, "height": 800}, {"width": 400, "height": 800}
CHROMIUM = {
    "executable_path": "/usr/bin/chromium",
    "args": ["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
}
PATIENCE = 60_000
MAP = "document.querySelector('.sk-map').parentElement.scatter"


def prepare(folder: Path) -> Path:
    """Make a collection of the demo data, labelled, with a damaged file and a second model; return its
    place."""
    where = folder / "library"
    with Collection.open(where) as library:
        if not library.store.count():
            for part in ("album", "papers"):
                shutil.copytree(DATA / part, folder / part)
            (folder / "album" / "torn.jpg").write_bytes((DATA / "album" / "scene-001.jpg").read_bytes()[:400])
            library.add(folder / "album", folder / "papers")
            list(library.label(LABELS))
        if learning(library) is None:
            adapt(library, _pairs(folder))
            use(library, None)
        if len(library.catalog.spaces()) < 2:
            refill(library, load_encoder("hashing"))
            rollback(library)
    return where


def _pairs(folder: Path) -> Path:
    """Write the captions of the album as pairs: enough to learn from, for the curves."""
    file = folder / "pairs.jsonl"
    lines = (DATA / "captions.jsonl").read_text("utf-8").splitlines()
    rows = [
        {"text": caption, "image": str(folder / "album" / one["file"])}
        for one in map(json.loads, lines)
        for caption in one["captions"]
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return file


@contextmanager
def served(where: Path) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    start = f"from searchkit.ui.launch import run; raise SystemExit(run(port={port}, headless=True))"
    environment = {**os.environ, "SEARCHKIT_COLLECTION": str(where)}
    with subprocess.Popen([sys.executable, "-c", start], env=environment) as server:
        try:
            for _ in range(300):
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=5).close()
                    break
                except OSError:
                    time.sleep(0.2)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


def settled(tab: Any) -> None:
    """Wait until nothing runs any more and every picture has come."""
    tab.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]', timeout=PATIENCE)
    tab.wait_for_timeout(400)
    tab.wait_for_function("[...document.images].every((one) => one.complete || one.loading == 'lazy')")


def shoot(tab: Any, name: str) -> None:
    settled(tab)
    tab.wait_for_timeout(500)
    picture = Image.open(io.BytesIO(tab.screenshot())).convert("RGB")
    picture.save(HERE / f"{name}.webp", quality=80, method=6)


def _draw_a_lasso(tab: Any) -> None:
    tab.locator(".sk-map canvas").wait_for()
    drawn = tab.locator(".sk-map canvas").bounding_box()
    places = [(0.62, 0.1), (0.8, 0.05), (0.86, 0.35), (0.7, 0.5), (0.6, 0.35)]
    line = [(drawn["x"] + x * drawn["width"], drawn["y"] + y * drawn["height"]) for x, y in places]
    tab.mouse.move(*line[0])
    tab.mouse.down()
    for place in line[1:]:
        tab.mouse.move(*place, steps=8)
    tab.mouse.up()
    tab.get_by_role("button", name="More like these").wait_for()
    tab.mouse.wheel(0, 170)
    tab.wait_for_timeout(1000)
    drawn = tab.locator(".sk-map canvas").bounding_box()
    x, y = tab.evaluate("(([one], map) => map.places[one])([...map().picked], map())".replace("map()", MAP))
    tab.mouse.move(drawn["x"] + x, drawn["y"] + y)


def main() -> None:
    where = prepare(Path(sys.argv[1] if len(sys.argv) > 1 else "~/searchkit-demo").expanduser().absolute())
    with served(where) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(**CHROMIUM)

        def tab(view: dict[str, int], scheme: str = "light", path: str = "", **query: str) -> Any:
            page = browser.new_page(viewport=view, color_scheme=scheme)
            page.goto(f"{address}/{path}?{urlencode(query)}")
            page.wait_for_selector('[data-testid="stMainBlockContainer"] [data-testid="stVerticalBlock"]')
            settled(page)
            return page

        tab(WIDE, q="a dog")  # the first question waits for the model
        question = "a snowman with a scarf in the falling snow"
        shoot(tab(WIDE, q=question, kind="pictures"), "search")
        shoot(tab(WIDE, "dark", q="two sailing boats on the sea", kind="pictures"), "search-dark")
        shoot(tab(NARROW, q="snow in the mountains", kind="pictures"), "search-narrow")
        passages = tab(WIDE, q="how cold was the night in the tent", kind="passages")
        shoot(passages, "passages")
        passages.get_by_role("button", name="Open").first.click()
        passages.get_by_role("dialog").wait_for()
        shoot(passages, "passage-opened")
        shoot(tab(WIDE, q="quarterly revenue of the steel industry"), "nothing")
        shoot(tab(WIDE, q="How is syrup for the bees mixed?"), "both-kinds")
        shoot(tab(WIDE, path="library"), "library")
        where = tab(WIDE, q="a football", kind="pictures")
        where.get_by_role("button", name="Open").first.click()
        where.get_by_text("Show where it fits the words").click()
        where.get_by_text("Bright and in colour").wait_for()
        where.mouse.move(600, 300)
        where.wait_for_timeout(1000)
        shoot(where, "where")
        atlas = tab(WIDE, path="map")
        _draw_a_lasso(atlas)
        shoot(atlas, "map")
        learn = tab(WIDE, path="adapt")
        learn.get_by_text("How it learned").click()
        learn.wait_for_timeout(1000)
        shoot(learn, "adapt")
        adapt = tab(WIDE, path="adapt")
        adapt.get_by_role("tab", name="Compare models").click()
        adapt.get_by_label("Ask both").fill(question)
        adapt.keyboard.press("Enter")
        adapt.wait_for_timeout(1000)
        shoot(adapt, "compare")
        browser.close()


if __name__ == "__main__":
    main()
