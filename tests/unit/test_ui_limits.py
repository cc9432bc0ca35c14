"""The page's server keeps few uploads, and no connection that never asks for anything."""

from __future__ import annotations

import asyncio
import time

import pytest

pytest.importorskip("streamlit", reason="the page is an extra")

import contextlib

from streamlit.runtime.uploaded_file_manager import UploadedFileRec
from uvicorn import Config, Server
from uvicorn.protocols.http.h11_impl import H11Protocol

from searchkit.ui import uploads
from searchkit.ui.connections import close_unfinished
from searchkit.ui.uploads import FEW, Uploads


def upload(number: int, size: int = 10) -> UploadedFileRec:
    return UploadedFileRec(f"id{number}", f"{number}.png", "image/png", b"x" * size)


def kept(store: Uploads, visitor: str) -> list[str]:
    return [one.file_id for one in store.get_files(visitor, [f"id{number}" for number in range(99)])]


def test_a_visitors_last_few_uploads_are_kept() -> None:
    store = Uploads("/upload")
    for number in range(30):
        store.add_file("one", upload(number))
    store.add_file("other", upload(0))
    assert kept(store, "one") == [f"id{number}" for number in range(30 - FEW, 30)]
    assert kept(store, "other") == ["id0"]
    store.remove_session_files("one")
    assert kept(store, "one") == [] and kept(store, "other") == ["id0"]


def test_all_uploads_together_stay_within_a_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "BUDGET", 100)
    store = Uploads("/upload")
    for number in range(9):
        store.add_file(f"visitor {number}", upload(number, 40))
    assert [kept(store, f"visitor {number}") for number in range(9)] == [[]] * 7 + [["id7"], ["id8"]]
    store.add_file("large", upload(1, 500))
    assert kept(store, "large") == ["id1"] and kept(store, "visitor 8") == []


def test_a_connection_that_sends_no_whole_request_is_closed_and_another_is_not() -> None:
    class Patient(H11Protocol):
        pass

    close_unfinished(Patient, 0.3)

    async def app(scope: object, receive: object, send: object) -> None:
        await asyncio.sleep(1.2)  # a slow answer is no unfinished request
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})  # type: ignore[operator]
        await send({"type": "http.response.body", "body": b"ok"})  # type: ignore[operator]

    async def tried() -> None:
        config = Config(app, port=0, http=Patient, lifespan="off", log_level="critical")  # type: ignore[arg-type]
        server = Server(config)
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        for beginning in (b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\n"):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(beginning)
            began = time.monotonic()
            with contextlib.suppress(ConnectionResetError):
                assert await asyncio.wait_for(reader.read(), 10) == b""
            assert time.monotonic() - began < 5
            writer.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert (await asyncio.wait_for(reader.read(), 10)).endswith(b"ok")
        writer.close()
        server.should_exit = True
        await serving

    asyncio.run(tried())
