"""Search: ask in words, with a picture, or with what was found before."""

from __future__ import annotations

import os
from collections.abc import Mapping

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from searchkit.collection import Collection
from searchkit.errors import Unreadable
from searchkit.ingest.images import decode
from searchkit.ingest.thumbs import shrunk
from searchkit.ui import asking, components, export, results
from searchkit.ui.asking import KINDS, PICTURES, Answer, Question
from searchkit.ui.components import MATCH, homely, printable
from searchkit.ui.launch import UPLOAD_MEGABYTES

PREVIEW = 128
SINGLY = 3
"""Items that are asked with, up to which each has a line of its own."""


def page() -> None:
    library = components.filled().answering
    asked = asking.question(**_question())
    _filters(library, asked)
    asking.write_back()
    _likes(library, asked)
    if asked.is_empty:
        _beginning()
        results.show_only(library, [], "", key="hits")  # its script comes while the visitor still types
        return
    answer = asking.answer(library, asked)
    _found(library, asked, answer)


def _question() -> dict[str, UploadedFile | None]:
    """Draws the fields of a question; returns what is in those that take a picture."""
    words, more = st.columns([6, 1], vertical_alignment="bottom")
    words.text_input(
        "Search", key="q", placeholder="two dogs on a beach   ( / )", label_visibility="collapsed"
    )
    with more.popover("Ask more", width="stretch"):
        upload = _upload(
            "With a picture: find what is like it. One can be pasted (Ctrl+V) or dropped anywhere, too.",
            "picture",
        )
        st.text_input("But not", key="not", placeholder="snow")
        st.slider("How much the picture counts beside the words", 0.1, 3.0, step=0.1, key="weight")
        st.toggle("Exact words count as much as the meaning", key="exact")
        st.toggle("Nearly the same pictures once", key="near")
        st.toggle("Each document once", key="group")
    with st.container(key="pasting"):  # seen only when what was pasted is refused
        pasted = _upload("Pasted picture", "pasted")
    return {"picture": upload, "pasted": pasted}


def _upload(label: str, key: str) -> UploadedFile | None:
    given = st.file_uploader(
        label, type=PICTURES, key=key, max_upload_size=UPLOAD_MEGABYTES, on_change=asking.came, args=(key,)
    )
    return given


def _filters(library: Collection, asked: Question) -> None:
    facets = components.facets()
    counts = {
        "all": sum(facets.kinds.values()),
        "pictures": facets.kinds["image"],
        "passages": facets.kinds["passage"],
    }
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.segmented_control(
            "Kind",
            list(KINDS),
            key="kind",
            required=True,
            format_func=lambda kind: f"{kind} {counts[kind]}",
            label_visibility="collapsed",
        )
        on = sum(map(bool, (asked.folder, asked.label, asked.since, asked.until)))
        with st.popover(f"Filters: {on}" if on else "Filters", type="primary" if on else "secondary"):
            _choice("Folder", "folder", facets.folders)
            if facets.labels:
                _choice("Label", "label", facets.labels)
            st.date_input("From", key="since", format="YYYY-MM-DD", value=None)
            st.date_input("Until", key="until", format="YYYY-MM-DD", value=None)
            st.segmented_control("Pictures", list(results.NARROWEST), key="size", required=True)


def _choice(label: str, key: str, counts: Mapping[str, int]) -> None:
    """One of these with its count, or any; what an address asked for and is not there stays to be seen."""
    options = ["", *counts]
    if st.session_state.get(key) and st.session_state[key] not in options:
        options.append(st.session_state[key])
    st.selectbox(
        label,
        options,
        key=key,
        format_func=lambda one: f"{_shown(one)}  ({counts.get(one, 0)})" if one else "any",
    )


def _shown(text: str) -> str:
    """Of a long folder the end, which tells folders apart."""
    text = homely(text)
    parts = text.split(os.sep)
    return text if len(parts) < 4 else os.sep.join(["…", *parts[-3:]])


def _likes(library: Collection, asked: Question) -> None:
    """What is asked with, to be seen and taken away."""
    for key, said, ids in (("like", "Like", asked.like), ("unlike", "Unlike", asked.unlike)):
        items = library.store.get([one for one in ids if asking.is_item(one)])
        if len(items) > SINGLY:
            _liked(f"{said} {len(items)} items", key, *(item.id for item in items))
            continue
        for item in items:
            _liked(f"{said}: {components.name(item)}", key, item.id)
    if asked.picture is not None:
        with st.container(horizontal=True, vertical_alignment="center"):
            _preview(asked)
            st.text(f"Like the picture {printable(asked.picture_name)}")
            st.button("Remove", key="no picture", type="tertiary", on_click=asking.without_picture)


def _liked(said: str, key: str, *ids: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.text(said)
        button = f"no {key} {ids[0]}"
        st.button("Remove", key=button, type="tertiary", on_click=asking.no_more, args=(key, *ids))


def _preview(asked: Question) -> None:
    """Of a picture that can be read; of another, the search will say why not."""
    try:
        asking.check_pixels(asked)
        small = decode(asked.picture or b"", name=asked.picture_name, at_least=PREVIEW).image
    except Unreadable:
        return
    st.image(shrunk(small, PREVIEW), alt="", width=PREVIEW // 2)


def _beginning() -> None:
    st.html(
        '<p class="sk-dim">Say what is to be seen or read, in your own words: “two dogs on a beach”, “how is '
        "syrup for the bees mixed”. Or paste a picture, or drop one here, to find what is like it. “Ask "
        "more” takes both, and what it must not be.</p>"
    )


def _found(library: Collection, asked: Question, answer: Answer) -> None:
    sure = [hit for hit in answer.hits if hit.confidence >= MATCH]
    weak = [hit for hit in answer.hits if hit.confidence < MATCH]
    if sure:
        many = f"{len(sure)} or more" if len(sure) == asking.MOST else str(len(sure))
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.html(f'<span class="sk-dim" role="status">{many} found, {answer.seconds:.2f} s</span>')
            export.popover(sure)
        # another question begins on its first page
        components.in_pages(
            sure,
            lambda shown: results.show(library, answer, shown, asked.words, key="hits"),
            key=f"page {asked.key}",
        )
    else:
        st.info("Nothing here matches.")
        filtered = (asked.kind, asked.folder, asked.label, asked.since, asked.until)
        st.text("Try other words" + (", or without the filters." if any(filtered) else "."))
    if weak:
        # on_change: without it the thumbnails would be made before anybody opens it
        with st.expander(f"Weak results: {len(weak)}", key="weak", on_change="rerun") as more:
            if more.open:
                results.show(library, answer, weak[: components.A_PAGE], asked.words, key="hits weak")
