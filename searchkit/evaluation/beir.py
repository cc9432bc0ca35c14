"""Text retrieval measured on a folder in the layout of the BEIR benchmark.

- corpus.jsonl or corpus.jsonl.gz: {"_id": "d1", "title": "…", "text": "…"}, where title may be missing
- queries.jsonl or queries.jsonl.gz: {"_id": "q1", "text": "…"}
- qrels/<split>.tsv: query-id, corpus-id and score between tabs, with a header line
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TextIO, cast

import numpy as np

from searchkit.errors import BadInput
from searchkit.evaluation.metrics import RECALL_CUTS, evaluate_run, nearest, relevant
from searchkit.ingest.chunk import TokenWindow
from searchkit.protocols import Encoder
from searchkit.types import Document, Evaluation, Vectors

Chunking = Literal["whole", "passages"]
OnProgress = Callable[[int, int], None]
"""Called with (texts or images encoded so far, all of them)."""

SPECIAL_TOKENS = 2
"""What an encoder puts around a text, within its window: a start and an end."""


@dataclass(frozen=True, slots=True)
class BeirTask:
    """A corpus and the queries of one split. `qrels` holds only queries that have a relevant document."""

    name: str
    documents: Mapping[str, str]
    """Id -> title and text, joined by a space as BEIR does."""
    queries: Mapping[str, str]
    """Id -> text, of the queries in `qrels` and in their order."""
    qrels: Mapping[str, Mapping[str, int]]
    left_out: int
    """Judged queries that were left out because no document is relevant to them."""


def load_beir(folder: Path, split: str = "test") -> BeirTask:
    """Read a BEIR folder. Raises BadInput naming the file and the line that cannot be used."""
    documents = {
        key: f"{record.get('title') or ''} {record['text']}".strip()
        for key, record in _records(_find(folder, "corpus.jsonl"))
    }
    queries = {key: record["text"] for key, record in _records(_find(folder, "queries.jsonl"))}
    path = _find_qrels(folder, split)
    judged = _read_qrels(path, queries, documents)
    qrels = {query: grades for query, grades in judged.items() if relevant(grades)}
    if not qrels:
        raise BadInput(f"{path} names no relevant document", hint="give at least one line a score above 0")
    return BeirTask(
        name=f"{folder.resolve().name}/{split}",
        documents=documents,
        queries={query: queries[query] for query in qrels},
        qrels=qrels,
        left_out=len(judged) - len(qrels),
    )


def evaluate_beir(
    encoder: Encoder,
    task: BeirTask,
    *,
    chunking: Chunking = "whole",
    chunk_tokens: int | None = None,
    batch_size: int = 2048,
    on_progress: OnProgress | None = None,
) -> Evaluation:
    """Encode the task's documents and queries, search exactly, and measure to depth 100.

    `chunking="whole"` gives every document one vector of as much text as the encoder reads.
    "passages" cuts it into windows of `chunk_tokens` (default: all that the encoder reads at once),
    about an eighth of each shared with the one before; a document scores as its best passage.
    A document with the id of the query is not a hit, as in BEIR. `batch_size` texts at a time go to
    the encoder, which sorts them by length itself.
    """
    texts = list(task.documents.values())
    starts: np.ndarray | None = None
    if chunking == "passages":
        texts, starts = _passages(encoder, texts, _tokens(encoder, chunk_tokens))
    elif chunking != "whole":
        raise BadInput(f"unknown chunking: {chunking}", hint='choose "whole" or "passages"')

    record = encoder.record
    both = [*map(record.as_query, task.queries.values()), *map(record.as_passage, texts)]
    vectors = encode_texts(encoder, both, batch_size=batch_size, on_progress=on_progress)
    queries, items = np.split(vectors, [len(task.queries)])
    # One more than is measured: the query's own document may be among them.
    found = nearest(queries, items, ids=list(task.documents), k=max(RECALL_CUTS) + 1, starts=starts)
    run = {
        query: {document: score for document, score in hits.items() if document != query}
        for query, hits in zip(task.queries, found, strict=True)
    }
    return Evaluation(
        task=task.name,
        encoder=encoder.record.name,
        dim=encoder.space.dim,
        queries=len(task.queries),
        metrics=evaluate_run(run, task.qrels),
    )


def encode_texts(
    encoder: Encoder, texts: Sequence[str], *, batch_size: int, on_progress: OnProgress | None = None
) -> Vectors:
    """(n, dim) float32 in the order of `texts`, encoded `batch_size` at a time to report progress."""
    vectors = np.empty((len(texts), encoder.space.dim), np.float32)
    for first in range(0, len(texts), batch_size):
        part = texts[first : first + batch_size]
        vectors[first : first + len(part)] = encoder.encode_text(part)
        if on_progress is not None:
            on_progress(first + len(part), len(texts))
    return vectors


def _tokens(encoder: Encoder, asked: int | None) -> int:
    """The tokens of a passage; BadInput where the encoder would cut it."""
    prompt = len(encoder.token_offsets(encoder.record.passage_prompt))
    longest = encoder.record.text_window - SPECIAL_TOKENS - prompt
    tokens = longest if asked is None else asked
    if not 0 < tokens <= longest:
        raise BadInput(
            f"passages of {tokens} tokens do not fit {encoder.record.name}",
            hint=f"choose 1 to {longest} tokens",
        )
    return tokens


def _passages(encoder: Encoder, texts: Sequence[str], tokens: int) -> tuple[list[str], np.ndarray]:
    """The passages of all texts, and the row of the first passage of each text."""
    chunker = TokenWindow(offsets=encoder.token_offsets, tokens=tokens, overlap=tokens // 8)
    passages: list[str] = []
    starts = []
    for text in texts:
        starts.append(len(passages))
        # A blank document has no passages, and still takes its place among the rest.
        passages.extend([passage.text for passage in chunker(Document(text))] or [text])
    return passages, np.array(starts)


def _find(folder: Path, name: str) -> Path:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    raise BadInput(
        f"{folder} has no {name} or {name}.gz",
        hint="a BEIR folder holds corpus.jsonl, queries.jsonl and qrels/<split>.tsv",
    )


def _find_qrels(folder: Path, split: str) -> Path:
    path = folder / "qrels" / f"{split}.tsv"
    if path.is_file():
        return path
    splits = sorted(other.stem for other in path.parent.glob("*.tsv"))
    hint = f"splits here: {', '.join(splits)}" if splits else "add the judgements of this split as that file"
    raise BadInput(f"{path} is missing: no judgements for split {split}", hint=hint)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines that are not blank, with their numbers from 1."""
    number = 0
    try:
        with _open(path) as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, line
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise BadInput(
            f"{path} cannot be read after line {number}: {error}",
            hint="it must be whole and UTF-8; copy or download it again",
        ) from error


