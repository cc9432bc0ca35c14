"""The nouns of searchkit. Plain frozen data: no I/O, no heavy import.

docs/glossary.md defines the words; this module gives them fields.
"""

from __future__ import annotations

import base64
import datetime as dt
import os
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple, TypedDict, Unpack

import numpy as np

JSON_SCHEMA = 1

LEFT_OUT = {
    "passages_cut": "passages longer than the encoder reads",
    "pages_without_text": "pages without text",
    "pictures_too_small": "pictures in documents too small to mean something",
    "pictures_repeated": "pictures that a document shows again",
    "pictures_unreadable": "pictures in documents that cannot be decoded",
}
"""What of an indexed document cannot be found, or not wholly: name in JSON → words for a person."""

OCR_HEADING = "text in a picture (OCR)"
"""The heading of a passage that was read from a picture."""

FULL_TEXT = ("text", "name")
"""The fields whose words can be searched: passages, and the names of files."""

Vectors = np.ndarray
"""(n, dim) float32, every row of unit length."""


class Kind(StrEnum):
    """What an item is: a whole picture, or a piece of a document."""

    IMAGE = "image"
    PASSAGE = "passage"


@dataclass(frozen=True, slots=True)
class Space:
    """What makes vectors comparable. Two spaces are equal only if every field is."""

    encoder: str
    weights: str
    """sha256 of the weights, hexadecimal."""
    preprocessing: int
    """Version of the pixels-and-tokens recipe; raised whenever it changes a vector."""
    dim: int

    @property
    def key(self) -> str:
        """A name that is safe as a directory name and unique to the space."""
        # a commit by its first seven
        name = re.sub(r"@([0-9a-f]{7})[0-9a-f]{33}(?![0-9a-f])", r"-\1", self.encoder)
        safe = "".join(c if c.isascii() and (c.isalnum() or c in "-.") else "_" for c in name)
        return f"{safe[-60:]}-{self.weights[:12]}-p{self.preprocessing}-d{self.dim}"


@dataclass(frozen=True, slots=True)
class EncoderRecord:
    """One row of `searchkit models`: all that is known of an encoder without loading it."""

    name: str
    dim: int
    licence: str
    languages: str
    text_window: int
    """Tokens that the text tower reads, special tokens included."""
    pixels: int
    """Side of the square that the image tower reads; 0 where there is no image tower."""
    megabytes: float
    family: str
    source: str
    """Where the weights come from, in words."""
    query_prompt: str = ""
    """What the model wants in front of a question."""
    passage_prompt: str = ""
    """What the model wants in front of a text that is to be found."""
    restricted: bool = False
    """Whether the licence allows less than Apache or MIT, and must be accepted before the first use."""
    margin: float = 0.0
    """Deviations above unrelated texts at which the confidence of a picture is 0.5; 0 is the default's."""

    def as_query(self, text: str) -> str:
        return self.query_prompt + text

    def as_passage(self, text: str) -> str:
        return self.passage_prompt + text


@dataclass(frozen=True, slots=True)
class Runtime:
    """Where networks run, and what may be fetched."""

    device: str = "auto"
    """"auto" (cuda, else mps, else cpu), "cpu", "cuda" or "mps"."""
    dtype: str = "auto"
    """"auto" (bfloat16 where the hardware multiplies it), "float32", "bfloat16" or "float16"."""
    offline: bool = False
    """Nothing is fetched: what is not on this machine is missing."""
    accept_licence: bool = False
    """Restricted licences have been read and are accepted."""


