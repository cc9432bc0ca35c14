"""The page, run by Streamlit's own test driver, and once by its server with a real browser."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("streamlit", reason="the page is an extra")

from streamlit.testing.v1 import AppTest

from searchkit.collection import Collection
from searchkit.errors import BadInput
from searchkit.finetuning.curve import Curve, Look
from searchkit.finetuning.ratings import RIGHT, rate
from searchkit.settings import UI_SHARED
from searchkit.ui import components, launch
from searchkit.ui.asking import Question
from searchkit.ui.views import adapting
from tests.serving import wait_for

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
    components._opened.clear()
    components.forget()


def other_page(where: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """One of the other pages by itself: the test driver cannot turn to pages that are functions."""
    monkeypatch.setenv("SEARCHKIT_COLLECTION", str(where))
    script = f"from searchkit.ui.views import {name}\n{name}.page()\n"
    return AppTest.from_string(script, default_timeout=PATIENCE).run()


def colours(seed: int) -> Image.Image:
    grid = np.random.default_rng(seed).integers(0, 255, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(grid).resize((320, 320), Image.Resampling.NEAREST)


def png(seed: int) -> bytes:
    data = io.BytesIO()
    colours(seed).save(data, "PNG")
    return data.getvalue()


def texts(test: AppTest) -> str:
    return "\n".join(element.value for element in test.text)


def drawn(test: AppTest) -> str:
    """All that is read as HTML, save the page's own style and keys."""
    bodies = [element.proto.body for element in test.get("html")]
    return "\n".join(body for body in bodies if not body.startswith(("<style", "<script")))


def lists(test: AppTest) -> list[Any]:
    """What is given to the browser to draw hits with, a list each."""
    return [element.proto for element in test.get("bidi_component")]


def cards(test: AppTest) -> list[dict[str, Any]]:
    return [card for one in lists(test) for card in json.loads(one.json).get("cards", ())]


def names(test: AppTest) -> list[str]:
    return [card["name"] for card in cards(test)]


def click(test: AppTest, what: str, **said: str) -> AppTest:
    """As `hits.js` says it, of the first hit unless it is told which."""
    one = lists(test)[0]
    value = {"what": what, "item": cards(test)[0]["id"], **said}
    states = test._tree.get_widget_states()
    event = states.widgets.add(id=f"$$STREAMLIT_INTERNAL_KEY_{one.id}__events")
    event.json_trigger_value = json.dumps([{"event": "did", "value": value}])
    return test._run(states)


def markup(test: AppTest) -> str:
    """All that is read as Markdown."""
    said = (*test.markdown, *test.caption, *test.info, *test.error, *test.title, *test.subheader)
    return "\n".join(element.value for element in said)


def ask(test: AppTest, words: str) -> AppTest:
    return test.text_input(key="q").input(words).run()


def button(test: AppTest, beginning: str) -> Any:
    return next(one for one in test.button if one.key and one.key.startswith(beginning))


def pick(test: AppTest, numbers: Any) -> AppTest:
    """As `scatter.js` says it."""
    states = test._tree.get_widget_states()
    states.widgets.add(id=lists(test)[0].id).json_value = json.dumps({"picked": numbers})
    return test._run(states)


HIVE = "hive sugar syrup autumn"


def test_a_query_shows_the_passage_with_its_words_marked_and_how_sure_it_is(
    page: Page, library: Path
) -> None:
    test = page(library)
    assert not test.exception
    assert "Say what is to be seen" in drawn(test)
    ask(test, HIVE)
    assert not test.exception
    assert "1 found" in drawn(test)
    assert names(test) == ["bees.txt"]
    assert cards(test)[0]["sure"][0] == "strong" and float(cards(test)[0]["sure"][1]) >= 0.9
    marked = [words for words, is_marked in cards(test)[0]["text"] if is_marked]
    assert marked == ["hive", "sugar", "syrup", "autumn"]
    assert test.query_params["q"] == HIVE


