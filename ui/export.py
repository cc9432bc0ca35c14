"""A list of results as a file: CSV, JSON, or a ZIP with the files themselves."""

from __future__ import annotations

import csv
import io
import json
import os
import zipfile
from collections.abc import Sequence

import streamlit as st

from searchkit.collection.previews import unchanged
from searchkit.errors import SearchkitError
from searchkit.types import Hit

COLUMNS = ("rank", "confidence", "score", "kind", "path", "page", "label", "taken", "mtime", "text")
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula."""
MOST_BYTES = 500_000_000


def popover(hits: Sequence[Hit]) -> None:
    """Draw the button *Save* with its three formats."""
    with st.popover("Save", type="tertiary"):
        # functions: a file is made when it is asked for
        for name, make, kind, suffix in (
            ("CSV", as_csv, "text/csv", "csv"),
            ("JSON", as_json, "application/jsonl", "jsonl"),
            ("ZIP", as_zip, "application/zip", "zip"),
        ):
            st.download_button(
                f"{name}: the list{' and the files' if name == 'ZIP' else ''}",
                data=lambda make=make: make(hits),
                file_name=f"results.{suffix}",
                mime=kind,
                key=f"save {name}",
                on_click="ignore",
                width="stretch",
            )


def as_json(hits: Sequence[Hit]) -> bytes:
    """Return the hits as JSON, a line each, as `searchkit search --json` writes them."""
    return "".join(json.dumps(hit.to_json(), ensure_ascii=False) + "\n" for hit in hits).encode()


def as_csv(hits: Sequence[Hit]) -> bytes:
    """Return the hits as CSV. A byte order mark tells spreadsheets that it is UTF-8; no cell is a formula."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for hit in hits:
        record = hit.to_json()
        writer.writerow([_cell(record[name]) for name in COLUMNS])
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def _cell(value: object) -> object:
    """Return what a cell holds: text that would be a formula is quoted.

    >>> _cell("=HYPERLINK(0)"), _cell("a-b"), _cell(-0.5), _cell(None)
    ("'=HYPERLINK(0)", 'a-b', -0.5, '')
    """
    if value is None:
        return ""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def as_zip(hits: Sequence[Hit]) -> bytes:
    """Return a ZIP with the list of the hits as CSV and their files, each once.

    A file that has changed since it was indexed is left out, and so is one that would make the archive larger
    than MOST_BYTES; `left out.txt` in it says which and why.
    """
    out = io.BytesIO()
    left_out, done, size = [], set(), 0
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("results.csv", as_csv(hits))
        for hit in hits:
            if hit.path in done:
                continue
            done.add(hit.path)
            path = hit.path.encode("utf-8", "replace").decode()
            try:
                data = unchanged(hit.item, most=MOST_BYTES - size)
            except SearchkitError as error:
                left_out.append(f"{path}: {error}".encode("utf-8", "replace").decode())
                continue
            size += len(data)
            archive.writestr(f"files/{len(done):03d} {os.path.basename(path)}", data)
        if left_out:
            archive.writestr("left out.txt", "\n".join(left_out) + "\n")
    return out.getvalue()
