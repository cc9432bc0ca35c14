"""What cutting documents is worth: meetings of ten thousand words found by a question, abstracts by a claim,
and a made-up fact in each of a hundred long documents by a question in other words.

    python benchmarks/passages.py --data FOLDER [--cache FOLDER] [--only PART …] [--ways WAY …] [--out FILE]

FOLDER holds `qmsum/` and `scifact/` in the layout of BEIR. What is chosen (how passages' scores become a
document's, and how exact words and meaning go together) is chosen on QMSum's dev and SciFact's train queries,
and reported on their test queries. "words" are words as they are, "stems" what a collection does. Meetings
are searched among those of their own split, and among all. Encoding takes some hours on two cores; with
--cache, vectors are kept there for the next time. A part that is not run keeps the figures it has.
"""

from __future__ import annotations

import hashlib
import random
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from needles import NEEDLES
from report import Arguments, as_text, earlier, machine, write

from searchkit.evaluation import evaluate_run, load_beir
from searchkit.evaluation.beir import BeirTask
from searchkit.evaluation.passages import (
    FUSIONS,
    HYBRIDS,
    Corpus,
    Words,
    by_meaning,
    encode_texts,
    index,
    together,
)
from searchkit.protocols import Encoder
from searchkit.registry import load_encoder
from searchkit.stores.words import telling
from searchkit.types import Chunking, Document, Heading, TokenVectors, Vectors

ENCODER = "pocket"
TURN = re.compile(r"^[^:\n]{1,60}(?=:)", re.MULTILINE)
"""Matches who speaks, at the beginning of a line of a meeting: the nearest to a heading that it has."""
DEPTH = 100
SEED = 5
MEASURES = ("recall@1", "ndcg@10")
PARTS = ("scifact", "qmsum", "qmsum, all meetings", "needle")
WAYS = ("window", "heading", "sentence", "late")
AS_THEY_ARE = "none"
CUT = {
    "as by default": Chunking("window"),
    "32 tokens": Chunking("window", 32, 0),
    "sentences": Chunking("sentence"),
}
"""How the documents with a needle are cut."""
JOINING = {"over", "under", "one", "two", "its", "our", "own"}
"""Words that a fact and its question may share, since they say nothing of what is asked."""


class Remembering:
    """An encoder that keeps the vectors of texts, and of corpora, in a folder."""

    def __init__(self, encoder: Encoder, folder: Path | None) -> None:
        self.record, self.space = encoder.record, encoder.space
        self._encoder, self._folder = encoder, folder
        self._known: dict[str, np.ndarray] = {}
        if folder is not None and (folder / "texts.npz").exists():
            stored = np.load(folder / "texts.npz")
            self._known = dict(zip(stored["keys"].tolist(), stored["vectors"], strict=True))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._encoder, name)

    def encode_text(self, texts: Sequence[str]) -> Vectors:
        keys = [hashlib.sha256(f"{self.space.key} {text}".encode()).hexdigest()[:32] for text in texts]
        new = {key: text for key, text in zip(keys, texts, strict=True) if key not in self._known}
        if new:
            print(f"encoding {len(new)} of {len(texts)} texts", file=sys.stderr)
            self._known |= dict(zip(new, self._encoder.encode_text(list(new.values())), strict=True))
            self._save()
        return np.stack([self._known[key] for key in keys])

    def token_vectors(self, texts: Sequence[str]) -> list[TokenVectors]:
        return self._encoder.token_vectors(texts)

    def late(self, documents: Mapping[str, Document], chunking: Chunking) -> Corpus:
        """Encode a corpus by late chunking, and keep every document's vectors in a file of their own."""
        corpus = index(self, documents, replace(chunking, method="window"))  # type: ignore[arg-type]
        rows = [self._late(key, document, chunking) for key, document in documents.items()]
        return replace(corpus, vectors=np.concatenate(rows))  # of the same passages

    def _late(self, key: str, document: Document, chunking: Chunking) -> Vectors:
        name = hashlib.sha256(f"{self.space.key} {chunking} {document.text}".encode()).hexdigest()[:32]
        path = None if self._folder is None else self._folder / f"late-{name}.npy"
        if path is not None and path.exists():
            known: Vectors = np.load(path)
            return known
        vectors = index(self, {key: document}, chunking).vectors  # type: ignore[arg-type]
        if path is not None:
            np.save(path, vectors)
        return vectors

    def _save(self) -> None:
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
            keys, vectors = list(self._known), np.stack(list(self._known.values()))
            scratch = self._folder / "texts.tmp.npz"
            np.savez(scratch, keys=np.array(keys), vectors=vectors)
            scratch.replace(self._folder / "texts.npz")


