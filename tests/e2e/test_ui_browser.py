"""The page in a real Chromium against its real server; and attacks on that server, without a browser.

One server and one browser serve all of it. `make slow` runs the longer journeys.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import http.client
import io
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("streamlit", reason="the page is an extra")

from searchkit.collection import Collection
from searchkit.collection.spaces import refill
from searchkit.ui.guard import Guard
from searchkit.ui.server import AtOnce

CHROMIUM = shutil.which("chromium")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
PATIENCE = 60.0
TOKEN = "correct-horse-battery-staple"
SECRET = b"the secret of another user"


def noise(seed: int) -> Image.Image:
    grid = np.random.default_rng(seed).integers(0, 255, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(grid).resize((320, 320), Image.Resampling.NEAREST)


class World:
    """A collection with its folder, and a secret beside both."""

    def __init__(self, root: Path) -> None:
        self.root, self.library, self.files, self.secret = (
            root,
            root / "library",
            root / "files",
            root / "secret",
        )
        self.files.mkdir()
        self.secret.write_bytes(SECRET)
        for seed in range(6):
            noise(seed).save(self.files / f"noise{seed}.png")
        (self.files / "bees.txt").write_text("The hive is fed with sugar syrup in autumn.\n")
        (self.files / "<img src=x onerror=alert(1)>.txt").write_text(
            "<script>alert(2)</script> winter frost\n"
        )
        (self.files / "damaged.jpg").write_bytes(b"no picture")
        with Collection.open(self.library, model="hashing") as made:
            made.add(self.files)


def served(world: World, **environment: str) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    token = f"token={environment.pop('token')!r}" if "token" in environment else ""
    start = f"from searchkit.ui.launch import run; raise SystemExit(run(port={port}, headless=True, {token}))"
    known = {**os.environ, "SEARCHKIT_COLLECTION": str(world.library), **environment}
    with subprocess.Popen([sys.executable, "-c", start], env=known) as process:
        try:
            end = time.monotonic() + PATIENCE
            while _get(f"127.0.0.1:{port}", "/_stcore/health")[0] != 200:
                assert process.poll() is None and time.monotonic() < end
                time.sleep(0.2)
            yield f"127.0.0.1:{port}"
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def address(world: World) -> Iterator[str]:
    yield from served(world)


def _get(
    address: str, path: str, method: str = "GET", body: bytes | None = None, **headers: str
) -> tuple[int, bytes, http.client.HTTPMessage | None]:
    """As it is written: a path is not tidied up on its way."""
    connection = http.client.HTTPConnection(address, timeout=10)
    try:
        said = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body=body, headers=said)
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.headers
    except OSError:
        return 0, b"", None
    finally:
        connection.close()


# attacks


async def behind(scope: Any, receive: Any, send: Any) -> None:
    """An application behind the guard: it answers, or takes a WebSocket and listens until that is over."""
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        return
    await send({"type": "websocket.accept"})
    while (await receive())["type"] != "websocket.disconnect":
        pass


def answered(headers: dict[str, str], *, guard: Guard | None = None, query: str = "") -> tuple[int, str]:
    """The guard's status, and the cookie that it gave; 200 is what stands behind it."""
    said: list[Any] = []

    async def send(message: Any) -> None:
        said.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    asyncio.run((guard or Guard(behind))(scope, None, send))  # type: ignore[arg-type]
    cookies = [value.decode() for name, value in said[0]["headers"] if name == b"set-cookie"]
    return said[0]["status"], "".join(cookies)


@pytest.mark.parametrize("host", ["localhost", "localhost:8501", "127.0.0.1:1", "127.3.2.1", "[::1]:8501"])
def test_this_machine_is_answered(host: str) -> None:
    assert answered({"host": host})[0] == 200


@pytest.mark.parametrize("host", ["", "evil.example", "127.0.0.1.evil.example", "localhost@evil", "10.0.0.1"])
def test_another_name_is_refused(host: str) -> None:
    assert answered({"host": host})[0] == 403


