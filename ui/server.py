"""The server: Streamlit's for `app.py`, with a guard in front of it and thumbnails beside it."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from streamlit.runtime import memory_uploaded_file_manager
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from searchkit.collection.manifest import THUMBS, resolve
from searchkit.ingest.thumbs import Thumbs
from searchkit.settings import UI_TOKEN
from searchkit.ui.connections import close_unfinished
from searchkit.ui.guard import App, Guard, Message, Receive, Send
from searchkit.ui.uploads import Uploads

YEAR = 365 * 24 * 3600


def thumb(request: Request) -> Response:
    """Answer with a thumbnail; its name follows from its content, so the browser may keep it for ever."""
    thumbs = Thumbs(resolve(os.environ.get("SEARCHKIT_COLLECTION") or None) / THUMBS)
    try:
        data = thumbs.get(request.path_params["name"])
    except ValueError:
        data = None
    if data is None:
        return Response("there is no such thumbnail", 404, media_type="text/plain")
    headers = {"Cache-Control": f"private, max-age={YEAR}, immutable"}
    return Response(data, media_type="image/webp", headers=headers)


class AtOnce:
    """Middleware that switches Nagle's algorithm off, so that what is written leaves at once.

    Streamlit binds its own socket, for which asyncio does not do that: the second part of an answer, and all
    but the first of a run's small messages, would wait some 40 ms for the browser to acknowledge the one
    before.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        # `receive` is a method of uvicorn's connection; with another server nothing is changed
        transport = getattr(getattr(receive, "__self__", None), "transport", None)
        connection = transport.get_extra_info("socket") if transport is not None else None
        if connection is not None and connection.family in (socket.AF_INET, socket.AF_INET6):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await self._app(scope, receive, send)


# Streamlit offers no place to give it another store, and makes its own by this name when the server starts
memory_uploaded_file_manager.MemoryUploadedFileManager = Uploads
close_unfinished(AutoHTTPProtocol)
app = st.App(
    Path(__file__).with_name("app.py"),
    routes=[Route("/thumb/{name}", thumb)],
    middleware=[Middleware(AtOnce), Middleware(Guard, token=os.environ.get(UI_TOKEN, ""))],
)