def test_a_question_in_the_address_is_asked_with_its_filters(page: Page, library: Path, files: Path) -> None:
    test = page(library, q=HIVE, kind="passages", folder=str(files), since="2020-01-01")
    assert test.text_input(key="q").value == HIVE
    assert "bees.txt" in names(test)
    assert "bees.txt" not in names(page(library, q=HIVE, kind="pictures"))
    assert "bees.txt" not in names(page(library, q=HIVE, folder="/elsewhere"))
    late = page(library, q=HIVE, since="2999-01-01")
    assert "Nothing here matches" in markup(late) and "without the filters" in texts(late)


@pytest.mark.parametrize("like", ["x' OR 1=1 --", "0" * 20 + "-" + "0" * 20 + "-0"])
def test_an_address_that_names_no_item_is_an_error_in_words(page: Page, library: Path, like: str) -> None:
    test = page(library, like=like)
    assert not test.exception
    assert "is no item" in texts(test) or "not in the collection any more" in texts(test)


def test_an_uploaded_picture_finds_itself_and_leaves_no_file(
    page: Page, library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    test = page(library, kind="pictures")
    test.file_uploader(key="picture").upload("query.png", png(2), "image/png").run()
    assert not test.exception
    sha256 = hashlib.sha256((library.parent / "files" / "plain.png").read_bytes()).hexdigest()
    assert (cards(test)[0]["thumb"], cards(test)[0]["alt"]) == (f"/thumb/{sha256}", "plain.png")
    assert not list(scratch.iterdir())


def test_an_upload_that_is_no_picture_is_refused_by_its_own_name(page: Page, library: Path) -> None:
    test = page(library)
    test.file_uploader(key="picture").upload("query.png", b"not a picture", "image/png").run()
    assert not test.exception
    assert "query.png is not a picture" in texts(test)


def test_an_upload_of_too_many_pixels_is_refused_before_it_is_decoded(page: Page, library: Path) -> None:
    data = io.BytesIO()
    Image.new("1", (10_000, 6_000)).save(data, "PNG")
    assert len(data.getvalue()) < 100_000
    test = page(library)
    test.file_uploader(key="picture").upload("huge.png", data.getvalue(), "image/png").run()
    assert not test.exception
    assert "huge.png has 60 megapixels" in texts(test)


def test_a_pasted_picture_takes_the_place_of_the_chosen_one_and_can_be_taken_back(
    page: Page, library: Path
) -> None:
    test = page(library, kind="pictures")
    test.file_uploader(key="picture").upload("chosen.png", png(1), "image/png").run()
    assert "Like the picture chosen.png" in texts(test)
    test.file_uploader(key="pasted").upload("image.png", png(2), "image/png").run()
    assert not test.exception
    assert "Like the picture image.png" in texts(test) and "chosen.png" not in texts(test)
    assert names(test)[0] == "plain.png"
    button(test, "no picture").click().run()
    assert not test.exception
    assert "Like the picture" not in texts(test) and "Say what is to be seen" in drawn(test)


def test_where_a_picture_fits_the_words_is_shown_when_asked_for(page: Page, library: Path) -> None:
    test = page(library, q="colours", kind="pictures")
    test.session_state["weak"] = True
    test.run()
    click(test, "open")
    assert not test.exception
    assert "Bright and in colour" not in drawn(test)
    test.toggle(key=f"where {cards(test)[0]['id']}").set_value(True)
    click(test, "open")
    assert not test.exception
    assert "Bright and in colour where it fits best" in drawn(test)


def of_notes(tmp_path: Path, count: int) -> Collection:
    """ "library", with so many passages that say nearly the same."""
    folder = tmp_path / "many"
    folder.mkdir()
    for n in range(count):
        (folder / f"note{n:02d}.txt").write_text(f"The hive {n} is fed with sugar syrup in autumn.\n")
    made = Collection.open(tmp_path / "library", model="hashing")
    made.add(folder)
    return made


def test_what_is_like_many_items_is_asked_for_and_taken_back_in_one_line(page: Page, tmp_path: Path) -> None:
    with of_notes(tmp_path, 6) as made:
        ids = [hit.item.id for hit in made.search(HIVE)][:4]
    test = page(tmp_path / "library", like=ids)  # type: ignore[arg-type]
    assert not test.exception
    assert "Like 4 items" in texts(test)
    assert len(names(test)) == 2
    button(test, "no like").click().run()
    assert not test.exception
    assert "Like 4 items" not in texts(test) and "like" not in test.query_params


def test_weak_results_are_shown_only_when_asked_for(page: Page, library: Path) -> None:
    test = page(library, q="zeppelin quartz", kind="passages")
    assert "Nothing here matches" in markup(test)
    assert names(test) == []
    assert any("Weak results" in expander.label for expander in test.expander)
    test.session_state["weak"] = True
    test.run()
    assert ("bees.txt", "weak") in [(card["name"], card["sure"][0]) for card in cards(test)]


def test_more_like_this_asks_with_what_was_found_and_can_be_taken_back(page: Page, library: Path) -> None:
    test = page(library, kind="pictures")
    test.file_uploader(key="picture").upload("query.png", png(2), "image/png").run()
    like = cards(test)[0]["id"]
    click(test, "more")
    assert not test.exception
    assert test.query_params["like"] == like
    assert "Like: plain.png" in texts(test)
    button(test, "no like").click().run()
    assert "Like: plain.png" not in texts(test) and "like" not in test.query_params


def test_less_like_this_keeps_the_question_and_drops_the_result(page: Page, library: Path) -> None:
    test = page(library, q=HIVE, kind="passages")
    assert names(test) == ["bees.txt"]
    click(test, "less")
    assert not test.exception
    assert test.text_input(key="q").value == HIVE
    assert "bees.txt" not in names(test) and "Unlike: bees.txt" in texts(test)


def test_a_rating_is_kept_for_this_question_and_another_visitor_sees_none_of_the_rest(
    page: Page, library: Path
) -> None:
    test = page(library, q=HIVE)
    item = cards(test)[0]["id"]
    click(test, "rate", value="right")
    assert not test.exception
    assert json.loads(lists(test)[0].json)["rated"] == {item: "right"}
    with Collection.open(library, create=False) as opened:
        assert [(r.question, r.value) for r in opened.catalog.ratings()] == [(HIVE, RIGHT)]
    other = page(library)
    assert other.text_input(key="q").value == "" and names(other) == []
    again = page(library, q=HIVE)
    assert json.loads(lists(again)[0].json)["rated"] == {item: "right"}
    click(again, "rate", value="")
    assert json.loads(lists(again)[0].json)["rated"] == {}


@pytest.mark.parametrize(
    "said",
    [
        {"what": "rate", "value": "best"},
        {"what": "open", "item": "../../etc/passwd"},
        {"what": "drop", "item": "x' OR 1=1 --"},
        {"what": "more", "item": "0" * 64},
    ],
)
def test_what_a_browser_makes_up_does_nothing(page: Page, library: Path, said: dict[str, str]) -> None:
    test = page(library, q=HIVE)
    before = (names(test), dict(test.query_params))
    click(test, **said)
    assert not test.exception
    assert (names(test), dict(test.query_params)) == before
    with Collection.open(library, create=False) as opened:
        assert list(opened.catalog.ratings()) == []


def test_what_is_opened_shows_its_neighbourhood_and_why_it_was_found(page: Page, library: Path) -> None:
    test = page(library, q=HIVE)
    click(test, "open")
    assert not test.exception
    assert '<span class="sk-here">The <mark>hive</mark>' in drawn(test)
    assert "Its cosine to the question" in texts(test)


def test_more_hits_than_a_page_holds_are_turned_over(page: Page, tmp_path: Path) -> None:
    of_notes(tmp_path, 30).close()
    test = page(tmp_path / "library", q=HIVE)
    test.session_state["weak"] = False
    first = set(names(test))
    test.session_state[f"page {Question(words=HIVE).key}"] = 2
    test.run()
    second = set(names(test))
    assert not test.exception
    assert len(first) == 24 and len(second) == 6 and not first & second


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


def test_hostile_names_and_texts_are_shown_as_they_are(
    page: Page, library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    test = page(library, q="script alert 1 script The keeper of the lighthouse rowed out through the storm")
    assert not test.exception
    assert TAG in names(test)
    click(test, "open")
    assert "&lt;<mark>script</mark>&gt;<mark>alert</mark>(1)&lt;/<mark>script</mark>&gt;" in drawn(test)
    test.file_uploader(key="picture").upload("query.png", png(1), "image/png").run()
    assert "**bold**.png" in names(test)
    shelf = other_page(library, "library", monkeypatch)
    assert any(DAMAGED in file for file in shelf.dataframe[0].value["file"])
    for one in (test, shelf):
        tags = set(re.findall(r"<(\w+)", drawn(one)))
        assert tags <= {"b", "br", "span", "p", "mark", "img", "figure", "figcaption", "div"}
        assert drawn(one).count("<b>") == drawn(one).count("</b>")
        for text in ("bold", "tag", "broken", "script"):
            assert text not in markup(one)


def test_a_name_that_is_not_text_is_shown_nevertheless(page: Page, tmp_path: Path, files: Path) -> None:
    try:
        colours(3).save(os.fsdecode(os.fsencode(files) + b"/caf\xe9.png"))
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    with Collection.open(tmp_path / "library", model="hashing") as made:
        made.add(files)
    test = page(tmp_path / "library")
    test.file_uploader(key="picture").upload("query.png", png(3), "image/png").run()
    assert not test.exception
    assert "caf?.png" in names(test)


def test_a_picture_that_went_since_has_its_thumbnail_and_says_so_when_it_is_opened(
    page: Page, library: Path, files: Path
) -> None:
    data = (files / "plain.png").read_bytes()
    (files / "plain.png").unlink()
    test = page(library, kind="pictures")
    test.file_uploader(key="picture").upload("query.png", data, "image/png").run()
    assert names(test)[0] == "plain.png" and cards(test)[0]["thumb"].startswith("/thumb/")
    click(test, "open")
    assert not test.exception
    assert "cannot read" in texts(test)


def test_the_library_lists_folders_failures_and_models(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    test = other_page(library, "library", monkeypatch)
    assert not test.exception
    assert str(library.parent / "files") in drawn(test)
    assert "4 files, 1 failed" in drawn(test)
    assert "hashing" in drawn(test) and "4 of 4 files (100%)" in drawn(test)
    assert "Could not be read: 1" in markup(test)
    test.text_input(key="add path").input(str(library / "nowhere"))
    next(one for one in test.button if one.label == "Add and index").click().run()
    assert "is not a folder" in texts(test)


def test_over_the_network_no_folder_is_added_or_removed(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(UI_SHARED, "1")
    test = other_page(library, "library", monkeypatch)
    assert not test.exception
    assert [one.label for one in test.button] == [] and not test.text_input


def test_over_the_network_nothing_is_learned_and_no_model_changes(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = other_page(library, "adapting", monkeypatch)
    assert any(one.label.startswith("Learn from") for one in local.button)
    monkeypatch.setenv(UI_SHARED, "1")
    test = other_page(library, "adapting", monkeypatch)
    assert not test.exception
    assert [one.label for one in test.button] == [] and not test.get("file_uploader")


def test_a_source_is_removed_after_a_second_click(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    test = other_page(library, "library", monkeypatch)
    next(one for one in test.button if one.label == "Forget it").click().run()
    assert not test.exception
    with Collection.open(library, create=False) as opened:
        assert not list(opened.assets()) and not opened.catalog.sources()


def test_the_map_has_a_point_for_every_item(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    test = other_page(library, "map", monkeypatch)
    assert not test.exception
    drawn = json.loads(lists(test)[0].json)
    assert drawn["groups"] == [["picture", 2], ["passage", 2]]
    seen = {point[3]: point[2:] for point in drawn["points"]}
    assert set(seen) == {BOLD, "plain.png", TAG, "bees.txt"}
    assert seen["plain.png"][2].startswith("/thumb/") and seen["plain.png"][0] == 0
    assert seen["bees.txt"] == [1, "bees.txt", "", "The hive is fed with sugar syrup in autumn."]


@pytest.mark.parametrize("numbers", [[0, 2], [2, 2, 0], [0, 2, -1, 4, 1e9, True, "1", None, [1]]])
def test_what_is_picked_on_the_map_is_listed_and_what_is_made_up_is_not(
    library: Path, monkeypatch: pytest.MonkeyPatch, numbers: list[Any]
) -> None:
    test = other_page(library, "map", monkeypatch)
    assert "Draw around points" in drawn(test) and not names(test)
    points = json.loads(lists(test)[0].json)["points"]
    pick(test, numbers)
    assert not test.exception
    assert sorted(names(test)) == sorted(points[number][3] for number in (0, 2))
    pick(test, "all of them")
    assert not test.exception and not names(test)


def test_adapting_from_too_few_ratings_says_what_is_missing(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    test = other_page(library, "adapting", monkeypatch)
    assert not test.exception
    learn = next(one for one in test.button if one.key == "learn")
    assert learn.disabled and "0 ratings" in learn.label
    with Collection.open(library, create=False) as opened:
        rate(opened, HIVE, opened.search(HIVE, k=1)[0].item, RIGHT)
    test.run()
    next(one for one in test.button if one.key == "learn").click().run()
    adapting._runs[library].thread.join(PATIENCE)
    test.run()
    assert not test.exception
    assert "cannot be learned from" in texts(test) or "too few" in texts(test)


def test_what_another_process_learns_is_drawn_while_it_runs_and_after(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Curve(library / "adapters", "my pairs.csv", lambda *said: None) as curve:
        for step in (25, 50):
            curve.look("text-image", Look(1, 2, step, 100, 1 / step, 0.3, 0.2))
        test = other_page(library, "adapting", monkeypatch)
        assert not test.exception
        (bar,) = test.get("progress")
        assert bar.proto.text.startswith("Learning from my pairs.csv, at most") and bar.proto.value == 25
        assert len(test.get("vega_lite_chart") or test.get("arrow_vega_lite_chart")) == 2
        assert not any(one.key == "learn" for one in test.button)  # one at a time
        curve.end("not better with certainty")
    test = other_page(library, "adapting", monkeypatch)
    assert not test.exception and not test.get("progress")
    assert [one.label for one in test.expander] == ["How it learned from my pairs.csv"]
    test.session_state["learned"] = True
    test.run()
    assert "not better with certainty" in texts(test)
    assert len(test.get("vega_lite_chart") or test.get("arrow_vega_lite_chart")) == 2


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.0.2", "::", "example.org", ""])
def test_an_address_that_others_can_reach_is_refused_without_a_token(host: str) -> None:
    with pytest.raises(BadInput, match="needs a token"):
        launch.run(host)
    with pytest.raises(BadInput, match="shorter than"):
        launch.run(host, token="short")


def test_a_token_may_come_from_the_environment() -> None:
    start = "import sys; sys.argv[1:] = ['ui', '--headless']; from searchkit.cli.main import main; main()"
    environment = {**os.environ, "SEARCHKIT_UI_TOKEN": "short"}
    command = [sys.executable, "-c", start]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 2 and "the token is shorter" in done.stderr


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("0.0.0.0", "localhost"),
        ("::", "localhost"),
        ("::0", "localhost"),
        ("192.168.0.2", "192.168.0.2"),
        ("::1", "[::1]"),
        ("photos.example", "photos.example"),
    ],
)
def test_nobody_elsewhere_is_asked_for_the_address(host: str, said: str) -> None:
    """Streamlit asks where it has not been told."""
    assert f"--browser.serverAddress={said}" in launch._command(host, 8501, headless=True)


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
            wait_for(f"http://127.0.0.1:{port}/_stcore/health", process, patience=PATIENCE)
            yield f"http://127.0.0.1:{port}"
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE) == 0
        finally:
            process.terminate()


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
        image = tab.locator(".sk-card img")
        driver.expect(weak.or_(image.first).first).to_be_visible(timeout=PATIENCE * 1000)
        if weak.is_visible():
            weak.click()
        driver.expect(image.first).to_be_visible(timeout=PATIENCE * 1000)
        browser.close()
    assert problems == []