@dataclass(frozen=True, slots=True)
class PageSpan:
    """Page `number` (from 1) is `text[start:end]` of its document."""

    number: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Heading:
    """`text[start:end]` of its document names the section that follows, up to the next heading of this level
    or a higher one."""

    level: int
    """1 is the highest."""
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Embedded:
    """A picture inside a document, as the bytes of a picture file."""

    data: bytes
    page: int | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """What a parser makes of a file: one text, and where its pages and headings lie in it.

    `pages` is empty for formats that have none; otherwise it is sorted and does not overlap. `headings` are
    in order.
    """

    text: str
    pages: tuple[PageSpan, ...] = ()
    title: str | None = None
    headings: tuple[Heading, ...] = ()

    def page_at(self, offset: int) -> int | None:
        """The number of the page that holds the character at `offset`."""
        before = bisect_right(self.pages, offset, key=lambda page: page.start)
        return self.pages[before - 1].number if before else None


@dataclass(frozen=True, slots=True)
class Passage:
    """`text == document.text[start:end]`, always."""

    start: int
    end: int
    text: str
    page: int | None = None
    context: str | None = None
    """The headings above it, the highest first, with " › " between: encoded with the text, not part of it."""
    ocr: bool = False
    """Whether it was read from a picture. Its offsets then point behind the document's own text, into the
    text that was read."""

    @property
    def in_context(self) -> str:
        """What an encoder reads: the text under its headings."""
        return self.text if self.context is None else f"{self.context}\n{self.text}"


@dataclass(frozen=True, slots=True)
class Chunking:
    """How documents become passages. None stands for what the collection has, or for the default."""

    method: str | None = None
    """"window", "heading", "sentence" or "late"."""
    tokens: int | None = None
    """The most tokens of a passage, counted by the encoder's tokenizer."""
    overlap: int | None = None
    """Tokens that two neighbouring passages share."""

    def over(self, other: Chunking) -> Chunking:
        """This chunking, with what it leaves open taken from `other`."""
        return Chunking(
            other.method if self.method is None else self.method,
            other.tokens if self.tokens is None else self.tokens,
            other.overlap if self.overlap is None else self.overlap,
        )

    def __str__(self) -> str:
        return f"{self.method}, {self.tokens} tokens, {self.overlap} shared"


DEFAULTS = Chunking()
"""A chunking that leaves everything open."""


