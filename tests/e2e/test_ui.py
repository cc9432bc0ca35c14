"""The page, run by Streamlit's own test driver, and once by its server with a real browser."""

from __future__ import annotations

import io
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("streamlit", reason="the page is an extra")

from streamlit.testing.v1 import AppTest

from searchkit.collection import Collection
from searchkit.errors import BadInput
from searchkit.ui import components, launch

BOLD, TAG, DAMAGED = "**bold**.png", "<b>tag.txt", "[broken](x).jpg"
SCRIPT = "<script>alert(1)</script> The keeper of the lighthouse rowed out through the *storm*.\n"
CHROMIUM = shutil.which("chromium")
PATIENCE = 60.0

Page = Callable[..., AppTest]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Two pictures, two texts and something broken, in a folder that is not indexed yet."""
    folder = tmp_path / "files"
    folder.mkdir()
    colours(1).save(folder / BOLD)
    colours(2).save(folder / "plain.png")
    (folder / TAG).write_text(SCRIPT)
    (folder / DAMAGED).write_bytes(b"no picture")
    (folder / "bees.txt").write_text("The hive is fed with sugar syrup in autumn.\n")
    return folder


@pytest.fixture
def library(tmp_path: Path, files: Path) -> Path:
    where = tmp_path / "library"
    with Collection.open(where, model="hashing") as made:
        made.add(files)
    return where


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    """A function that runs the page over a collection, with a query from its address."""

    def run(where: Path, **address: str) -> AppTest:
        monkeypatch.setenv("SEARCHKIT_COLLECTION", str(where))
        test = AppTest.from_file(launch.PAGE, default_timeout=PATIENCE)
        for name, value in address.items():
            test.query_params[name] = value
        return test.run()

    yield run
    components.library.clear()
    components.status.clear()


def colours(seed: int) -> Image.Image:
    grid = np.random.default_rng(seed).integers(0, 255, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(grid).resize((320, 320), Image.Resampling.NEAREST)


def texts(test: AppTest) -> str:
    return "\n".join(element.value for element in test.text)


def markup(test: AppTest) -> str:
    """All that is read as Markdown or HTML."""
    drawn = (*test.markdown, *test.caption, *test.info, *test.error, *test.title, *test.subheader)
    return "\n".join(element.value for element in drawn)


def test_a_query_shows_the_passage_and_how_sure_it_is(page: Page, library: Path) -> None:
    test = page(library)
    assert not test.exception
    assert "Pictures: 2" in texts(test)
    test.text_input(key="q").input("hive sugar syrup autumn").run()
    assert not test.exception
    assert "bees.txt\nstrong" in texts(test)
    assert "The hive is fed with sugar syrup" in texts(test)


def test_a_query_in_the_address_is_asked(page: Page, library: Path) -> None:
    test = page(library, q="hive sugar syrup autumn", kind="passages")
    assert test.text_input(key="q").value == "hive sugar syrup autumn"
    assert "bees.txt\nstrong" in texts(test)


def test_an_uploaded_picture_finds_itself_and_leaves_no_file(
    page: Page, library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    data = io.BytesIO()
    colours(2).save(data, "PNG")
    test = page(library, kind="pictures")
    test.file_uploader(key="picture").upload("query.png", data.getvalue(), "image/png").run()
    assert not test.exception
    assert "plain.png\n" in texts(test)
    assert [image.type for image in test.image] == ["image", "image"]
    assert not list(scratch.iterdir())


def test_an_upload_that_is_no_picture_is_refused_by_its_own_name(page: Page, library: Path) -> None:
    test = page(library)
    test.file_uploader(key="picture").upload("query.png", b"not a picture", "image/png").run()
    assert not test.exception
    assert "query.png is not a picture" in texts(test)


def test_weak_results_are_shown_only_when_asked_for(page: Page, library: Path) -> None:
    test = page(library, q="zeppelin quartz", kind="passages")
    assert "Nothing here matches" in markup(test)
    assert "bees.txt" not in texts(test)
    assert any("Weak results" in expander.label for expander in test.expander)
    test.session_state["weak"] = True
    test.run()
    assert "bees.txt\nweak" in texts(test)


def test_a_missing_collection_is_met_with_the_command_that_makes_one(page: Page, tmp_path: Path) -> None:
    test = page(tmp_path / "no such place")
    assert not test.exception
    assert "nothing to search" in markup(test)
    assert [code.value for code in test.code] == [f"searchkit index FOLDER -c '{tmp_path}/no such place'"]


def test_an_empty_collection_is_met_in_the_same_way(page: Page, tmp_path: Path) -> None:
    Collection.open(tmp_path / "empty", model="hashing").close()
    test = page(tmp_path / "empty")
    assert not test.exception
    assert len(test.code) == 1


def test_hostile_names_and_texts_are_shown_as_they_are(page: Page, library: Path, files: Path) -> None:
    test = page(library, q="script alert 1 script The keeper of the lighthouse rowed out through the storm")
    assert not test.exception
    assert TAG in texts(test)
    assert DAMAGED in texts(test)
    assert "<script>alert(1)</script>" in texts(test)
    picture = io.BytesIO()
    colours(1).save(picture, "PNG")
    test.file_uploader(key="picture").upload("query.png", picture.getvalue(), "image/png").run()
    assert BOLD in texts(test)
    for text in ("bold", "tag", "broken", "script"):
        assert text not in markup(test)


def test_a_name_that_is_not_text_is_shown_nevertheless(page: Page, tmp_path: Path, files: Path) -> None:
    try:
        colours(3).save(os.fsdecode(os.fsencode(files) + b"/caf\xe9.png"))
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    with Collection.open(tmp_path / "library", model="hashing") as made:
        made.add(files)
    data = io.BytesIO()
    colours(3).save(data, "PNG")
    test = page(tmp_path / "library")
    test.file_uploader(key="picture").upload("query.png", data.getvalue(), "image/png").run()
    assert not test.exception
    assert "caf?.png\n" in texts(test)


def test_a_picture_that_went_since_is_named_without_its_image(page: Page, library: Path, files: Path) -> None:
    data = (files / "plain.png").read_bytes()
    (files / "plain.png").unlink()
    test = page(library)
    test.file_uploader(key="picture").upload("query.png", data, "image/png").run()
    assert not test.exception
    assert "cannot read" in texts(test)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.0.2", "::", "example.org", ""])
def test_an_address_that_others_can_reach_is_refused(host: str) -> None:
    with pytest.raises(BadInput, match="other machines"):
        launch.run(host)


@pytest.fixture
def address(library: Path) -> Iterator[str]:
    """Where a server of the page listens; afterwards it has ended on SIGINT, with exit code 0."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    start = f"from searchkit.ui.launch import run; raise SystemExit(run(port={port}, headless=True))"
    environment = {
        **os.environ,
        "SEARCHKIT_COLLECTION": str(library),
        "STREAMLIT_SERVER_SCRIPT_HEALTH_CHECK_ENABLED": "true",
    }
    with subprocess.Popen([sys.executable, "-c", start], env=environment) as process:
        try:
            _wait_for(f"http://127.0.0.1:{port}/_stcore/health", process)
            yield f"http://127.0.0.1:{port}"
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE) == 0
        finally:
            process.terminate()


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            assert process.poll() is None, "the server ended"
            assert time.monotonic() < end, "the server does not answer"
            time.sleep(0.2)


def test_the_launched_server_runs_the_page_and_ends_when_interrupted(address: str) -> None:
    with urllib.request.urlopen(f"{address}/_stcore/script-health-check", timeout=PATIENCE) as answer:
        assert answer.status == 200  # 503 when the script raises


@pytest.mark.browser
def test_a_browser_shows_a_picture_and_no_errors(address: str) -> None:
    driver = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("no chromium")
    problems: list[str] = []
    with driver.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        tab = browser.new_page()
        tab.on("pageerror", lambda error: problems.append(str(error)))
        tab.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)
        tab.goto(f"{address}/?kind=pictures")
        tab.get_by_label("Search", exact=True).fill("colours")
        tab.keyboard.press("Enter")
        weak = tab.get_by_text("Weak results")
        image = tab.get_by_test_id("stImage").locator("img")
        driver.expect(weak.or_(image.first).first).to_be_visible(timeout=PATIENCE * 1000)
        if weak.is_visible():
            weak.click()
        driver.expect(image.first).to_be_visible(timeout=PATIENCE * 1000)
        browser.close()
    assert problems == []