def test_a_websocket_is_for_pages_from_here() -> None:
    def opened(headers: dict[bytes, bytes], guard: Guard | None = None) -> list[str]:
        said: list[str] = []

        async def send(message: Any) -> None:
            said.append(message["type"])

        scope = {"type": "websocket", "path": "/_stcore/stream", "headers": list(headers.items())}

        async def gone() -> Any:
            return {"type": "websocket.disconnect"}

        asyncio.run((guard or Guard(behind))(scope, gone, send))
        return said

    here = {b"host": b"localhost:8501"}
    assert opened(here) == ["websocket.accept"]  # a program, no browser
    assert opened(here | {b"origin": b"http://localhost:8501"}) == ["websocket.accept"]
    for elsewhere in (b"http://evil.example", b"http://localhost:80", b"null", b"", b"http://["):
        assert opened(here | {b"origin": elsewhere}) == ["websocket.close"], elsewhere
    guard = Guard(behind, TOKEN)
    _, cookie = answered({}, guard=guard, query=f"token={TOKEN}")
    there = {b"host": b"search.example", b"cookie": cookie.partition(";")[0].encode()}
    assert opened(there | {b"origin": b"https://search.example"}, guard) == ["websocket.accept"]
    assert opened(there | {b"origin": b"https://evil.example"}, guard) == ["websocket.close"]


def test_a_token_begins_a_session_that_says_nothing_of_it() -> None:
    guard = Guard(behind, TOKEN)
    assert answered({"host": "any.example"}, guard=guard)[0] == 401
    assert answered({}, guard=guard, query="token=wrong")[0] == 401
    assert answered({"cookie": "searchkit=; a=\x80"}, guard=guard)[0] == 401
    status, header = answered({}, guard=guard, query=f"q=x&token={TOKEN}")
    assert status == 303 and TOKEN not in header
    assert {"HttpOnly", "SameSite=Strict", "Max-Age=43200"} <= set(header.split("; "))
    cookie = header.partition(";")[0]
    assert answered({"cookie": f"other=1; {cookie}"}, guard=guard)[0] == 200
    assert answered({}, guard=guard, query=f"token={TOKEN}")[1] != header  # each visitor has another


def test_a_session_ends_with_its_time_and_with_the_server_and_cannot_be_made_up() -> None:
    guard = Guard(behind, TOKEN)
    cookie = answered({}, guard=guard, query=f"token={TOKEN}")[1].partition(";")[0]
    assert answered({"cookie": cookie}, guard=guard)[0] == 200
    assert answered({"cookie": cookie}, guard=Guard(behind, TOKEN))[0] == 401  # another start
    name, value = cookie.split("=", 1)
    said, given, signature = value.split(".")
    plain = hashlib.sha256(b"searchkit page " + TOKEN.encode()).hexdigest()
    for wrong in (
        plain,
        TOKEN,
        f"{said}.{given}",
        f"{said}.{given}.",
        f"{said}x.{given}.{signature}",
        f"{said}.zzzz{given}.{signature}",
        f"{said}.{given}.{signature[:-2]}",
    ):
        assert answered({"cookie": f"{name}={wrong}"}, guard=guard)[0] == 401, wrong
    brief = Guard(behind, TOKEN, seconds=1)
    cookie = answered({}, guard=brief, query=f"token={TOKEN}")[1].partition(";")[0]
    time.sleep(2.1)  # a cookie's time is in whole seconds
    assert answered({"cookie": cookie}, guard=brief)[0] == 401


def test_an_open_websocket_ends_with_its_session() -> None:
    guard = Guard(behind, TOKEN, seconds=2)
    cookie = answered({}, guard=guard, query=f"token={TOKEN}")[1].partition(";")[0]
    scope = {"type": "websocket", "path": "/_stcore/stream", "headers": [(b"cookie", cookie.encode())]}

    async def nothing() -> Any:
        await asyncio.sleep(PATIENCE)

    async def send(message: Any) -> None:
        pass

    began = time.monotonic()
    asyncio.run(guard(scope, nothing, send))
    assert time.monotonic() - began < 10