def _open(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return cast(TextIO, gzip.open(path, "rt", encoding="utf-8"))
    return path.open(encoding="utf-8")


def _records(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(id, record) of each line; raises BadInput on a line that has no usable id and text."""
    seen: set[str] = set()
    for number, line in _lines(path):
        where = f"{path}, line {number}"
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            hint = "write one JSON object a line, or delete the line"
            raise BadInput(f"{where} is not JSON: {error.msg}", hint=hint) from error
        if not isinstance(record, dict) or not all(isinstance(record.get(f), str) for f in ("_id", "text")):
            hint = 'each line needs "_id" and "text", both strings'
            raise BadInput(f"{where} has no id or no text", hint=hint)
        if record["_id"] in seen:
            raise BadInput(f"{where} repeats the id {record['_id']}", hint="give each line an id of its own")
        seen.add(record["_id"])
        yield record["_id"], record
    if not seen:
        raise BadInput(f"{path} holds no records", hint="write one JSON object a line")


def _read_qrels(
    path: Path, queries: Mapping[str, str], documents: Mapping[str, str]
) -> dict[str, dict[str, int]]:
    """Grades by query and document: three columns, or TREC's four (query, 0, document, grade)."""
    qrels: dict[str, dict[str, int]] = {}
    for number, line in _lines(path):
        where = f"{path}, line {number}"
        columns = line.split("\t" if "\t" in line else None)
        try:
            query, document, grade = columns if len(columns) == 3 else (columns[0], *columns[2:])
            value = int(grade)
        except ValueError as error:
            if number == 1 and columns[-1].strip().isalpha():
                continue  # the header line
            hint = "write query-id, corpus-id and a whole number, with tabs between"
            raise BadInput(f"{where} is not a judgement: {line.strip()}", hint=hint) from error
        for key, known, file in ((query, queries, "queries"), (document, documents, "corpus")):
            if key not in known:
                hint = f"delete the line, or add the id to {file}.jsonl"
                raise BadInput(f"{where} names {key}, which {file}.jsonl does not have", hint=hint)
        if qrels.setdefault(query, {}).setdefault(document, value) != value:
            hint = "keep one of the two grades"
            raise BadInput(f"{where} judges {document} for {query} a second time", hint=hint)
    return qrels
