"""The page: ask in words or with a picture, see what is found. `searchkit ui` starts it."""

from __future__ import annotations

import os

import streamlit as st

from searchkit.errors import CollectionMissing, NothingIndexed, SearchkitError
from searchkit.types import Hit
from searchkit.ui import components

RESULTS = 24
KINDS = {"all": None, "pictures": "image", "passages": "passage"}


def page(where: str | None) -> None:
    library = components.library(where)
    status = components.status(where)
    if not status.images + status.documents:
        raise NothingIndexed(f"{status.root} holds nothing yet")
    with st.sidebar:
        components.summary(status, library.failures())

    words = st.text_input("Search", key="q", bind="query-params", placeholder="two dogs on a beach")
    picture = st.file_uploader("or find what is like a picture", type=components.PICTURES, key="picture")
    kind = st.segmented_control(
        "Show", list(KINDS), default="all", required=True, key="kind", bind="query-params"
    )

    hits: list[Hit]
    if picture is not None:
        st.caption("Searching with the picture. Remove it to search in words.")
        with components.as_file(picture) as path:
            hits = library.search(image=path, kind=KINDS[kind], k=RESULTS)
    elif words and words.strip():
        hits = library.search(words, kind=KINDS[kind], k=RESULTS)
    else:
        return
    components.results(hits)


st.set_page_config(page_title="searchkit", layout="wide")
st.title("searchkit")
collection = os.environ.get("SEARCHKIT_COLLECTION") or None
try:
    page(collection)
except (CollectionMissing, NothingIndexed):
    components.invitation(collection)
except SearchkitError as error:
    components.problem(error)
