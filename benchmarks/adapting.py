"""What an adapter is worth: learned from real pairs, chosen on development pairs, measured on test pairs.

    python benchmarks/adapting.py --data FOLDER [--cache FOLDER] [--only PART …]

FOLDER holds `fashion.parquet` (pictures of products with titles) and the BEIR folders `scifact/` and `qmsum/`
(meetings; a training question names the turns that answer it). Vectors are
kept in the cache, since encoding takes most of the time and is not what is measured.
"""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from passages import Remembering, meetings
from report import Arguments, as_text, earlier, machine, write

from searchkit.evaluation.beir import BeirTask, load_beir
from searchkit.evaluation.compare import PRIMARY, Retrieval, compare, to_json
from searchkit.evaluation.passages import index
from searchkit.finetuning.gate import accept_map, scorer
from searchkit.finetuning.generic import Generic
from searchkit.finetuning.pairs import HARD_NEGATIVES, Direction, Pair, Pairs, Side
from searchkit.finetuning.plan import PairFile, load_plan
from searchkit.finetuning.prepared import NEAR, Parts, Prepared, SideVectors
from searchkit.finetuning.query_map import LARGE, Examples, Fitted, MapOptions, fit_map
from searchkit.finetuning.training_set import TrainingSet, load_training_set
from searchkit.finetuning.trial import WAYS, EncoderTrial, candidate
from searchkit.ingest.chunking import chunker, settled
from searchkit.ingest.images import decode_bytes
from searchkit.protocols import Encoder
from searchkit.registry import load_encoder
from searchkit.types import Chunking, Kind, Runtime, Vectors

SEED = 0
ANSWERS = 3
"""How many of the passages that hold its answer a training question is paired with."""
WAY_STEPS = {"lit-image": 60, "lit-text": 115, "lora": 50, "full": 50}
"""Steps of 64 pairs of each way: two to three processor minutes."""
SHUFFLES = range(100, 110)
"""Seeds by which pairs are thrown together. The gate's least gain was chosen with those from 0 to 9, which
therefore prove nothing."""
OTHERS = 4000
"""How many more passages of the training meetings there are, which no question should find."""

TEXT_IMAGE, IMAGE_TEXT = Direction("text", Kind.IMAGE), Direction("image", Kind.PASSAGE)
TEXT_TEXT = Direction("text", Kind.PASSAGE)


def main() -> None:
    parser = Arguments(__doc__, result="adapting.json", data="fashion.parquet, scifact/ and qmsum/")
    parser.add_argument("--cache", type=Path, default=Path(".bench-cache"))
    parser.add_argument("--only", nargs="*", default=["fashion", "scifact", "qmsum", "shuffled", "ways"])
    parser.add_argument("--ways", nargs="*", default=WAYS, help="of the part `ways`")
    options = parser.parsed()
    options.cache.mkdir(parents=True, exist_ok=True)
    results = earlier(options.out)
    results |= {"machine": machine(), "encoder": "pocket", "seed": SEED}
    bench = Bench(options.data, options.cache, options.ways)
    for name in options.only:
        results[name] = getattr(bench, name)()
        print(as_text(results[name]))
        write(results, options.out)


