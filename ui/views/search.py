"""The page *Search*: ask in words, with a picture, or with hits of an earlier search."""

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
"""Pixels of the uploaded picture as it is sent to the browser."""
SINGLY = 3
"""The most items of a question that have a line each; more of them share one."""


def page() -> None:
    """Draw the page: the fields of a question, its filters, and the hits."""
    library = components.filled().answering
    question = asking.read_widgets(**_fields())
    _filters(question)
    asking.write_back()
    _likes(library, question)
    if question.is_empty:
        _introduction()
        results.show_only(library, [], "", key="hits")  # its script comes while the visitor still types
        return
    answer = asking.answer(library, question)
    _answer(library, question, answer)


def _fields() -> dict[str, UploadedFile | None]:
    """Draw the fields of a question; return the uploads by the field that they are in."""
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
    upload = st.file_uploader(
        label,
        type=PICTURES,
        key=key,
        max_upload_size=UPLOAD_MEGABYTES,
        on_change=asking.use_picture_of,
        args=(key,),
    )
    return upload


def _filters(question: Question) -> None:
    """Draw what a search can be limited to, with counts."""
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
        limits = sum(map(bool, (question.folder, question.label, question.since, question.until)))
        title = f"Filters: {limits}" if limits else "Filters"
        with st.popover(title, type="primary" if limits else "secondary"):
            _choice("Folder", "folder", facets.folders)
            if facets.labels:
                _choice("Label", "label", facets.labels)
            st.date_input("From", key="since", format="YYYY-MM-DD", value=None)
            st.date_input("Until", key="until", format="YYYY-MM-DD", value=None)
            st.segmented_control("Pictures", list(results.NARROWEST), key="size", required=True)


def _choice(label: str, key: str, counts: Mapping[str, int]) -> None:
    """Draw a choice among values with their counts; a value from the address stays, even if there is none."""
    options = ["", *counts]
    if st.session_state.get(key) and st.session_state[key] not in options:
        options.append(st.session_state[key])
    st.selectbox(
        label,
        options,
        key=key,
        format_func=lambda value: f"{_shortened(value)}  ({counts.get(value, 0)})" if value else "any",
    )


def _shortened(folder: str) -> str:
    """Return the end of a long path, which tells folders apart."""
    folder = homely(folder)
    parts = folder.split(os.sep)
    return folder if len(parts) < 4 else os.sep.join(["…", *parts[-3:]])


def _likes(library: Collection, question: Question) -> None:
    """Draw the items and the picture of the question, each with a button that takes it out."""
    for key, word, ids in (("like", "Like", question.like), ("unlike", "Unlike", question.unlike)):
        items = library.store.get([text for text in ids if asking.is_item_id(text)])
        if len(items) > SINGLY:
            _liked(f"{word} {len(items)} items", key, *(item.id for item in items))
            continue
        for item in items:
            _liked(f"{word}: {components.name(item)}", key, item.id)
    if question.picture is not None:
        with st.container(horizontal=True, vertical_alignment="center"):
            _preview(question)
            st.text(f"Like the picture {printable(question.picture_name)}")
            st.button("Remove", key="no picture", type="tertiary", on_click=asking.remove_picture)


def _liked(text: str, key: str, *ids: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.text(text)
        button = f"no {key} {ids[0]}"
        st.button("Remove", key=button, type="tertiary", on_click=asking.take_out, args=(key, *ids))


def _preview(question: Question) -> None:
    """Draw the uploaded picture small; where it cannot be read, the search says why."""
    try:
        asking.check_pixels(question)
        small = decode(question.picture or b"", name=question.picture_name, at_least=PREVIEW).image
    except Unreadable:
        return
    st.image(shrunk(small, PREVIEW), alt="", width=PREVIEW // 2)


def _introduction() -> None:
    st.html(
        '<p class="sk-dim">Say what is to be seen or read, in your own words: “two dogs on a beach”, “how is '
        "syrup for the bees mixed”. Or paste a picture, or drop one here, to find what is like it. “Ask "
        "more” takes both, and what it must not be.</p>"
    )


def _answer(library: Collection, question: Question, answer: Answer) -> None:
    """Draw the hits that count as found in pages, and the weak ones behind an expander."""
    found = [hit for hit in answer.hits if hit.confidence >= MATCH]
    weak = [hit for hit in answer.hits if hit.confidence < MATCH]
    if found:
        count = f"{len(found)} or more" if len(found) == asking.MOST else str(len(found))
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.html(f'<span class="sk-dim" role="status">{count} found, {answer.seconds:.2f} s</span>')
            export.popover(found)
        # another question begins on its first page
        components.in_pages(
            found,
            lambda shown: results.show(library, answer, shown, question.words, key="hits"),
            key=f"page {question.key}",
        )
    else:
        st.info("Nothing here matches.")
        filters = (question.kind, question.folder, question.label, question.since, question.until)
        st.text("Try other words" + (", or without the filters." if any(filters) else "."))
    if weak:
        # on_change: without it the thumbnails would be made before anybody opens it
        with st.expander(f"Weak results: {len(weak)}", key="weak", on_change="rerun") as more:
            if more.open:
                results.show(
                    library, answer, weak[: components.HITS_PER_PAGE], question.words, key="hits weak"
                )