@dataclass(frozen=True, slots=True)
class TokenVectors:
    """The tokens of one text, special ones included. Row i of `vectors` is (dim,) float32, not normalised;
    row i of `spans` is its (start, end) in the text, without length at either end of it for a special one."""

    vectors: np.ndarray
    spans: np.ndarray


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file that the walk saw. `path` is absolute; names that are not UTF-8 use surrogateescape."""

    path: str
    size: int
    mtime_ns: int


class Item(NamedTuple):
    """One thing that can be found, as the store keeps it next to its vector.

    A tuple, as all are that a search makes by tens: frozen classes take up to eight times as long to be made.
    """

    id: str
    kind: Kind
    path: str
    source: str
    sha256: str
    ordinal: int
    mtime: float
    """Seconds since the epoch."""
    page: int | None = None
    start: int | None = None
    end: int | None = None
    text: str | None = None
    heading: str | None = None
    """The headings above a passage, as in `Passage.context`."""
    width: int | None = None
    height: int | None = None
    size: int | None = None
    """The size of the file in bytes."""
    taken: float | None = None
    """When a picture was taken, as its EXIF says, in seconds since the epoch; local time counts as UTC where
    the camera wrote no zone."""
    label: str | None = None
    """The label of a picture: the best of those that it was compared with."""
    label_confidence: float | None = None
    """The share of `label` among all labels and "none of these", from 0 to 1."""

    @property
    def ocr(self) -> bool:
        """Whether its text was read from a picture."""
        return self.kind is Kind.PASSAGE and self.heading == OCR_HEADING


class Candidate(NamedTuple):
    """An item that a store found, with its cosine to the query."""

    item: Item
    score: float


class Hit(NamedTuple):
    """One result. `confidence` is comparable between pictures and passages; `score` (a cosine) is not.

    A tuple, as its item: `hit._replace(rank=1)` changes a copy, `hit.to_json()` is what goes into JSON.
    """

    rank: int
    score: float
    confidence: float
    item: Item
    space: str
    copies: tuple[str, ...] = ()
    """The other files that this hit stands for, since they hold the same, or nearly the same."""
    passages: tuple[Item, ...] = ()
    """More passages of the same document, the better first, when hits are grouped."""

    @property
    def path(self) -> str:
        return self.item.path

    @property
    def kind(self) -> Kind:
        return self.item.kind

    @property
    def page(self) -> int | None:
        return self.item.page

    @property
    def text(self) -> str | None:
        return self.item.text

    def to_json(self) -> dict[str, Any]:
        """The stable JSON form: absolute path, ISO time, null where a field does not apply."""
        item = self.item
        encoded = os.fsencode(item.path)
        record: dict[str, Any] = {
            "schema": JSON_SCHEMA,
            "rank": self.rank,
            "score": round(self.score, 6),
            "confidence": round(self.confidence, 4),
            "kind": item.kind.value,
            "path": encoded.decode("utf-8", "replace"),
            "source": os.fsencode(item.source).decode("utf-8", "replace"),
            "page": item.page,
            "start": item.start,
            "end": item.end,
            "text": item.text,
            "sha256": item.sha256,
            "space": self.space,
            "mtime": _iso(item.mtime),
            "width": item.width,
            "height": item.height,
            "size": item.size,
            "taken": None if item.taken is None else _iso(item.taken),
            "label": item.label,
            "label_confidence": None if item.label_confidence is None else round(item.label_confidence, 4),
            "heading": item.heading,
            "ocr": item.ocr,
            "copies": [os.fsencode(path).decode("utf-8", "replace") for path in self.copies],
            "passages": [
                {"page": one.page, "start": one.start, "end": one.end, "text": one.text}
                for one in self.passages
            ],
        }
        if record["path"].encode() != encoded:
            record["path_b64"] = base64.b64encode(encoded).decode("ascii")
        return record


def _iso(seconds: float) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat()


@dataclass(frozen=True, slots=True)
class Failure:
    """One row of the failure ledger."""

    path: str
    reason: str
    sha256: str | None
    decoder: str
    """The decoder that failed, with its version: another version is a reason to try again."""
    at: float


@dataclass(slots=True)
class IndexReport:
    """What one run of `Collection.add` did. Counts are of files, save where named otherwise."""

    seen: int = 0
    indexed: int = 0
    """Files that were encoded and written in this run."""
    reused: int = 0
    """Files that were written without encoding, since their content was known."""
    unchanged: int = 0
    deleted: int = 0
    failed: int = 0
    """Files in the failure ledger after this run, older failures included."""
    offline: int = 0
    """Sources that could not be read; nothing of theirs was touched."""
    images: int = 0
    passages: int = 0
    queued: int = 0
    """Jobs that were made for workers."""
    seconds: float = 0.0
    interrupted: bool = False
    read_by_ocr: int = 0
    """Pages and pictures whose text was read from their pixels."""
    left_out: Counter[str] = field(default_factory=Counter)
    """Counts of what cannot be found of this run's documents, by the names of `LEFT_OUT`."""
    warnings: list[str] = field(default_factory=list)

    @property
    def images_per_second(self) -> float:
        return self.images / self.seconds if self.seconds else 0.0

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": JSON_SCHEMA,
            "seen": self.seen,
            "indexed": self.indexed,
            "reused": self.reused,
            "unchanged": self.unchanged,
            "deleted": self.deleted,
            "failed": self.failed,
            "offline": self.offline,
            "seconds": round(self.seconds, 3),
            "images_per_second": round(self.images_per_second, 2),
            "read_by_ocr": self.read_by_ocr,
            "left_out": dict(self.left_out),
        }


@dataclass(frozen=True, slots=True)
class Progress:
    """What `on_progress` is called with, from the thread that called `add`."""

    stage: str
    """"scan", "encode" or "write"."""
    done: int
    total: int
    path: str | None = None
    part: int = 0
    """How far a long document is encoded: in pages, or in characters where it has none. 0 for others."""
    parts: int = 0
    """How many pages, or characters, the document has. 0 for others."""