def test_no_way_through_the_server_leads_out_of_the_thumbnails(address: str, world: World) -> None:
    sha256 = next(file.stem for file in (world.library / "thumbs").rglob("*.webp"))
    status, data, headers = _get(address, f"/thumb/{sha256}")
    assert status == 200 and Image.open(io.BytesIO(data)).format == "WEBP"
    assert headers is not None and headers["x-content-type-options"] == "nosniff"
    linked = world.library / "thumbs" / "ff" / f"{'f' * 64}.webp"
    linked.parent.mkdir(exist_ok=True)
    linked.symlink_to(world.secret)
    tries = [f"/thumb/{'f' * 64}", f"/thumb/{world.secret}", "/thumb/", f"/thumb/{sha256}%00"]
    for up in ("../", "..%2f", "%2e%2e/", "%2e%2e%2f", "..\\", "..%5c", "....//", "%252e%252e%252f"):
        for start in (
            "/thumb/",
            f"/thumb/{sha256[:2]}/",
            "/media/",
            "/static/",
            "/app/static/",
            "/component/",
            "/",
        ):
            tries += [
                f"{start}{up * depth}{name}" for depth in (1, 3, 8) for name in ("secret", "etc/passwd")
            ]
    tries += [f"/thumb/{quote(str(world.secret), safe='')}", "//etc/passwd", "/media//etc/passwd"]
    for path in tries:
        _, data, _ = _get(address, path)
        assert SECRET not in data and b"root:" not in data, path
    linked.unlink()


def test_a_name_that_was_made_to_lead_here_is_refused(address: str) -> None:
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec_WebSocket_Version": "13"}
    key = {"Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ=="}
    assert _get(address, "/")[0] == 200
    assert _get(address, "/", Host="evil.example")[0] == 403
    assert _get(address, "/", Host="127.0.0.1.evil.example")[0] == 403
    assert _get(address, "/_stcore/stream", Host="evil.example", **upgrade, **key)[0] == 403
    refused = _get(address, "/_stcore/stream", Origin="http://evil.example", **upgrade, **key)
    assert refused[0] == 403


def test_nothing_is_written_by_a_request_of_nobodys_session(address: str, world: World) -> None:
    before = sorted(world.root.rglob("*"))
    for path in ("/_stcore/upload_file/none/1", "/_stcore/upload_file/../../files/x", "/thumb/x.webp"):
        for method in ("PUT", "POST", "DELETE"):
            assert _get(address, path, method, b"x" * 1000)[0] >= 400, (method, path)
    assert sorted(world.root.rglob("*")) == before


