"""Who may use the page: this machine alone, or whoever has the token. Every request passes here first."""

from __future__ import annotations

import asyncio
import hmac
import logging
import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

from searchkit.ui.sessions import SECONDS, Sessions

logger = logging.getLogger(__name__)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

OPEN = "/_stcore/health"
"""The path that needs no token: it answers "ok" and no more, and whoever started the server waits for it."""
LOOPBACK = re.compile(r"(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?", re.IGNORECASE)
HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (
        b"content-security-policy",  # nothing from elsewhere, whatever a document may smuggle in
        b"default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; object-src 'none'; "
        b"base-uri 'self'; form-action 'self'; frame-ancestors 'none'",
    ),
)
REFUSED = (
    b"<!doctype html><title>searchkit</title><meta name=viewport content='width=device-width'>"
    b"<h1>A token is needed</h1><p>Ask whoever runs this page for it."
    b"<form><input name=token type=password aria-label=Token autofocus> <button>Go</button></form>"
)


class Guard:
    """Middleware that refuses requests from elsewhere.

    Without a token, a request must name this machine as its host: a page from elsewhere whose name was made
    to lead here (DNS rebinding) is refused. With one, a request must have it in the address, which begins a
    session, or the cookie of a session. A WebSocket must come from a page of this server, whose origin is its
    host, and is closed when its session ends.
    """

    def __init__(self, app: App, token: str = "", seconds: int = SECONDS) -> None:
        self._app, self._token = app, token
        self._sessions = Sessions(seconds)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        if scope["type"] == "websocket" and not _is_own(headers):
            logger.warning(
                "refused: a page of %s at %s", headers.get(b"origin"), headers.get(b"host", "no host")
            )
            await _refuse(scope, send, 403, b"")
            return
        if not self._token:
            if LOOPBACK.fullmatch(headers.get(b"host", "")) is None:
                await _refuse(scope, send, 403, b"this page answers at localhost only")
                return
        elif (left := self._sessions.seconds_left(headers.get(b"cookie", ""))) > 0:
            receive = _until(receive, left) if scope["type"] == "websocket" else receive
        elif scope["path"] != OPEN:
            if scope["type"] == "http" and self._has_token(scope):
                await self._welcome(scope, send)
            else:
                await _refuse(scope, send, 401, REFUSED)
            return
        await self._app(scope, receive, _with_headers(send))

    def _has_token(self, scope: Message) -> bool:
        token = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        return scope["method"] == "GET" and hmac.compare_digest(token.encode(), self._token.encode())

    async def _welcome(self, scope: Message, send: Send) -> None:
        """Begin a session, and take the token out of the address."""
        cookie = self._sessions.cookie().encode()
        headers = [(b"location", b"/"), (b"set-cookie", cookie), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 303, "headers": [*headers, *HEADERS]})
        await send({"type": "http.response.body", "body": b""})


def _is_own(headers: MutableMapping[bytes, str]) -> bool:
    """Tell whether the page that opens a WebSocket came from here.

    A browser lets any page open one and names the page's origin; programs that name none are no browsers.
    """
    origin = headers.get(b"origin")
    return origin is None or origin.partition("://")[2] == headers.get(b"host")


def _until(receive: Receive, seconds: float) -> Receive:
    """Return a `receive` that says the visitor has left once so many seconds are over."""
    end = time.monotonic() + seconds

    async def receiving() -> Message:
        try:
            return await asyncio.wait_for(receive(), end - time.monotonic())
        except TimeoutError:
            return {"type": "websocket.disconnect", "code": 1008, "reason": "the session is over"}

    return receiving


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *HEADERS]}
        await send(message)

    return sending


async def _refuse(scope: Message, send: Send, status: int, body: bytes) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    headers = [(b"content-type", b"text/html; charset=utf-8"), (b"cache-control", b"no-store"), *HEADERS]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
