"""What listens: Streamlit's server for `app.py`, a guard before it, and thumbnails beside it."""

from __future__ import annotations

import os
from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from searchkit.collection import THUMBS
from searchkit.ingest.thumbs import Thumbs
from searchkit.place import resolve
from searchkit.ui.guard import Guard

YEAR = 365 * 24 * 3600


def thumb(request: Request) -> Response:
    """A thumbnail by its name, which is its content's: it may be kept by the browser for ever."""
    thumbs = Thumbs(resolve(os.environ.get("SEARCHKIT_COLLECTION") or None) / THUMBS)
    try:
        data = thumbs.get(request.path_params["name"])
    except ValueError:
        data = None
    if data is None:
        return Response("there is no such thumbnail", 404, media_type="text/plain")
    kept = {"Cache-Control": f"private, max-age={YEAR}, immutable"}
    return Response(data, media_type="image/webp", headers=kept)


app = st.App(
    Path(__file__).with_name("app.py"),
    routes=[Route("/thumb/{name}", thumb)],
    middleware=[Middleware(Guard, token=os.environ.get("SEARCHKIT_UI_TOKEN", ""))],
)
