"""Warnings about a question in a script that the encoder was not made for: encoders of English alone were
measured to retrieve at chance there, and their scores do not show it."""

from __future__ import annotations

import unicodedata
from collections import Counter

from searchkit.encoders.records import ENGLISH, RECORDS
from searchkit.types import EncoderRecord


def foreign_script(text: str) -> str | None:
    """The script of most letters by its Unicode name; None for Latin, and where there are no letters.

    >>> foreign_script("две собаки на пляже")
    'Cyrillic'
    >>> foreign_script("Zwei Hunde am Strand"), foreign_script("2024 🐕")
    (None, None)
    """
    scripts = Counter(unicodedata.name(c, "?").split()[0] for c in text if c.isalpha())
    if not scripts:
        return None
    most, _ = scripts.most_common(1)[0]
    if most in ("LATIN", "?", "FULLWIDTH", "FEMININE", "MASCULINE"):
        return None
    return most if most == "CJK" else most.title()


def warning_for(record: EncoderRecord, text: str) -> str | None:
    """The warning where the encoder was not made for the script of this question; None where it may have
    been, or its languages are not known."""
    script = foreign_script(text)
    if script is None or record.languages != ENGLISH:
        return None
    fit = next(
        r.name
        for r in RECORDS.values()
        if r.languages != ENGLISH and not r.restricted and bool(r.pixels) == bool(record.pixels)
    )
    return (
        f"{record.name} reads English only: what it finds for a question in {script} script means nothing. "
        f"For other languages index into a collection of its own with --model {fit}"
    )
