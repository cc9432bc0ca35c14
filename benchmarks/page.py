"""The page before large collections: how soon the first result is there, and what is sent for it.

    python benchmarks/page.py [--items 10000 100000] [--out benchmarks/results/page.json]

The items are made: thumbnails of the demo album, and vectors near those of words in the space of the
`hashing` encoder, which has no weights, so that what is measured is the page. A real Chromium asks questions
that it has not asked before, from the key Enter until the first thumbnail is drawn; bytes are those of all
answers and WebSocket frames, as the browser counts them. Needs playwright and Chromium at /usr/bin/chromium.
"""

from __future__ import annotations

import hashlib
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import sync_playwright
from report import Arguments, machine, write

from searchkit.catalog.catalog import Asset
from searchkit.collection import Collection
from searchkit.collection.lock import writing
from searchkit.encoders.hashing import Hashing
from searchkit.ingest.ids import item_id
from searchkit.ingest.images import decode_file
from searchkit.ingest.thumbs import shrunk
from searchkit.types import Item, Kind

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "docs" / "screenshots"))
from make import CHROMIUM, served  # noqa: E402

WORDS = 100
QUESTIONS = 12
CHUNK = 10_000
NEAR = 1.2
"""The length of the noise around a word, whose vector has length 1: some hundred items a word are found."""


def fill(where: Path, items: int) -> None:
    """Make a collection of that many made-up pictures in folders of 500."""
    encoder = Hashing()
    rng = np.random.default_rng(0)
    centres = encoder.encode_text([f"word{n}" for n in range(WORDS)])
    with Collection.open(where, encoder=encoder) as library, writing(library.root):
        contents = []
        for file in sorted((ROOT / "data" / "album").iterdir()):
            contents.append(hashlib.sha256(file.read_bytes()).hexdigest())
            library.thumbs.keep(contents[-1], shrunk(decode_file(file).image))
        source = library.catalog.add_source("/made/photos")
        for first in range(0, items, CHUNK):
            rows = range(first, min(first + CHUNK, items))
            noise = rng.normal(size=(len(rows), encoder.space.dim)).astype(np.float32)
            noise /= np.linalg.norm(noise, axis=1, keepdims=True)
            vectors = centres[rng.integers(0, WORDS, len(rows))] + NEAR * noise
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            made = [_item(source.path, n, contents[n % len(contents)]) for n in rows]
            library.store.write(made, vectors)
            assets = [Asset(i.path, source.path, 1, 1, i.sha256, "image", items=1) for i in made]
            library.catalog.record(source, library.manifest.space, assets)
        library.refresh()
        library.accelerate(wait=True)


def _item(source: str, n: int, sha256: str) -> Item:
    """Return an item whose `ordinal` is made up, so that equal contents are not one result."""
    path = f"{source}/{n // 500:03d}/{n:06d}.jpg"
    return Item(item_id(path, sha256, n), Kind.IMAGE, path, source, sha256, n, 1e9 + n, size=1)


def measure(where: Path) -> dict[str, Any]:
    with served(where) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(**CHROMIUM)
        tab = browser.new_page(viewport={"width": 1200, "height": 800})
        session = tab.context.new_cdp_session(tab)
        session.send("Network.enable")
        sent = {"http": 0, "websocket": 0}

        def http(event: dict[str, Any]) -> None:
            sent["http"] += int(event["encodedDataLength"])

        def frame(event: dict[str, Any]) -> None:
            data = event["response"]
            sent["websocket"] += len(data["payloadData"]) * (3 if data["opcode"] == 2 else 4) // 4

        session.on("Network.loadingFinished", http)
        session.on("Network.webSocketFrameReceived", frame)
        began = time.perf_counter()
        tab.goto(address)
        tab.get_by_label("Search", exact=True).wait_for()
        opened = time.perf_counter() - began
        tab.wait_for_timeout(4000)
        first = dict(sent)
        waits, transferred = [], []
        for number in range(QUESTIONS):
            before = sum(sent.values())
            took, sure = _ask(tab, f"word{number}")
            tab.wait_for_timeout(1500)
            transferred.append(sum(sent.values()) - before)
            waits.append(took)
        browser.close()
    return {
        "page is there, seconds (server has just started)": round(opened, 2),
        "kilobytes of the empty page": round(sum(first.values()) / 1e3),
        "first question, seconds": round(waits[0], 2),
        "later questions, seconds, median": round(statistics.median(waits[1:]), 2),
        "later questions, seconds, slowest": round(max(waits[1:]), 2),
        "kilobytes a question, median": round(statistics.median(transferred) / 1e3, 1),
        "kilobytes a question, first": round(transferred[0] / 1e3, 1),
        "found, as the page says": sure,
    }


def _ask(tab: Any, words: str) -> tuple[float, str]:
    """Ask, and return the seconds from Enter until a thumbnail of the answer is drawn, and the page's
    message."""
    field = tab.get_by_label("Search", exact=True)
    field.fill(words)
    before = tab.locator(".sk-card .sk-name").first
    old = before.inner_text() if before.count() else ""
    began = time.perf_counter()
    field.press("Enter")
    new = (
        "(old) => { const one = document.querySelector('.sk-card .sk-name');"
        "const image = document.querySelector('.sk-card img');"
        "return one && one.innerText !== old && image.complete && image.naturalWidth > 0; }"
    )
    tab.wait_for_function(new, arg=old, polling=10, timeout=60_000)
    took = time.perf_counter() - began
    return took, tab.locator('[role="status"]').first.inner_text()


def main() -> None:
    parser = Arguments(__doc__, result="page.json")
    parser.add_argument("--items", type=int, nargs="+", default=[10_000, 100_000])
    options = parser.parsed()
    results: dict[str, Any] = {"machine": machine()}
    for items in options.items:
        with tempfile.TemporaryDirectory() as folder:
            fill(Path(folder) / "library", items)
            results[f"{items} items"] = measure(Path(folder) / "library")
            print(items, json.dumps(results[f"{items} items"], indent=1), flush=True)
    write(results, options.out)


if __name__ == "__main__":
    main()
