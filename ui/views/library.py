"""The page *Library*: what is indexed, what could not be read, and the models."""

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
from searchkit.types import LEFT_OUT, Failure
from searchkit.ui import components
from searchkit.ui.components import escaped, homely

FAILURES = 200
"""Rows of the failure ledger that are shown."""
BEAT = 1.0
"""Seconds between two readings of the queue."""


def page() -> None:
    """Draw the page: counts, the progress of indexing, folders, failures and models."""
    try:
        library = components.collection()
    except CollectionMissing:
        if not components.is_local():
            raise
        st.info("There is nothing here yet. Name a folder of pictures or documents to begin with.")
        _add(None)
        return
    status = components.status()
    counts = {"Pictures": status.images + status.pictures, "Documents": status.documents}
    counts |= {"Passages": status.passages, "MB on disk": round(status.megabytes)}
    with st.container(horizontal=True, gap="medium"):
        for name, number in counts.items():
            st.metric(name, f"{number:,}", width="content")
    _progress(library)
    _sources(library, status.sources, library.failures())
    _ledger(library, library.failures())
    if status.left_out:
        with st.expander(f"Cannot be found in documents: {sum(status.left_out.values())}"):
            st.text("\n".join(f"{n} {LEFT_OUT.get(name, name)}" for name, n in status.left_out.items()))
    _spaces(library, spaces(library))


# indexing in progress


def _progress(library: Collection) -> None:
    """Draw the progress of indexing: anew every second while files are left, and once more when none is."""
    busy = background.is_running(library.root) or _left(library) > 0
    st.fragment(_bar, run_every=BEAT if busy else None)(library, busy)


def _left(library: Collection) -> int:
    current = library.current
    counts = current.catalog.jobs.counts(current.manifest.space)
    return counts.get("waiting", 0) + counts.get("running", 0)


def _bar(library: Collection, was_busy: bool) -> None:
    """Draw the bar, and an error where the process that indexes has ended badly."""
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
            if components.is_local() and st.button("Index them now"):
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
        failed = sum(row.path == source.path or row.path.startswith(inside) for row in failures)
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            st.html(
                f"<b>{escaped(homely(source.path))}</b><br>{_state(source)} "
                f'<span class="sk-dim">{source.files:,} files{f", {failed} failed" if failed else ""}</span>'
            )
            if components.is_local():
                _remove(library, source.path)
    if components.is_local():
        _add(library)
        if sources and st.button("Look for changes in all folders", icon=":material/refresh:"):
            _start(library)


def _state(source: SourceStatus) -> str:
    kind = "strong" if source.state == "ready" else "weak"
    text = source.state if source.state == "ready" else f"{source.state}: attach it; its files stay findable"
    return f'<span class="sk-sure sk-{kind}">{escaped(text)}</span>'


def _add(library: Collection | None) -> None:
    with st.form("add", clear_on_submit=True, border=False):
        path = st.text_input("Add a folder", placeholder="/home/me/Pictures", key="add path")
        sent = st.form_submit_button("Add and index", type="primary")
    if not sent or not path.strip():
        return
    folder = os.path.abspath(os.path.expanduser(path.strip()))
    if not os.path.isdir(folder):
        components.problem(BadInput(f"{folder} is not a folder", hint="write the whole path of a folder"))
        return
    if library is None:
        with Collection.open(os.environ.get("SEARCHKIT_COLLECTION") or None):
            pass
        library = components.collection()
    _start(library, folder)


def _start(library: Collection, *paths: str, retry_failed: bool = False) -> None:
    try:
        if not background.begin(library, *paths, retry_failed=retry_failed):
            st.info("Indexing is under way already: ask again when it has ended.")
            return
    except SearchkitError as error:
        components.problem(error)
        return
    components.forget()
    time.sleep(0.2)  # until the process has begun
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
    rows = [{"file": homely(row.path), "reason": homely(row.reason)} for row in failures[:FAILURES]]
    st.dataframe(rows, hide_index=True, width="stretch")
    if len(failures) > FAILURES:
        st.text(f"and {len(failures) - FAILURES} more: searchkit doctor")
    if components.is_local() and st.button("Try them again", icon=":material/replay:"):
        _start(library, retry_failed=True)


# spaces


def _spaces(library: Collection, states: Sequence[SpaceStatus]) -> None:
    st.subheader("Models")
    for space in states:
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            state = "answers" if space.active else "kept"
            kind = "strong" if space.active else "weak"
            share = space.files / space.of if space.of else 1.0
            st.html(
                f'<b>{escaped(space.model)}</b> <span class="sk-sure sk-{kind}">{state}</span><br>'
                f'<span class="sk-dim">{space.files:,} of {space.of:,} files ({share:.0%}), '
                f"{space.items:,} items, {space.megabytes:,.0f} MB</span>"
            )
            if not space.active and components.is_local():
                _change(library, space)


def _change(library: Collection, space: SpaceStatus) -> None:
    """Draw the buttons that make a space active and delete it."""
    if st.button("Let it answer", key=f"use {space.space}", type="tertiary"):
        _do(lambda: rollback(library, space.space))
    with st.popover("Delete", type="tertiary"):
        st.text("What it holds is encoded again when it is wanted again.")
        if st.button("Delete it", key=f"prune {space.space}", type="primary"):
            _do(lambda: prune(library, space.space))


def _do(change: Callable[[], object]) -> None:
    try:
        change()
    except SearchkitError as error:
        components.problem(error)
        return
    components.forget()
    st.rerun()