class Bench:
    """The two sets, with the vectors of `pocket`."""

    def __init__(self, data: Path, cache: Path, ways: Sequence[str] = WAYS) -> None:
        self.data, self.cache, self.chosen = data, cache, ways
        self.encoder: Encoder = load_encoder("pocket")
        self.generic = Generic(self.encoder, cache)
        self.texts: Any = Remembering(self.encoder, cache)

    def kept(self, name: str, make: Callable[[], np.ndarray]) -> np.ndarray:
        file = self.cache / f"{name}.npy"
        if not file.is_file():
            np.save(file, make())
        vectors: np.ndarray = np.load(file)
        return vectors

    def fashion(self) -> dict[str, Any]:
        """Titles find pictures and pictures titles: 20,000 pairs teach, 2,000 each choose and test."""
        table = pq.read_table(self.data / "fashion.parquet")
        parts = np.array(table["split"].to_pylist())
        images = self.kept("fashion-image", lambda: self._images(table["image"].to_pylist()))
        titles = self.kept("fashion-title", lambda: self.encoder.encode_text(table["title"].to_pylist()))
        train, dev, test = (np.flatnonzero(parts == name) for name in ("train", "dev", "test"))
        figures: dict[str, Any] = {"pairs": {"train": len(train), "dev": len(dev), "test": len(test)}}
        for direction, queries, items in ((TEXT_IMAGE, titles, images), (IMAGE_TEXT, images, titles)):
            task = _products(queries, items, (train, dev, test))
            figures[str(direction)] = self._run(
                direction, task, options=LARGE, photos=direction == TEXT_IMAGE
            )
        return figures

    def shuffled(self) -> dict[str, Any]:
        """Ask the gate about the same pairs thrown together at random, in all three parts: ten times with
        products and ten times with claims."""
        return {
            name: self._refused(name, make)
            for name, make in (("products", self._shuffled_products), ("claims", self._shuffled_claims))
        }

    def _refused(self, name: str, make: Callable[[int], dict[str, Any]]) -> dict[str, Any]:
        verdicts = []
        for seed in SHUFFLES:
            kept = self.cache / f"shuffled-{name}-{seed}.json"
            if not kept.is_file():
                kept.write_text(json.dumps(make(seed)))
            verdicts.append(json.loads(kept.read_text()))
        return {
            "runs": len(verdicts),
            "rejected": sum(not one["accepted"] for one in verdicts),
            "each": verdicts,
        }

    def _shuffled_products(self, seed: int) -> dict[str, Any]:
        table = pq.read_table(self.data / "fashion.parquet", columns=["split"])
        parts = np.array(table["split"].to_pylist())
        images, titles = (np.load(self.cache / f"fashion-{one}.npy") for one in ("image", "title"))
        rows = [np.flatnonzero(parts == name) for name in ("train", "dev", "test")]
        for part in rows:
            images[part] = images[np.random.default_rng(seed).permutation(part)]
        return _short(self._run(TEXT_IMAGE, _products(titles, images, rows), LARGE, seed=seed))

    def _shuffled_claims(self, seed: int) -> dict[str, Any]:
        task, _ = self._claims(apart=False)
        rng = np.random.default_rng(seed)
        examples = replace(task.examples, positives=rng.permutation(task.examples.positives))
        dev, test = (
            replace(one, right=[one.right[row] for row in rng.permutation(len(one.right))])
            for one in (task.dev, task.test)
        )
        options = MapOptions(mined=(0, HARD_NEGATIVES))
        return _short(self._run(TEXT_TEXT, Task(examples, dev, test), options, seed=seed))

    def ways(self) -> dict[str, Any]:
        """Train the encoder itself on the fashion pairs, each way for some processor minutes, and measure
        what it then finds of everyday photos, whose pairs are replayed. A way that was stopped resumes."""
        table = pq.read_table(self.data / "fashion.parquet")
        pictures, titles = table["image"].to_pylist(), table["title"].to_pylist()
        parts = np.array(table["split"].to_pylist())
        pairs = Pairs("fashion", [Side(data=one) for one in pictures] + [Side(text=one) for one in titles])
        images = self.kept("fashion-image", lambda: self._images(pictures))
        vectors = np.concatenate(
            [images, self.kept("fashion-title", lambda: self.encoder.encode_text(titles))]
        )

        def both(name: str) -> list[Pair]:
            rows = np.flatnonzero(parts == name).tolist()
            there = [Pair(len(titles) + row, row) for row in rows]
            return [pair for one in there for pair in (one, Pair(one.positive, one.query))]

        split = Parts(both("train"), both("dev"), both("test"), 0)
        pairs.pairs = [*split.train, *split.dev, *split.held_out]
        prepared = Prepared(pairs, SideVectors(vectors, vectors), split)
        everyday = load_training_set(self.data, PairFile("flickr8k.parquet", split="train"), pictures=True)
        figures = {}
        for how in self.chosen:
            kept = self.cache / f"way-{how}.json"
            if not kept.is_file():
                kept.write_text(json.dumps(self._way(how, prepared, everyday)))
            figures[how] = json.loads(kept.read_text())
        return figures

    def _way(self, how: str, prepared: Prepared, everyday: TrainingSet) -> dict[str, Any]:
        plan = load_plan(f"adapt-{how}", steps=WAY_STEPS[how])
        runtime = Runtime(device="cpu", dtype="float32")
        copy = candidate(plan, runtime)
        trial = EncoderTrial(copy, prepared, replay=[everyday])
        assert trial.can_judge
        spent = [time.process_time()]  # after each step of this process: an earlier one may have done some
        trial.learn(
            self.cache / f"way-{how}",
            passages={},
            on_progress=lambda *_: spent.append(time.process_time()),
        )
        a_step = (spent[-1] - spent[1]) / max(1, len(spent) - 2)
        result = trial.judge(self.generic, seed=SEED, on_progress=lambda *_: None)
        before = self.photos("pocket", self.encoder)
        after = self._photos(copy.encoder, moved_text="text" in plan.learns)
        return {
            "steps": plan.steps,
            "pairs a step": plan.batch,
            "processor seconds a step": round(a_step, 2),
            "of processor seconds": round(a_step * plan.steps, 1),
            "encoded again": [{"text": "texts"}.get(one, one) for one in plan.learns],
            **result.to_json(),
            "everyday photos": {"before": before, "after": after},
        }

    def photos(self, name: str, encoder: Encoder) -> dict[str, float]:
        file = self.cache / f"photos-{name}.json"
        if not file.is_file():
            file.write_text(json.dumps(self._photos(encoder)))
        figures: dict[str, float] = json.loads(file.read_text())
        return figures

    def _photos(self, encoder: Encoder, moved: Any = None, *, moved_text: bool = False) -> dict[str, float]:
        """Measure captions that find the 1,000 development photos of Flickr8k, through a map if there is
        one."""
        table = pq.read_table(self.data / "flickr8k.parquet", filters=[("split", "=", "dev")])
        captions = table["captions"].to_pylist()
        images = self._images(table["image"].to_pylist(), encoder)
        texts = [caption for group in captions for caption in group]
        queries = (
            encoder.encode_text(texts)
            if moved_text
            else self.kept("photos-captions", lambda: encoder.encode_text(texts))
        )
        task = Retrieval(queries, images, [[row] for row, group in enumerate(captions) for _ in group])
        moved_queries = None if moved is None else moved(queries)
        return {name: round(task.mean(name, moved_queries), 4) for name in ("recall@1", "recall@10", PRIMARY)}

    def scifact(self) -> dict[str, Any]:
        """Let claims find abstracts, as the set is split, and without what the two parts share."""
        return {"as it is split": self._scifact(apart=False), "nothing shared": self._scifact(apart=True)}

    def _scifact(self, *, apart: bool) -> dict[str, Any]:
        task, removed = self._claims(apart=apart)
        return removed | self._both(task)

    def _claims(self, *, apart: bool) -> tuple[Task, dict[str, int]]:
        """Split the claims: a fifth of the 809 training queries, by abstract, chooses, and 300 test."""
        train, test = load_beir(self.data / "scifact", "train"), load_beir(self.data / "scifact", "test")
        documents = list(train.documents)
        items = self.kept("scifact-docs", lambda: self.encoder.encode_text(list(train.documents.values())))
        queries = self._queries("scifact-train-q", train)
        right, tested = _right(train, documents), _right(test, documents)
        final = Retrieval(self._queries("scifact-test-q", test), items, tested)
        # claims come in variants: what shares an abstract with a test claim, or nearly is one, is left out
        known = {row for abstracts in tested for row in abstracts}
        near = (queries @ final.queries.T).max(axis=1) >= NEAR
        fresh = [
            not apart or (not is_near and not known & set(abstracts))
            for is_near, abstracts in zip(near, right, strict=True)
        ]
        queries, right = (
            queries[fresh],
            [abstracts for abstracts, kept in zip(right, fresh, strict=True) if kept],
        )
        chosen = np.random.default_rng(SEED).random(len(documents)) < 0.2
        choosing = np.array([any(chosen[row] for row in abstracts) for abstracts in right])
        # an abstract may answer both a query to learn from and one to choose by: those are left out of both
        seen = {row for abstracts, dev in zip(right, choosing, strict=True) if dev for row in abstracts}
        learning = [i for i, abstracts in enumerate(right) if not choosing[i] and not seen & set(abstracts)]
        pairs = [(i, row) for i in learning for row in right[i]]
        examples = Examples(
            queries[[i for i, _ in pairs]],
            items[[row for _, row in pairs]],
            items[:0],
            [[]] * len(pairs),
            items,
        )
        dev = Retrieval(
            queries[choosing],
            items,
            [abstracts for abstracts, dev in zip(right, choosing, strict=True) if dev],
        )
        removed = {"queries to learn from": len(fresh), "removed, near the test": len(fresh) - sum(fresh)}
        return Task(examples, dev, final), removed

    def qmsum(self) -> dict[str, Any]:
        """Let questions find meetings by their passages; the passages that answer them teach."""
        folder = self.data / "qmsum"
        train = load_beir(folder, "train")
        rng = np.random.default_rng(SEED)
        cutter = chunker(settled(Chunking("window"), self.texts), self.texts)
        cut = {key: list(cutter(document)) for key, document in meetings(train).items()}
        spans = {row["_id"]: row["spans"] for row in _lines(folder / "queries.jsonl.gz")}
        pairs: list[tuple[int, str]] = []
        for number, (name, judged) in enumerate(train.qrels.items()):
            (meeting,) = judged
            spoken = _spoken(train.documents[meeting], spans[name])
            answers = [
                p.in_context for p in cut[meeting] if any(p.start < e and s < p.end for s, e in spoken)
            ]
            chosen = rng.permutation(len(answers))[:ANSWERS]
            pairs += [(number, answers[row]) for row in chosen]
        every = [passage.in_context for passages in cut.values() for passage in passages]
        others = [every[row] for row in rng.permutation(len(every))[:OTHERS]]
        queries = self.texts.encode_text(list(train.queries.values()))
        known = list(dict.fromkeys([text for _, text in pairs] + others))
        items = self.texts.encode_text(known)
        place = {text: row for row, text in enumerate(known)}
        examples = Examples(
            queries[[number for number, _ in pairs]],
            items[[place[text] for _, text in pairs]],
            items[:0],
            [[]] * len(pairs),
            items,
        )
        task = Task(examples, *(self._meetings(part) for part in ("dev", "test")))
        return {"pairs": len(pairs)} | self._both(task)

    def _meetings(self, part: str) -> Retrieval:
        """Put the questions of a split to its own meetings, each of which counts as its best passage."""
        task = load_beir(self.data / "qmsum", part)
        corpus = index(self.texts, meetings(task), Chunking("window"))  # type: ignore[arg-type]
        queries = self.texts.encode_text(list(task.queries.values()))
        return Retrieval(queries, corpus.vectors, _right(task, corpus.ids), starts=corpus.starts)

    def _both(self, task: Task) -> dict[str, Any]:
        """Learn without hard negatives, and with them where that is better on the development questions."""
        return {
            name: self._run(TEXT_TEXT, task, MapOptions(mined=mined))
            for name, mined in (("without hard negatives", (0,)), ("as adapt does", (0, HARD_NEGATIVES)))
        }

    def _queries(self, name: str, task: BeirTask) -> Vectors:
        return self.kept(name, lambda: self.encoder.encode_text(list(task.queries.values())))

    def _images(self, pictures: Sequence[bytes], encoder: Encoder | None = None) -> Vectors:
        encoder = encoder or self.encoder
        with ThreadPoolExecutor(2) as threads:
            parts = [
                encoder.encode_images(
                    list(
                        threads.map(
                            lambda data: encoder.prepare_image(decode_bytes(data)),
                            pictures[at : at + 256],
                        )
                    )
                )
                for at in range(0, len(pictures), 256)
            ]
        return np.concatenate(parts)

    def _run(
        self,
        direction: Direction,
        task: Task,
        options: MapOptions,
        *,
        photos: bool = False,
        seed: int = SEED,
    ) -> dict[str, Any]:
        examples, test = task.examples, task.test
        score = scorer(task.dev, self.generic.rehearsal(direction))
        began, processor = time.monotonic(), time.process_time()
        fitted = fit_map(examples, self.generic.bystanders(direction), score, replace(options, seed=seed))
        seconds, processor = time.monotonic() - began, time.process_time() - processor
        intervals = compare(*_scores(test, fitted))
        check = self.generic.check(direction)
        generic = compare(*_scores(check, fitted))[PRIMARY] if check is not None else None
        accepted, why = accept_map(fitted, intervals[PRIMARY], generic)
        everyday = {}
        if photos:
            before = self.photos("pocket", self.encoder)
            everyday = {"before": before, "after": self._photos(self.encoder, fitted.map)}
        return {
            "questions": len(test.queries),
            "learned in seconds": round(seconds, 1),
            "of processor seconds": round(processor, 1),
            "steps": fitted.steps,
            "mined": fitted.mined,
            "strength": 0.0 if fitted.map is None else round(float(fitted.map.strength), 2),
            "dev": {"before": round(fitted.before, 4), "after": round(fitted.score, 4)},
            "test": to_json(intervals),
            "generic": None if generic is None else generic.to_json(),
            "accepted": accepted,
            "why": why,
        } | ({"everyday photos": everyday} if photos else {})


