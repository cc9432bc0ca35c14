"""Text retrieval measured on a folder in the layout of the BEIR benchmark.

- corpus.jsonl or corpus.jsonl.gz: {"_id": "d1", "title": "…", "text": "…"}, where title may be missing
- queries.jsonl or queries.jsonl.gz: {"_id": "q1", "text": "…"}
- qrels/<split>.tsv: query-id, corpus-id and score between tabs, with a header line
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO, cast

from searchkit.errors import BadInput
from searchkit.evaluation.metrics import RECALL_CUTS, evaluate_run, relevant
from searchkit.evaluation.passages import OnProgress, Words, by_meaning, encode_texts, index, together
from searchkit.protocols import Encoder
from searchkit.types import Chunking, Document, Evaluation, Heading


@dataclass(frozen=True, slots=True)
class BeirTask:
    """A corpus and the queries of one split. `qrels` holds only queries that have a relevant document."""

    name: str
    documents: Mapping[str, str]
    """Id -> title and text, joined by a space as in BEIR."""
    queries: Mapping[str, str]
    """Id -> text, of the queries in `qrels` and in their order."""
    qrels: Mapping[str, Mapping[str, int]]
    left_out: int
    """Judged queries that were left out because no document is relevant to them."""
    titles: Mapping[str, str] = field(default_factory=dict)
    """Id -> title, of the documents that have one and begin with it."""

    def document(self, key: str) -> Document:
        """The document with its title, if it has one, as the heading of all of it."""
        title = self.titles.get(key)
        return Document(self.documents[key], headings=(Heading(1, 0, len(title)),) if title else ())


def load_beir(folder: Path, split: str = "test") -> BeirTask:
    """The task in a BEIR folder. Raises `BadInput` naming the file and the line that cannot be used."""
    records = dict(_records(_find(folder, "corpus.jsonl")))
    titles = {key: str(record.get("title") or "").strip() for key, record in records.items()}
    documents = {key: f"{titles[key]} {record['text']}".strip() for key, record in records.items()}
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
        titles={key: title for key, title in titles.items() if title},
    )


def evaluate_beir(
    encoder: Encoder,
    task: BeirTask,
    *,
    chunking: Chunking | None = None,
    fusion: str = "max",
    hybrid: str | None = None,
    batch_size: int = 2048,
    on_progress: OnProgress | None = None,
) -> Evaluation:
    """Encodes the task's documents and queries, searches exactly, and measures to depth 100.

    Without `chunking` every document has one vector, of as much text as the encoder reads; otherwise it is
    cut as in a collection, its title as its heading, and `fusion` ("max", "sum" or "reciprocal") makes one
    score of its passages'. With `hybrid` ("reciprocal" or "convex") exact words count as much as meaning.
    A document with the id of the query is not a hit, as in BEIR. `batch_size` texts at a time go to the
    encoder, which sorts them by length.
    """
    depth = max(RECALL_CUTS) + 1  # one more than is measured: the query's own document may be among them
    texts = list(task.queries.values())
    queries = encode_texts(encoder, list(map(encoder.record.as_query, texts)), batch_size=batch_size)
    documents = {key: task.document(key) for key in task.documents}
    corpus = index(encoder, documents, chunking, batch_size=batch_size, on_progress=on_progress)
    ranked = by_meaning(corpus, queries, depth, fusion=fusion)
    if hybrid is not None:
        with Words(corpus) as words:
            pairs = zip(ranked, texts, strict=True)
            ranked = iter([together(hits, words.search(text, depth), hybrid) for hits, text in pairs])
    run = {
        query: {document: score for document, score in hits.items() if document != query}
        for query, hits in zip(task.queries, ranked, strict=True)
    }
    return Evaluation(
        task=task.name,
        encoder=encoder.record.name,
        dim=encoder.space.dim,
        queries=len(task.queries),
        metrics=evaluate_run(run, task.qrels),
    )


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
    """The lines that are not blank, each with its number from 1."""
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
    """The id and the record of each line. Raises `BadInput` for a line without a usable id and text."""
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
