"""Connections that nobody finishes: those that send no whole request are closed after a while."""

from __future__ import annotations

import asyncio
from typing import Any

PATIENCE = 20.0
"""Seconds within which a connection has to have sent the head of a request."""


def close_unfinished(protocol: Any, seconds: float = PATIENCE) -> None:
    """Make a class of uvicorn's HTTP protocols close each connection that waits for a request so long.

    uvicorn limits how long a connection stays idle between two requests, and not how long a visitor takes to
    send one. A connection that became a WebSocket has another protocol by then and is left alone.
    """
    made = protocol.connection_made

    def connection_made(self: Any, transport: asyncio.Transport) -> None:
        made(self, transport)
        asyncio.get_running_loop().call_later(seconds, look, self, transport, None)

    def look(self: Any, transport: Any, before: Any) -> None:
        if transport.is_closing() or self is not transport.get_protocol():
            return
        cycle: Any = self.cycle
        waits = cycle is None or cycle.response_complete
        if waits and cycle is before:
            transport.abort()
            return
        asyncio.get_running_loop().call_later(seconds, look, self, transport, cycle)

    protocol.connection_made = connection_made