def test_what_is_written_to_a_connection_leaves_at_once() -> None:
    """The socket is bound as Streamlit binds its own, for which asyncio leaves Nagle's algorithm on."""
    seen: list[int] = []

    async def behind(scope: Any, receive: Any, send: Any) -> None: ...

    class Connection(asyncio.Protocol):
        """`receive` is a method of what has the transport, as with uvicorn."""

        def connection_made(self, transport: Any) -> None:
            self.transport = transport
            connection = transport.get_extra_info("socket")
            seen.append(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            with suppress(StopIteration):
                AtOnce(behind)({}, self.receive, None).send(None)  # type: ignore[arg-type]
            seen.append(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            transport.close()

        async def receive(self) -> Any: ...

    async def serve() -> None:
        listening = socket.socket(socket.AF_INET)
        listening.bind(("127.0.0.1", 0))
        server = await asyncio.get_running_loop().create_server(Connection, sock=listening)
        async with server:
            reader, writer = await asyncio.open_connection(*listening.getsockname())
            await reader.read()
            writer.close()
            await writer.wait_closed()

    asyncio.run(serve())
    assert seen[0] == 0 and seen[1] != 0


@pytest.mark.slow
def test_with_a_token_nothing_but_health_answers_without_it(world: World) -> None:
    for address in served(world, token=TOKEN):
        assert _get(address, "/_stcore/health")[0] == 200
        sha256 = next(file.stem for file in (world.library / "thumbs").rglob("*.webp"))
        upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec_WebSocket_Version": "13"}
        key = {"Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ=="}
        for path in (
            "/",
            f"/thumb/{sha256}",
            "/_stcore/host-config",
            "/static/",
            "/?token=wrong",
            "/?token=",
        ):
            status, data, _ = _get(address, path)
            assert status == 401 and b"token is needed" in data, path
            assert _get(address, path, Cookie=f"searchkit={TOKEN}")[0] == 401
        assert _get(address, "/_stcore/stream", **upgrade, **key)[0] == 403
        status, _, headers = _get(address, f"/?token={TOKEN}")
        assert status == 303 and headers is not None and headers["location"] == "/"
        cookie = headers["set-cookie"].split(";")[0]
        assert TOKEN not in headers["set-cookie"] and "HttpOnly" in headers["set-cookie"]
        assert _get(address, f"/thumb/{sha256}", Cookie=cookie)[0] == 200
        assert _get(address, "/_stcore/stream", **upgrade, **key, Cookie=cookie)[0] == 101


# journeys


def library_items(world: World) -> int:
    with Collection.open(world.library, create=False) as library:
        return library.current.store.count()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    driver = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("no chromium")
    with driver.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield opened
        opened.close()


class Visitor:
    """One tab in a profile of its own; `problems` is what went wrong in it, or was fetched from elsewhere."""

    def __init__(self, browser: Any, address: str, width: int = 1200) -> None:
        self.address = f"http://{address}"
        self.profile = browser.new_context(viewport={"width": width, "height": 900})
        self.tab = self.profile.new_page()
        self.tab.set_default_timeout(PATIENCE * 1000)
        self.problems: list[str] = []
        self.tab.on("pageerror", lambda error: self.problems.append(str(error)))
        self.tab.on("console", self._hear)
        self.tab.on("dialog", lambda dialog: (self.problems.append("a dialog"), dialog.dismiss()))
        self.tab.on("request", self._note)

    def _hear(self, said: Any) -> None:
        # on a page that is not the first, Streamlit looks for its server below that page's address too
        if said.type == "error" and "/_stcore/" not in said.location["url"]:
            self.problems.append(f"{said.text} {said.location['url']}")

    def _note(self, request: Any) -> None:
        if not request.url.startswith((self.address, self.address.replace("http", "ws"), "data:", "blob:")):
            self.problems.append(request.url)

    def go(self, path: str = "", **query: str) -> Visitor:
        self.tab.goto(f"{self.address}/{path}?{urlencode(query)}")
        self.settle()
        return self

    def settle(self) -> None:
        self.tab.wait_for_selector('[data-testid="stMainBlockContainer"] [data-testid="stVerticalBlock"]')
        self.tab.wait_for_function("window.searchkitKeys")
        self.tab.wait_for_timeout(300)
        self.tab.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]')

    def ask(self, words: str) -> None:
        self.tab.wait_for_selector('input[aria-label="Search"]')  # its script comes after the page is settled
        self.tab.keyboard.press("/")
        self.tab.wait_for_selector('input[aria-label="Search"]:focus')
        self.tab.keyboard.insert_text(words)
        assert self.tab.input_value('input[aria-label="Search"]') == words
        self.tab.keyboard.press("Enter")
        self.settle()

    def names(self) -> list[str]:
        return [one.get_attribute("alt") for one in self.tab.locator(".sk-card img").all()]

    def saw(self, text: str) -> None:
        self.tab.get_by_text(text).first.wait_for()


@pytest.fixture
def visitor(browser: Any, address: str) -> Iterator[Visitor]:
    one = Visitor(browser, address)
    yield one
    one.profile.close()
    assert one.problems == []


@pytest.mark.browser
def test_a_visitor_asks_by_key_opens_a_result_and_rates_it(visitor: Visitor, world: World) -> None:
    visitor.go().ask("hive sugar syrup autumn")
    visitor.saw("1 found")
    visitor.tab.locator("mark").first.wait_for()  # hits are drawn by a script, all at once
    assert visitor.tab.locator("mark").count() == 4
    visitor.tab.wait_for_url(re.compile("q=hive"))  # which the browser tells a moment after the page has it
    visitor.tab.get_by_role("button", name="Open").first.click()
    visitor.tab.get_by_role("dialog").wait_for()
    visitor.tab.keyboard.press("Escape")
    visitor.tab.get_by_role("dialog").wait_for(state="detached")
    right = visitor.tab.get_by_role("button", name="Right for this question")
    right.click()
    visitor.settle()
    assert right.get_attribute("aria-pressed") == "true"
    assert right.evaluate("one => one === document.activeElement")  # drawn anew, the keyboard stays there
    with Collection.open(world.library, create=False) as library:
        assert [(one.question, one.value) for one in library.catalog.ratings()] == [
            ("hive sugar syrup autumn", 1)
        ]


@pytest.mark.browser
def test_pictures_are_found_by_an_upload_and_lead_to_their_like(visitor: Visitor, world: World) -> None:
    visitor.go(kind="pictures")
    visitor.tab.get_by_role("button", name="Ask more").click()
    visitor.tab.locator(".st-key-picture input[type=file]").set_input_files(world.files / "noise3.png")
    visitor.saw("Like the picture noise3.png")
    visitor.tab.locator('.sk-card img[alt="noise3.png"]').wait_for()
    visitor.tab.wait_for_function("[...document.images].every((one) => one.complete && one.naturalWidth)")
    assert visitor.names()[0] == "noise3.png"


@pytest.mark.browser
def test_hostile_names_and_texts_do_nothing(visitor: Visitor) -> None:
    visitor.go(q="script alert 2 script winter frost")
    visitor.saw("<script>alert(2)</script>".replace("<script>", "").split("(")[0])
    assert visitor.tab.locator("img[src=x]").count() == 0
    assert visitor.tab.get_by_text("<img src=x onerror=alert(1)>.txt").count() >= 1


@pytest.mark.slow
@pytest.mark.browser
def test_two_visitors_have_their_own_questions(browser: Any, address: str) -> None:
    one, other = Visitor(browser, address).go(), Visitor(browser, address).go()
    one.ask("hive sugar syrup autumn")
    other.ask("winter frost")
    for tab, words in ((one, "hive sugar syrup autumn"), (other, "winter frost")):
        assert tab.tab.get_by_label("Search", exact=True).input_value() == words
        tab.profile.close()
        assert tab.problems == []


@pytest.mark.slow
@pytest.mark.browser
def test_a_folder_that_is_added_becomes_findable_and_its_failures_are_listed(
    visitor: Visitor, world: World
) -> None:
    more = world.root / "more"
    more.mkdir()
    (more / "owl.txt").write_text("A barn owl hunts voles over the meadow at dusk.\n")
    (more / "torn.png").write_bytes(b"torn")
    visitor.go("library")
    visitor.saw("Could not be read: 1")
    visitor.tab.get_by_label("Add a folder").fill(str(more))
    visitor.tab.get_by_role("button", name="Add and index").click()
    visitor.saw("Could not be read: 2")
    visitor.go(q="barn owl voles meadow dusk")
    visitor.saw("owl.txt")
    (more / "torn.png").write_bytes((world.files / "noise1.png").read_bytes())
    visitor.go("library").tab.get_by_role("button", name="Try them again").click()
    visitor.saw("Could not be read: 1")


@pytest.mark.slow
@pytest.mark.browser
def test_another_model_answers_and_the_first_again(visitor: Visitor, world: World) -> None:
    from searchkit.encoders.hashing import Hashing

    with Collection.open(world.library, create=False) as library:
        first = library.current.manifest.space
        refill(library, Hashing(128))
        assert library.current.manifest.space != first
    visitor.go("library").tab.get_by_role("button", name="Let it answer").click()
    visitor.tab.wait_for_timeout(1500)
    with Collection.open(world.library, create=False) as library:
        assert library.manifest.space == first


@pytest.mark.slow
@pytest.mark.browser
def test_a_small_screen_needs_no_scrolling_sideways(browser: Any, address: str) -> None:
    one = Visitor(browser, address, width=400)
    for path in ("", "library", "map", "adapt"):
        one.go(path, **({"q": "noise", "kind": "pictures"} if not path else {}))
        assert one.tab.evaluate("document.documentElement.scrollWidth") <= 400, path
    one.profile.close()
    assert one.problems == []


def lasso(tab: Any, *line: tuple[float, float]) -> None:
    """Draw around places of the map, in pixels from its upper left corner."""
    box = tab.locator(".sk-map canvas").bounding_box()
    for number, (x, y) in enumerate(line):
        tab.mouse.move(box["x"] + x, box["y"] + y, steps=5)
        if not number:
            tab.mouse.down()
    tab.mouse.up()


@pytest.mark.browser
def test_a_lasso_on_the_map_lists_what_lies_in_it_and_pointing_at_it_shows_it(visitor: Visitor) -> None:
    tab = visitor.go("map").tab
    tab.get_by_role("radio", name="pictures").click()
    tab.locator(".sk-legend button").nth(1).wait_for(state="detached")
    visitor.settle()
    drawn = "document.querySelector('.sk-map').parentElement.scatter"
    places = tab.evaluate(f"{drawn}.places")
    names = tab.evaluate(f"{drawn}.points.map((one) => one[3])")
    assert {f"noise{n}.png" for n in range(6)} <= set(names)
    far = [min(abs(px - x) + abs(py - y) for px, py in places if (px, py) != (x, y)) for x, y in places]
    lone = next(n for n, place in enumerate(places) if places.count(place) == 1 and far[n] > 15)
    canvas = tab.locator(".sk-map canvas")
    x, y = places[lone]
    canvas.hover(position={"x": x + 3, "y": y})
    tip = tab.locator(".sk-tip")
    tip.get_by_text(names[lone]).wait_for()
    tab.wait_for_function("document.querySelector('.sk-tip img').naturalWidth > 0")
    lasso(tab, (x - 6, y - 6), (x + 7, y - 6), (x - 6, y + 7), (x - 6, y - 6))
    visitor.saw("1 item")
    tab.locator(".sk-card img").first.wait_for()
    assert visitor.names() == [names[lone]]
    canvas.press("Escape")
    visitor.saw("Draw around points")
    width = canvas.bounding_box()["width"]
    left = sorted(name for name, place in zip(names, places, strict=True) if place[0] < width / 2)
    assert 0 < len(left) < len(names)
    lasso(tab, (5, 5), (width / 2, 5), (width / 2, 510), (5, 510))
    visitor.saw(f"{len(left)} item")
    tab.wait_for_function("(n) => document.querySelectorAll('.sk-card img').length === n", arg=len(left))
    assert sorted(visitor.names()) == left


@pytest.mark.slow
@pytest.mark.browser
def test_the_map_is_used_by_key_and_what_is_picked_is_opened_saved_and_asked_with(
    visitor: Visitor, world: World
) -> None:
    tab = visitor.go("map").tab
    canvas = tab.locator(".sk-map canvas")
    canvas.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft", "ArrowDown", "Space"):
        canvas.press(key)
    visitor.saw("1 item")
    named = tab.locator(".sk-tip b").inner_text()
    tab.locator(".sk-hit").wait_for()
    assert named in tab.locator(".sk-hit").inner_text()
    box = canvas.bounding_box()
    right, low = box["width"] - 5, box["height"] - 5
    lasso(tab, (5, 5), (right, 5), (right, low), (5, low))
    visitor.saw(f"{library_items(world)} items")
    tab.locator(".sk-card img").first.wait_for()
    tab.locator(".sk-card img").first.click()
    tab.locator("[role=dialog] img").first.wait_for()
    tab.wait_for_function("[...document.images].every((one) => one.complete && one.naturalWidth)")
    tab.keyboard.press("Escape")
    tab.get_by_role("button", name="Save").click()
    with tab.expect_download() as saved:
        tab.get_by_role("button", name="CSV: the list").click()
    assert Path(saved.value.path()).read_text("utf-8-sig").count("\n") >= library_items(world)
    tab.keyboard.press("Escape")
    tab.get_by_role("button", name="More like these").click()
    visitor.saw(f"Like {library_items(world)} items")
    tab.get_by_label("Search", exact=True).wait_for()
    tab.wait_for_url(lambda url: url.count("like=") == library_items(world))


@pytest.mark.slow
@pytest.mark.browser
def test_an_adaptation_draws_its_curves_and_a_reload_does_not_stop_it(browser: Any, tmp_path: Path) -> None:
    """Some hundred pictures with words that mean little: what it learns from them takes some seconds."""
    rng = np.random.default_rng(0)
    world = World(tmp_path)
    rows = []
    for number in range(400):
        file = world.files / f"pair{number:03d}.png"
        colour = number % 8
        grid = np.clip(colour * 30 + rng.normal(0, 20, (4, 4, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(grid).resize((64, 64), Image.Resampling.NEAREST).save(file)
        rows.append({"text": f"shade{colour} {rng.integers(1000, 9999)}", "image": str(file)})
    with Collection.open(world.library, create=False) as library:
        library.add(world.files)
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_text("\n".join(map(json.dumps, rows)) + "\n")
    for address in served(world):
        one = Visitor(browser, address).go("adapt")
        one.tab.locator(".st-key-pairs input[type=file]").set_input_files(pairs)
        one.tab.get_by_role("button", name="Learn from pairs.jsonl").click()
        one.tab.get_by_test_id("stProgress").wait_for()
        one.go("adapt")  # another session: what runs is the collection's
        one.tab.get_by_text("How it learned from pairs.jsonl").click(timeout=240_000)
        one.tab.get_by_test_id("stVegaLiteChart").nth(1).wait_for()
        assert one.tab.get_by_text("held-out questions").count()
        one.profile.close()
        assert one.problems == []


PASTE = """([data, type, name]) => {
  const bytes = Uint8Array.from(atob(data), (one) => one.charCodeAt(0));
  const clipboardData = new DataTransfer();
  clipboardData.items.add(new File([bytes], name, { type }));
  const event = new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true });
  document.activeElement.dispatchEvent(event);
}"""


@pytest.mark.browser
def test_a_picture_is_pasted_removed_and_refused_when_it_is_too_large(visitor: Visitor, world: World) -> None:
    def paste(data: bytes, name: str) -> None:
        visitor.tab.evaluate(PASTE, [base64.b64encode(data).decode(), "image/png", name])

    before = {one: one.stat().st_mtime_ns for one in (world.files, *world.files.rglob("*"))}
    visitor.go(kind="pictures")
    paste((world.files / "noise4.png").read_bytes(), "image.png")
    visitor.saw("Like the picture image.png")
    visitor.tab.locator('.sk-card img[alt="noise4.png"]').wait_for()
    assert visitor.names()[0] == "noise4.png"
    visitor.tab.get_by_role("button", name="Remove", exact=True).click()
    visitor.saw("Say what is to be seen")
    assert not visitor.tab.get_by_text("must be 20.0MB or smaller").is_visible()
    paste(b"x" * 20_500_000 + b"x" * 600_000, "huge.png")
    visitor.tab.get_by_text("huge.png").first.wait_for(state="visible")
    after = {one: one.stat().st_mtime_ns for one in (world.files, *world.files.rglob("*"))}
    assert after == before


@pytest.mark.browser
def test_arrows_move_between_hits_enter_opens_and_escape_closes(visitor: Visitor) -> None:
    tab = visitor.go(q="noise", kind="pictures").tab
    tab.get_by_text("Weak results").click()
    tab.locator(".sk-card img").nth(5).wait_for()
    visitor.settle()
    order = [one.get_attribute("alt") for one in tab.locator(".sk-card img").all()]
    at = "document.activeElement.closest('.sk-hit')?.querySelector('img').alt"
    field = tab.get_by_label("Search", exact=True)
    field.click()
    tab.keyboard.press("End")
    for key in ("ArrowLeft", "ArrowDown", "ArrowRight"):  # in a field they are the field's
        tab.keyboard.press(key)
        assert field.evaluate("one => one === document.activeElement")
    tab.keyboard.insert_text("/x")
    assert field.input_value() == "noise/x"
    tab.keyboard.press("Backspace")
    tab.keyboard.press("Backspace")
    tab.keyboard.press("Escape")
    seen = []
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft"):
        tab.keyboard.press(key)
        seen.append(tab.evaluate(at))
    assert seen == [order[0], order[1], order[0]]
    ring = "getComputedStyle(document.activeElement.closest('.sk-hit')).outlineStyle"
    assert tab.evaluate(ring) == "solid"
    tab.keyboard.press("Enter")
    tab.get_by_role("dialog").wait_for()
    tab.get_by_role("dialog").get_by_text("Show where it fits the words").click()
    tab.locator('[role=dialog] img[alt*="fits “noise”"]').wait_for()
    tab.keyboard.press("Escape")
    tab.get_by_role("dialog").wait_for(state="detached")
    tab.wait_for_function(f"{at} === {order[0]!r}")