def main() -> None:
    parser = Arguments(__doc__, result="passages.json", data="qmsum/ and scifact/")
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS, help="how all meetings are cut")
    options = parser.parsed()
    encoder = Remembering(load_encoder(ENCODER), options.cache)
    folder = options.data / "qmsum"
    parts = {
        "scifact": lambda: scifact(encoder, options.data / "scifact"),
        "qmsum": lambda: qmsum(encoder, folder),
        "qmsum, all meetings": lambda: qmsum(encoder, folder, every=True, ways=options.ways),
        "needle": lambda: needle(encoder, folder),
    }
    results = earlier(options.out)
    results |= {"machine": machine(), "encoder": ENCODER}
    results |= {name: part() for name, part in parts.items() if name in options.only}
    print(as_text(results))
    write(results, options.out)


Run = dict[str, dict[str, float]]


def measured(run: Run, task: BeirTask) -> dict[str, float]:
    metrics = evaluate_run(run, task.qrels)
    return {name: round(metrics[name], 4) for name in MEASURES}


def meaning(encoder: Remembering, task: BeirTask, corpus: Corpus, fusion: str = "max") -> Run:
    asked = [encoder.record.as_query(text) for text in task.queries.values()]
    queries = encode_texts(encoder, asked, batch_size=len(asked))  # type: ignore[arg-type]
    return dict(zip(task.queries, by_meaning(corpus, queries, DEPTH, fusion=fusion), strict=True))


def exact(task: BeirTask, corpus: Corpus, language: str | None = None) -> Run:
    with Words(corpus, language=language) as words:
        return {key: words.search(text, DEPTH) for key, text in task.queries.items()}


def both(one: Run, other: Run, how: str) -> Run:
    return {key: together(one[key], other[key], how) for key in one}


# abstracts


def scifact(encoder: Remembering, folder: Path) -> dict[str, Any]:
    """Measure nDCG@10 of meaning, exact words, and both; the way to join them is chosen on the train
    queries."""
    tasks = {split: load_beir(folder, split) for split in ("train", "test")}
    corpus = index(encoder, {key: Document(text) for key, text in tasks["test"].documents.items()}, None)  # type: ignore[arg-type]
    figures: dict[str, dict[str, float]] = {}
    for split, task in tasks.items():
        alone = meaning(encoder, task, corpus)
        runs = {"meaning": alone}
        for name, language in (("words", AS_THEY_ARE), ("stems", None)):
            runs[name] = exact(task, corpus, language)
            runs |= {f"meaning and {name}, {how}": both(alone, runs[name], how) for how in HYBRIDS}
        figures[split] = {name: measured(run, task)["ndcg@10"] for name, run in runs.items()}
    chosen = max(figures["train"], key=lambda name: figures["train"][name])
    return {
        "measure": "ndcg@10",
        "documents": len(corpus.ids),
        "queries": {split: len(task.queries) for split, task in tasks.items()},
        **figures,
        "chosen on train": chosen,
        "test": figures["test"],
        "test of the chosen": figures["test"][chosen],
    }


# meetings


def turns(text: str) -> Document:
    """Return a meeting with every turn as a section under its speaker's name."""
    return Document(text, headings=tuple(Heading(1, *turn.span()) for turn in TURN.finditer(text)))


def meetings(task: BeirTask) -> dict[str, Document]:
    """Return the meetings that the split's questions are about."""
    wanted = {key for grades in task.qrels.values() for key in grades}
    return {key: turns(text) for key, text in task.documents.items() if key in wanted}


def qmsum(
    encoder: Remembering, folder: Path, *, every: bool = False, ways: Sequence[str] = WAYS
) -> dict[str, Any]:
    """Let questions find their meetings, among those of their split or `every` one: by the meeting's
    beginning, by its passages, by its words."""
    dev, test = load_beir(folder, "dev"), load_beir(folder, "test")
    chosen = choose(encoder, dev)
    documents = {key: turns(text) for key, text in test.documents.items()} if every else meetings(test)
    whole = meaning(encoder, test, index(encoder, documents, None))  # type: ignore[arg-type]
    runs, corpora = {"whole, truncated": whole}, {}
    for name in ways:
        corpora[name] = corpus = cut(encoder, documents, name)
        alone = meaning(encoder, test, corpus, chosen["fusion"])
        runs[name] = alone
        for kind, language in (("words", AS_THEY_ARE), ("stems", None)):
            words = exact(test, corpus, language)
            runs[f"{name} and {kind}"] = both(alone, words, chosen["hybrid"])
            if name == "window":
                runs[kind] = words
                runs |= {f"window and {kind}, {how}": both(alone, words, how) for how in HYBRIDS}
        if name == "window":
            runs |= {f"window, {how}": meaning(encoder, test, corpus, how) for how in FUSIONS}
    return {
        "documents": len(documents),
        "queries": len(test.queries),
        "passages": {name: len(corpus.texts) for name, corpus in corpora.items()},
        "chosen on dev": chosen,
        "test": {name: measured(run, test) for name, run in runs.items()},
    }