@dataclass(frozen=True, slots=True)
class Task:
    """What teaches, what chooses, and what is measured."""

    examples: Examples
    dev: Retrieval
    test: Retrieval


def _products(queries: Vectors, items: Vectors, parts: Sequence[np.ndarray]) -> Task:
    """Return the task whose rows belong together by number; `parts` are those that teach, choose and test."""
    train, dev, test = parts
    answers = np.ascontiguousarray(items[train])
    examples = Examples(queries[train], answers, items[:0], [[]] * len(train), answers)
    tasks = (Retrieval(queries[part], items[part], [[i] for i in range(len(part))]) for part in (dev, test))
    return Task(examples, *tasks)


def _short(run: dict[str, Any]) -> dict[str, Any]:
    kept = ("of processor seconds", "steps", "strength", "dev", "accepted", "why")
    return {name: run[name] for name in kept} | {PRIMARY: run["test"][PRIMARY]}


def _scores(task: Retrieval, fitted: Fitted) -> tuple[Any, Any]:
    before = task.scores()
    return before, before if fitted.map is None else task.scores(fitted.map(task.queries))


def _right(task: BeirTask, documents: Sequence[str]) -> list[list[int]]:
    place = {document: row for row, document in enumerate(documents)}
    return [[place[d] for d, grade in judged.items() if grade > 0] for judged in task.qrels.values()]


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        yield from map(json.loads, file)


def _spoken(meeting: str, spans: Sequence[Sequence[str]]) -> list[tuple[int, int]]:
    """Yield the first and last character of each span of turns; a turn is a line, and both ends belong to
    it."""
    ends = np.cumsum([len(line) + 1 for line in meeting.split("\n")])
    starts = [0, *ends[:-1]]
    last = len(ends) - 1
    return [(int(starts[min(int(a), last)]), int(ends[min(int(b), last)])) for a, b in spans]


if __name__ == "__main__":
    main()
