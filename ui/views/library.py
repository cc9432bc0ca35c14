"""Library: what is indexed, what could not be read, and what answers."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence

import streamlit as st

from searchkit.collection import Collection
from searchkit.collection.spaces import SpaceStatus, prune, rollback, spaces
from searchkit.collection.status import SourceStatus
from searchkit.errors import BadInput, CollectionMissing, SearchkitError
from searchkit.indexers import background
from searchkit.settings import UI_SHARED
from searchkit.types import LEFT_OUT, Failure
from searchkit.ui import components
from searchkit.ui.components import escaped, homely

FAILURES = 200
BEAT = 1.0
"""Seconds between two looks at the queue."""


def page() -> None:
    try:
        library = components.collection()
    except CollectionMissing:
        if not _is_local():
            raise
        st.info("There is nothing here yet. Name a folder of pictures or documents to begin with.")
        _add(None)
        return
    status = components.status()
    said = {"Pictures": status.images + status.pictures, "Documents": status.documents}
    said |= {"Passages": status.passages, "MB on disk": round(status.megabytes)}
    with st.container(horizontal=True, gap="medium"):
        for name, number in said.items():
            st.metric(name, f"{number:,}", width="content")
    _work(library)
    _sources(library, status.sources, library.failures())
    _ledger(library, library.failures())
    if status.left_out:
        with st.expander(f"Cannot be found in documents: {sum(status.left_out.values())}"):
            st.text("\n".join(f"{n} {LEFT_OUT.get(what, what)}" for what, n in status.left_out.items()))
    _spaces(library, spaces(library))


def _is_local() -> bool:
    """Who comes over the network may search, and change nothing about which folders are read."""
    return not os.environ.get(UI_SHARED)


# what goes on


def _work(library: Collection) -> None:
    """Drawn anew every second while something goes on, and once more when it ends."""
    busy = background.is_running(library.root) or _left(library) > 0
    st.fragment(_bar, run_every=BEAT if busy else None)(library, busy)


def _left(library: Collection) -> int:
    current = library.current
    counts = current.catalog.jobs.counts(current.manifest.space)
    return counts.get("waiting", 0) + counts.get("running", 0)


def _bar(library: Collection, was_busy: bool) -> None:
    current = library.current
    counts = current.catalog.jobs.counts(current.manifest.space)
    left = counts.get("waiting", 0) + counts.get("running", 0)
    running = background.is_running(library.root)
    if words := background.last_words(library.root):
        st.error("Indexing ended early.")
        st.text(words)
    if left:
        done = counts.get("done", 0)
        st.progress(done / (done + left), f"Indexing: {done} of {done + left} files")
        if not running:
            st.text("Files wait. If no worker is at them, start one:")
            if _is_local() and st.button("Index them now"):
                background.begin(library)
                st.rerun()
    elif running:
        st.progress(0.0 if not counts.get("done") else 1.0, "Looking at the folders, tidying up …")
    elif was_busy:
        components.forget()
        st.rerun()


# sources


def _sources(library: Collection, sources: Sequence[SourceStatus], failures: Sequence[Failure]) -> None:
    st.subheader("Folders")
    for source in sources:
        inside = source.path.rstrip(os.sep) + os.sep
        failed = sum(one.path == source.path or one.path.startswith(inside) for one in failures)
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            st.html(
                f"<b>{escaped(homely(source.path))}</b><br>{_state(source)} "
                f'<span class="sk-dim">{source.files:,} files{f", {failed} failed" if failed else ""}</span>'
            )
            if _is_local():
                _remove(library, source.path)
    if _is_local():
        _add(library)
        if sources and st.button("Look for changes in all folders", icon=":material/refresh:"):
            _start(library)


def _state(source: SourceStatus) -> str:
    kind = "strong" if source.state == "ready" else "weak"
    said = source.state if source.state == "ready" else f"{source.state}: attach it; its files stay findable"
    return f'<span class="sk-sure sk-{kind}">{escaped(said)}</span>'


def _add(library: Collection | None) -> None:
    with st.form("add", clear_on_submit=True, border=False):
        path = st.text_input("Add a folder", placeholder="/home/me/Pictures", key="add path")
        sent = st.form_submit_button("Add and index", type="primary")
    if not sent or not path.strip():
        return
    wanted = os.path.abspath(os.path.expanduser(path.strip()))
    if not os.path.isdir(wanted):
        components.problem(BadInput(f"{wanted} is not a folder", hint="write the whole path of a folder"))
        return
    if library is None:
        with Collection.open(os.environ.get("SEARCHKIT_COLLECTION") or None):
            pass
        library = components.collection()
    _start(library, wanted)


def _start(library: Collection, *paths: str, retry_failed: bool = False) -> None:
    try:
        if not background.begin(library, *paths, retry_failed=retry_failed):
            st.info("Indexing is under way already: ask again when it has ended.")
            return
    except SearchkitError as error:
        components.problem(error)
        return
    components.forget()
    time.sleep(0.2)  # until it has begun
    st.rerun()


def _remove(library: Collection, path: str) -> None:
    with st.popover("Remove", type="tertiary"):
        st.text(f"Forget {homely(path)}? Its files stay where they are; what is known of them goes.")
        if st.button("Forget it", key=f"remove {path!r}", type="primary"):
            try:
                with st.spinner("Removing"):
                    library.remove(path)
            except SearchkitError as error:
                components.problem(error)
                return
            components.forget()
            st.rerun()


# what failed


def _ledger(library: Collection, failures: Sequence[Failure]) -> None:
    if not failures:
        return
    st.subheader(f"Could not be read: {len(failures)}")
    rows = [{"file": homely(one.path), "reason": homely(one.reason)} for one in failures[:FAILURES]]
    st.dataframe(rows, hide_index=True, width="stretch")
    if len(failures) > FAILURES:
        st.text(f"and {len(failures) - FAILURES} more: searchkit doctor")
    if _is_local() and st.button("Try them again", icon=":material/replay:"):
        _start(library, retry_failed=True)


# spaces


def _spaces(library: Collection, known: Sequence[SpaceStatus]) -> None:
    st.subheader("Models")
    for one in known:
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            state = "answers" if one.active else "kept"
            kind = "strong" if one.active else "weak"
            share = one.files / one.of if one.of else 1.0
            st.html(
                f'<b>{escaped(one.model)}</b> <span class="sk-sure sk-{kind}">{state}</span><br>'
                f'<span class="sk-dim">{one.files:,} of {one.of:,} files ({share:.0%}), {one.items:,} items, '
                f"{one.megabytes:,.0f} MB</span>"
            )
            if not one.active and _is_local():
                _change(library, one)


def _change(library: Collection, one: SpaceStatus) -> None:
    if st.button("Let it answer", key=f"use {one.space}", type="tertiary"):
        _do(lambda: rollback(library, one.space))
    with st.popover("Delete", type="tertiary"):
        st.text("What it holds is encoded again when it is wanted again.")
        if st.button("Delete it", key=f"prune {one.space}", type="primary"):
            _do(lambda: prune(library, one.space))


def _do(change: Callable[[], object]) -> None:
    try:
        change()
    except SearchkitError as error:
        components.problem(error)
        return
    components.forget()
    st.rerun()