@dataclass(frozen=True, slots=True)
class Part:
    """One of the things that a question is made of: a text, a picture file, or an item by its id, whose
    vector is taken as it is. A text is never opened."""

    text: str | None = None
    image: str | None = None
    item: str | None = None
    weight: float = 1.0
    """How much it counts; above 0 also for what is to be avoided."""

    @classmethod
    def of(cls, given: str | Part) -> Part:
        """A string is a text that counts once."""
        return cls(text=given) if isinstance(given, str) else given


class SearchOptions(TypedDict, total=False):
    """The keyword arguments of a search: the fields of a `SearchRequest`, as a person gives them."""

    image: str | Path | None
    """A picture file to ask with, alone or together with the text."""
    vector: Sequence[float] | None
    positives: Sequence[str | Part]
    negatives: Sequence[str | Part]
    k: int
    kind: str | None
    """"image" or "passage"."""
    filter: str | None
    label: str | None
    since: str | None
    until: str | None
    min_confidence: float
    collapse: str
    group: str | None
    sort: str
    hybrid: bool
    """The exact words of the text, in passages and file names, count as much as its meaning."""


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """One question to a collection, in the one shape in which it travels from a command to the store."""

    positives: Sequence[Part] = ()
    """What is wanted."""
    negatives: Sequence[Part] = ()
    """What is to be avoided."""
    vector: Sequence[float] | None = None
    """(dim,) numbers of any length but 0, in place of parts."""
    words: str | None = None
    """A text whose exact words count as much as meaning (hybrid search); None for meaning alone."""
    kind: Kind | None = None
    k: int = 10
    filter: str | None = None
    """An expression over the store's columns, applied before the search as the four that follow are."""
    label: str | None = None
    """A label that `Collection.label` gave to pictures."""
    since: str | None = None
    """An ISO date: taken, or else changed, on that day or later."""
    until: str | None = None
    """An ISO date: taken, or else changed, on that day or before."""
    min_confidence: float = 0.0
    """Hits below it, from 0 to 1, are left out."""
    collapse: str = "exact"
    """"exact" shows one copy of identical contents, "near" one of contents that are nearly the same too (a
    burst of photos), "none" shows them all."""
    group: str | None = None
    """"document" shows each file once, with its best passages."""
    sort: str = "confidence"
    """The order of the k best: "confidence", or "date", the newest first."""

    @classmethod
    def of(cls, text: str | None = None, **options: Unpack[SearchOptions]) -> SearchRequest:
        """The request that a text and these options make. A text is only ever text: it is not opened, fetched
        or looked up as a path; a string among the parts is one, too.

        >>> SearchRequest.of("two dogs", kind="image", negatives=["people"]).negatives
        (Part(text='people', image=None, item=None, weight=1.0),)

        Raises ValueError for a kind that is none, TypeError for an option that is none.
        """
        given = {**options}
        image, hybrid = given.pop("image", None), given.pop("hybrid", False)
        wanted = [Part(text=text)] if text is not None else []
        wanted += [Part(image=str(image))] if image is not None else []
        fields: dict[str, Any] = given
        fields["positives"] = (*wanted, *map(Part.of, fields.get("positives", ())))
        fields["negatives"] = tuple(map(Part.of, fields.get("negatives", ())))
        kind = fields.get("kind")
        fields["kind"] = None if kind is None else Kind(kind)
        return cls(words=text if hybrid else None, **fields)


Query = SearchRequest
"""The name of `SearchRequest` in version 0.1."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What an evaluator returns."""

    task: str
    encoder: str
    dim: int
    queries: int
    metrics: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": JSON_SCHEMA,
            "task": self.task,
            "encoder": self.encoder,
            "dim": self.dim,
            "queries": self.queries,
            "metrics": self.metrics,
        }
