"""Filters of a search: all that it is limited to, as one SQL expression over the fields of `Item`."""

from __future__ import annotations

import datetime as dt
import os

from searchkit.errors import BadInput

WHEN = "coalesce(taken, mtime)"
"""The time that a picture was taken at, where it says so; else that of its file's last change."""


def expression(
    filter: str | None = None, *, label: str | None = None, since: str | None = None, until: str | None = None
) -> str | None:
    """The conditions joined by AND; None where there are none.

    >>> expression("width > 100", label="it's", since="2026-01-05")
    "(width > 100) AND label = 'it''s' AND coalesce(taken, mtime) >= timestamp '2026-01-05 00:00:00'"

    `since` and `until` are ISO dates or times, in UTC without a zone; a date as `until` takes the whole day
    in. Raises `BadInput`.
    """
    conditions = [f"({filter})"] if filter is not None else []
    if label is not None:
        conditions.append("label = '{}'".format(label.replace("'", "''")))
    if since is not None:
        conditions.append(f"{WHEN} >= timestamp '{_moment(since):%Y-%m-%d %H:%M:%S}'")
    if until is not None:
        end = _moment(until) + (
            dt.timedelta(days=1) if len(until.strip()) <= len("2026-01-05") else dt.timedelta()
        )
        conditions.append(f"{WHEN} < timestamp '{end:%Y-%m-%d %H:%M:%S}'")
    return " AND ".join(conditions) or None


def below(folder: str) -> str:
    """The condition that a file lies in a folder, at any depth.

    >>> below("/it's/here/")
    "starts_with(path, '/it''s/here/')"
    """
    inside = os.fsencode(folder.rstrip(os.sep) + os.sep).decode("utf-8", "replace")  # as the store has paths
    return "starts_with(path, '{}')".format(inside.replace("'", "''"))


def _moment(text: str) -> dt.datetime:
    try:
        moment = dt.datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise BadInput(f"{text!r} is no date", hint="write 2026-01-05 or 2026-01-05T14:30") from error
    return moment if moment.tzinfo is None else moment.astimezone(dt.UTC).replace(tzinfo=None)