def cut(encoder: Remembering, documents: Mapping[str, Document], way: str) -> Corpus:
    if way == "late":
        return encoder.late(documents, Chunking("late"))
    return index(encoder, documents, Chunking(way))  # type: ignore[arg-type]


def choose(encoder: Remembering, dev: BeirTask) -> dict[str, Any]:
    """Choose how passages' scores become a document's and how words come in, by nDCG@10 with windows."""
    corpus = index(encoder, meetings(dev), Chunking("window"))  # type: ignore[arg-type]
    alone = {fusion: meaning(encoder, dev, corpus, fusion) for fusion in FUSIONS}
    scores = {fusion: measured(run, dev)["ndcg@10"] for fusion, run in alone.items()}
    fusion = max(scores, key=lambda name: scores[name])
    words = exact(dev, corpus)
    mixed = {how: measured(both(alone[fusion], words, how), dev)["ndcg@10"] for how in HYBRIDS}
    hybrid = max(mixed, key=lambda name: mixed[name])
    return {"fusion": fusion, "hybrid": hybrid, "ndcg@10": scores | mixed}


# one sentence in a long document


def needle(encoder: Remembering, folder: Path) -> dict[str, Any]:
    """Measure recall@1 by the tenth of the document that the sentence was put in: ten documents each."""
    texts = [d.text for split in ("test", "dev") for d in meetings(load_beir(folder, split)).values()]
    rng = random.Random(SEED)
    documents: dict[str, Document] = {}
    for number, (fact, question, _) in enumerate(NEEDLES):
        if shared := stems(fact) & stems(question):
            sys.exit(f"passages: {fact!r} and {question!r} share {', '.join(shared)}: not other words")
        text = texts[number % len(texts)]
        depth = (number % 10 + rng.random()) / 10
        at = text.find("\n", int(depth * (len(text) - 1))) + 1 or len(text)
        documents[str(number)] = Document(f"{text[:at]}{fact}\n{text[at:]}")
    task = replace(load_beir(folder, "test"), qrels={key: {key: 1} for key in documents})
    figures: dict[str, Any] = {"documents": len(documents)}
    for cut_as, chunking in CUT.items():
        corpus = index(encoder, documents, chunking)  # type: ignore[arg-type]
        figures[cut_as] = {"passages": len(corpus.texts)}
        for column, asked in enumerate(("in other words", "naming the thing"), 1):
            questions = {str(number): some[column] for number, some in enumerate(NEEDLES)}
            figures[cut_as][asked] = asked_for(encoder, replace(task, queries=questions), corpus)
    return figures


def asked_for(encoder: Remembering, task: BeirTask, corpus: Corpus) -> dict[str, Any]:
    run = meaning(encoder, task, corpus)
    words = exact(task, corpus)
    ways = {"meaning": run, "stems": words}
    ways |= {f"meaning and stems, {how}": both(run, words, how) for how in HYBRIDS}
    return {name: by_tenth(one) for name, one in ways.items()}


def stems(text: str) -> set[str]:
    """Return the stems of the words that mean something."""
    said = re.findall(r"\w+", telling(text, "english").lower())
    return {
        word for word in re.sub(r"(ing|ed|es|s|er|ly)\b", "", " ".join(said)).split() if len(word) > 2
    } - JOINING


def by_tenth(run: Run) -> dict[str, Any]:
    """Return recall@1 of all, and by the tenth that holds the sentence: i mod 10 in document i."""
    right = [next(iter(hits), None) == key for key, hits in run.items()]
    tenths = [sum(right[tenth::10]) / len(right[tenth::10]) for tenth in range(10)]
    return {"recall@1": round(sum(right) / len(right), 4), "by tenth": tenths}


if __name__ == "__main__":
    main()
