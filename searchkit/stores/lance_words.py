"""The full-text index of a Lance table: the stems of one language, in passages and in names of files."""

from __future__ import annotations

from typing import Any

import numpy as np
from lancedb.index import FTS

from searchkit.stores.lance_table import numbers
from searchkit.stores.words import PLAIN, main_language
from searchkit.types import FULL_TEXT, Kind

SAMPLE = 500
"""Passages that are looked at to tell the language of a collection."""
TOKENIZER = "icu/split"
"""Lance's tokenizer that takes Chinese, Japanese and Thai apart by dictionaries, and what has spaces at
spaces and punctuation."""


def index_language(table: Any) -> str:
    """The language of the stems by which words are found, or "none"."""
    return next((language for language in _languages(table).values() if language), PLAIN)


def index_words(table: Any, asked_language: str | None) -> None:
    """Index the words of every column that has no index, one in another language, or an older version's."""
    language, columns = wanted(table, asked_language)
    for column in columns:
        table.create_index(column, config=_stems(language), replace=True)


def wanted(table: Any, asked_language: str | None) -> tuple[str, list[str]]:
    """The right language, and the columns of full text that are not indexed in it."""
    languages = _languages(table)
    language = asked_language or main_language(_sample(table), index_language(table))
    return language, [column for column in FULL_TEXT if languages.get(column) != language]


def drop_words(table: Any) -> None:
    """Drop the index, which lists words of rows that are gone."""
    for index in list(table.list_indices()):
        if set(index.columns) & set(FULL_TEXT):
            table.drop_index(index.name)


def _languages(table: Any) -> dict[str, str | None]:
    """The language of the stems of each indexed column; None where words are taken apart in another way."""
    indexes = {index.columns[0]: index for index in table.list_indices()}
    return {column: _language_of(indexes[column]) for column in FULL_TEXT if column in indexes}


def _language_of(index: Any) -> str | None:
    details = index.index_details or {}
    if details.get("base_tokenizer") != TOKENIZER:
        return None
    return str(details["language"]).lower() if details.get("stem") else PLAIN


def _stems(language: str) -> FTS:
    """An index of stems that leaves no word out: common ones may be all that a question has."""
    stems = {"stem": False} if language == PLAIN else {"stem": True, "language": language.title()}
    return FTS(base_tokenizer=TOKENIZER, remove_stop_words=False, **stems)


def _sample(table: Any) -> list[str]:
    """Texts of passages, evenly spread over the table, of which only the kinds are read."""
    query = table.search().select(["kind"]).with_row_id(True).where(f"kind = '{Kind.PASSAGE.value}'")
    rows = np.sort(numbers(query.to_arrow()))
    rows = rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), SAMPLE)).astype(int))]
    texts = table.take_row_ids(rows.tolist()).select(["text"]).to_arrow()[0].to_pylist()
    return [text for text in texts if text]
