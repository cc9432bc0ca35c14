"""The evaluators on sets so small that every figure can be worked out by hand."""

from __future__ import annotations

import gzip
import io
import json
import math
import re
import subprocess
import sys
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from searchkit.errors import BadInput
from searchkit.evaluation import (
    detect_task,
    evaluate_beir,
    evaluate_captions,
    load_beir,
    load_captions,
)
from searchkit.evaluation.passages import Corpus, Words, by_meaning, index, together
from searchkit.types import Chunking, EncoderRecord, Space, Vectors

SECOND = 1 / math.log2(3)
"""What a right answer of grade 1 is worth at rank 2."""


def unit(vectors: Vectors) -> Vectors:
    rows: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return rows


class WordEncoder:
    """A text is the sum of its words' axes, a picture its mean colour on the axes of red, green and blue."""

    DIM = 4096
    COLOURS = ("red", "green", "blue")

    def __init__(self, *, window: int = 64, pixels: int = 1) -> None:
        self.record = EncoderRecord(
            "words", self.DIM, "none", "any", window, pixels, 0.0, "test", "this file"
        )
        self.space = Space("words", "0" * 64, 1, self.DIM)

    def _axis(self, word: str) -> int:
        if word in self.COLOURS:
            return self.COLOURS.index(word)
        return 4 + zlib.crc32(word.encode()) % (self.DIM - 4)

    def encode_text(self, texts: Sequence[str]) -> Vectors:
        vectors = np.zeros((len(texts), self.DIM), np.float32)
        for vector, text in zip(vectors, texts, strict=True):
            words = text.split()[: self.record.text_window - 2]
            for word in words:
                vector[self._axis(word)] += 1
            vector[3] = not words  # an axis of its own for the empty text
        return unit(vectors)

    def encode_images(self, pixels: Sequence[np.ndarray]) -> Vectors:
        vectors = np.zeros((len(pixels), self.DIM), np.float32)
        for vector, picture in zip(vectors, pixels, strict=True):
            vector[:3] = picture.mean(axis=(0, 1))
        return unit(vectors)

    def prepare_image(self, image: Image.Image) -> np.ndarray:
        return np.asarray(image, np.float32)

    def token_offsets(self, text: str) -> Sequence[tuple[int, int]]:
        return [match.span() for match in re.finditer(r"\S+", text)]


def json_lines(records: Sequence[dict[str, Any]]) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def write_beir(folder: Path, corpus: dict[str, str], queries: dict[str, str], qrels: str) -> Path:
    """A BEIR folder; `qrels` has spaces where the file gets tabs."""
    (folder / "qrels").mkdir(parents=True)
    (folder / "corpus.jsonl").write_text(json_lines([{"_id": i, "text": t} for i, t in corpus.items()]))
    (folder / "queries.jsonl").write_text(json_lines([{"_id": i, "text": t} for i, t in queries.items()]))
    (folder / "qrels" / "test.tsv").write_text(qrels.replace(" ", "\t"))
    return folder


@pytest.fixture
def fruit(tmp_path: Path) -> Path:
    """Three documents and three queries, one of them without a relevant document."""
    folder = write_beir(
        tmp_path / "fruit",
        {"d1": "apple banana", "d2": "cherry"},
        {"q1": "apple", "q2": "plum", "q3": "cherry", "unjudged": "pear"},
        "query-id corpus-id score\nq1 d1 1\nq2 d3 1\nq2 d1 2\nq3 d2 0\n",
    )
    with (folder / "corpus.jsonl").open("a") as file:
        file.write(json_lines([{"_id": "d3", "title": "banana", "text": "plum"}]))
    return folder


# q1 finds d1, its one document, first. q2 finds d3 (grade 1), then d2 and d1 (grade 2) with equal
# scores of 0, the higher id first: DCG 1 + 2 / log2(4) = 2 of an ideal 2 + 1 / log2(3).
FRUIT = {
    "recall@1": (1 + 1 / 2) / 2,
    "recall@5": 1.0,
    "recall@10": 1.0,
    "recall@100": 1.0,
    "ndcg@10": (1 + 2 / (2 + SECOND)) / 2,
    "mrr@10": 1.0,
}


def test_a_beir_folder_scores_as_worked_out_by_hand(fruit: Path) -> None:
    evaluation = evaluate_beir(WordEncoder(), load_beir(fruit))
    assert evaluation.metrics == pytest.approx(FRUIT)
    assert (evaluation.task, evaluation.encoder, evaluation.dim) == ("fruit/test", "words", 4096)
    assert evaluation.queries == 2


def test_judged_queries_without_a_relevant_document_are_counted(fruit: Path) -> None:
    task = load_beir(fruit)
    assert list(task.queries) == ["q1", "q2"]
    assert task.left_out == 1


def test_title_and_text_make_the_document(fruit: Path) -> None:
    assert load_beir(fruit).documents == {"d1": "apple banana", "d2": "cherry", "d3": "banana plum"}


def test_compressed_files_score_the_same(fruit: Path) -> None:
    for name in ("corpus.jsonl", "queries.jsonl"):
        plain = fruit / name
        (fruit / f"{name}.gz").write_bytes(gzip.compress(plain.read_bytes()))
        plain.unlink()
    assert evaluate_beir(WordEncoder(), load_beir(fruit)).metrics == pytest.approx(FRUIT)


def test_qrels_of_trec_are_read_too(fruit: Path) -> None:
    expected = load_beir(fruit)
    (fruit / "qrels" / "test.tsv").write_text("q1 0 d1 1\nq2 0 d3 1\nq2 0 d1 2\nq3 0 d2 0\n")
    assert load_beir(fruit) == expected


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_the_batch_size_changes_progress_and_nothing_else(fruit: Path, batch_size: int) -> None:
    seen: list[tuple[int, int]] = []
    evaluation = evaluate_beir(
        WordEncoder(),
        load_beir(fruit),
        batch_size=batch_size,
        on_progress=lambda done, total: seen.append((done, total)),
    )
    assert evaluation.metrics == pytest.approx(FRUIT)
    assert seen == [(min(done, 3), 3) for done in range(batch_size, 3 + batch_size, batch_size)]


@pytest.fixture
def long_document(tmp_path: Path) -> Path:
    """What answers the query lies past the window of an encoder that reads four words."""
    corpus = {"a": "one two three four five six needle eight nine ten", "b": "thread", "c": ""}
    return write_beir(tmp_path / "long", corpus, {"q": "needle"}, "q a 1\n")


def test_a_whole_document_is_cut_at_the_window(long_document: Path) -> None:
    # All three score 0, so the ids decide: c, b, a.
    metrics = evaluate_beir(WordEncoder(window=6), load_beir(long_document)).metrics
    assert metrics["recall@1"] == 0.0
    assert metrics["mrr@10"] == pytest.approx(1 / 3)


@pytest.mark.parametrize("chunk_tokens", [None, 1, 3])
def test_a_document_scores_as_its_best_passage(long_document: Path, chunk_tokens: int | None) -> None:
    encoder, task = WordEncoder(window=6), load_beir(long_document)
    evaluation = evaluate_beir(encoder, task, chunking=Chunking("window", chunk_tokens))
    assert evaluation.metrics["recall@1"] == 1.0
    assert evaluation.metrics["mrr@10"] == 1.0


@pytest.mark.parametrize("chunk_tokens", [0, 5])
def test_passages_that_the_encoder_would_cut_are_refused(long_document: Path, chunk_tokens: int) -> None:
    encoder, task = WordEncoder(window=6), load_beir(long_document)
    with pytest.raises(BadInput, match=f"passages of {chunk_tokens} tokens") as caught:
        evaluate_beir(encoder, task, chunking=Chunking("window", chunk_tokens))
    assert caught.value.hint == "choose 1 to 4 tokens"


def test_an_unknown_chunking_is_refused(fruit: Path) -> None:
    with pytest.raises(BadInput, match="chunking is 'pages'"):
        evaluate_beir(WordEncoder(), load_beir(fruit), chunking=Chunking("pages"))


def corpus_of(*documents: Sequence[Sequence[float]]) -> Corpus:
    """Documents a, b, …, each of these passages."""
    ids = [chr(ord("a") + n) for n in range(len(documents))]
    rows = np.array([row for rows in documents for row in rows], np.float32)
    starts = np.cumsum([0, *(len(rows) for rows in documents[:-1])])
    return Corpus(ids, [f"w{n}" for n in range(len(rows))], starts, rows)


def test_a_documents_score_is_its_best_passage_or_the_sum_of_three_or_of_reciprocal_ranks() -> None:
    corpus = corpus_of([[0.9, 0]], [[0.8, 0], [0.7, 0], [0.6, 0], [0.5, 0]], [[0.1, 0]])
    query = np.array([[1, 0]], np.float32)
    (best,) = by_meaning(corpus, query, 2)
    assert best == pytest.approx({"a": 0.9, "b": 0.8})
    (total,) = by_meaning(corpus, query, 3, fusion="sum")
    assert total == pytest.approx({"b": 2.1, "a": 0.9, "c": 0.1}) and list(total) == ["b", "a", "c"]
    (ranks,) = by_meaning(corpus, query, 3, fusion="reciprocal")
    assert ranks == pytest.approx({"b": 1 / 62 + 1 / 63 + 1 / 64 + 1 / 65, "a": 1 / 61, "c": 1 / 66})
    with pytest.raises(BadInput, match="mean"):
        next(by_meaning(corpus, query, 1, fusion="mean"))


def test_meaning_and_words_go_together_by_rank_or_by_score() -> None:
    meaning, words = {"a": 0.9, "b": 0.5, "c": 0.4}, {"c": 12.0, "a": 8.0}
    assert together(meaning, words, "convex") == pytest.approx({"a": 0.5, "b": 0.1, "c": 0.5})
    assert together(meaning, words, "reciprocal") == pytest.approx(
        {"a": 1 / 61 + 1 / 62, "c": 1 / 63 + 1 / 61, "b": 1 / 62}
    )
    assert together({"a": 0.3}, {}, "convex") == {"a": 0.5}
    with pytest.raises(BadInput, match="sum"):
        together(meaning, words, "sum")


def test_exact_words_find_what_the_encoder_does_not_read(long_document: Path) -> None:
    encoder, task = WordEncoder(window=6), load_beir(long_document)
    assert evaluate_beir(encoder, task).metrics["recall@1"] == 0.0
    for how in ("reciprocal", "convex"):
        assert evaluate_beir(encoder, task, hybrid=how).metrics["recall@1"] == 1.0


def test_words_are_found_by_their_stems_where_the_language_is_named() -> None:
    corpus = replace(corpus_of([[1.0]], [[1.0], [1.0]]), texts=["rain", "storms rising", "the storm rose"])
    with Words(corpus, language="none") as plain, Words(corpus, language="english") as stems:
        assert list(plain.search("storm", 5)) == ["b"] and plain.search("storming", 5) == {}
        assert list(stems.search("storming", 5)) == ["b"]


def test_a_title_is_the_heading_of_every_passage(tmp_path: Path) -> None:
    folder = tmp_path / "titled"
    write_beir(folder, {"a": "one two three four five six", "b": "thread"}, {"q": "bees six"}, "q a 1\n")
    lines = [
        {"_id": "a", "title": "bees", "text": "one two three four five six"},
        {"_id": "b", "text": "six"},
    ]
    (folder / "corpus.jsonl").write_text(json_lines(lines))
    task, encoder = load_beir(folder), WordEncoder(window=6)
    documents = {key: task.document(key) for key in task.documents}
    corpus = index(encoder, documents, Chunking("heading", overlap=0))
    assert corpus.texts == ["bees\nbees one two", "bees\nthree four five", "bees\nsix", "six"]
    assert corpus.starts.tolist() == [0, 3]
    assert evaluate_beir(encoder, task, chunking=Chunking("heading", overlap=0)).metrics["recall@1"] == 1.0


def test_the_document_that_is_the_query_is_not_a_hit(tmp_path: Path) -> None:
    corpus = {"d1": "apple pie", "d2": "apple tart", "d3": "stone"}
    folder = write_beir(tmp_path / "same", corpus, {"d1": "apple pie"}, "d1 d2 1\n")
    metrics = evaluate_beir(WordEncoder(), load_beir(folder)).metrics
    assert metrics["recall@1"] == 1.0
    assert metrics["mrr@10"] == 1.0


@pytest.mark.parametrize(
    ("file", "line", "message"),
    [
        ("corpus.jsonl", '{"_id": "d4", "text": ', "corpus.jsonl, line 4 is not JSON"),
        ("corpus.jsonl", '{"_id": "d4", "title": "fig"}', "corpus.jsonl, line 4 has no id or no text"),
        ("corpus.jsonl", '["d4", "fig"]', "corpus.jsonl, line 4 has no id or no text"),
        ("corpus.jsonl", '{"_id": "d1", "text": "fig"}', "corpus.jsonl, line 4 repeats the id d1"),
        ("queries.jsonl", '{"_id": 4, "text": "fig"}', "queries.jsonl, line 5 has no id or no text"),
        ("qrels/test.tsv", "q1\td1\tyes", "test.tsv, line 6 is not a judgement"),
        ("qrels/test.tsv", "q1\td1", "test.tsv, line 6 is not a judgement"),
        ("qrels/test.tsv", "q9\td1\t1", "test.tsv, line 6 names q9, which queries.jsonl does not have"),
        ("qrels/test.tsv", "q1\td9\t1", "test.tsv, line 6 names d9, which corpus.jsonl does not have"),
        ("qrels/test.tsv", "q1\td1\t2", "test.tsv, line 6 judges d1 for q1 a second time"),
    ],
)
def test_a_line_that_cannot_be_used_is_named(fruit: Path, file: str, line: str, message: str) -> None:
    with (fruit / file).open("a") as opened:
        opened.write(line + "\n")
    with pytest.raises(BadInput, match=re.escape(message)) as caught:
        load_beir(fruit)
    assert str(fruit) in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize("name", ["corpus.jsonl", "queries.jsonl"])
def test_a_missing_file_is_named_with_the_layout(fruit: Path, name: str) -> None:
    (fruit / name).unlink()
    with pytest.raises(BadInput, match=f"has no {name} or {name}.gz") as caught:
        load_beir(fruit)
    assert "qrels/<split>.tsv" in caught.value.hint


def test_a_missing_split_names_those_that_are_there(fruit: Path) -> None:
    with pytest.raises(BadInput, match=r"dev\.tsv is missing") as caught:
        load_beir(fruit, "dev")
    assert caught.value.hint == "splits here: test"


def test_a_folder_without_judgements_is_refused(fruit: Path) -> None:
    (fruit / "qrels" / "test.tsv").unlink()
    with pytest.raises(BadInput, match="no judgements for split test"):
        load_beir(fruit)


def test_judgements_that_find_nothing_relevant_are_refused(fruit: Path) -> None:
    (fruit / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td1\t0\n")
    with pytest.raises(BadInput, match="names no relevant document"):
        load_beir(fruit)


def test_a_truncated_archive_is_refused(fruit: Path) -> None:
    whole = gzip.compress((fruit / "corpus.jsonl").read_bytes())
    (fruit / "corpus.jsonl").unlink()
    (fruit / "corpus.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadInput, match=r"corpus\.jsonl\.gz cannot be read after line \d"):
        load_beir(fruit)


def picture(colour: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (4, 4), colour).save(file, "PNG")
    return file.getvalue()


RED, GREEN, BLUE = picture("#ff0000"), picture("#00ff00"), picture("#0000ff")
CAPTIONED: dict[str, list[Any]] = {
    "image": [RED, GREEN, BLUE],
    "captions": [["red", "red blue blue"], ["green"], ["green green blue"]],
    "split": ["test", "test", "test"],
}


def write_captions(folder: Path, columns: Mapping[str, object]) -> Path:
    path = folder / "colours.parquet"
    pq.write_table(pa.table(dict(columns)), path)
    return path


# Text to image: "red" and "green" find theirs first; "red blue blue" finds blue before its red, and
# "green green blue" green before its blue. Image to text: red finds its two captions, green its one;
# blue finds "red blue blue" before its own.
COLOURS = {
    "text_to_image": {
        "recall@1": 2 / 4,
        "recall@5": 1.0,
        "recall@10": 1.0,
        "ndcg@10": (2 + 2 * SECOND) / 4,
        "mrr@10": 3 / 4,
    },
    "image_to_text": {
        "recall@1": 2 / 3,
        "recall@5": 1.0,
        "recall@10": 1.0,
        "ndcg@10": (2 + SECOND) / 3,
        "mrr@10": 2.5 / 3,
    },
}


def assert_colours(path: Path, *, task: str) -> None:
    evaluation = evaluate_captions(WordEncoder(), load_captions(path))
    assert evaluation.task == task
    assert evaluation.queries == 4 + 3
    assert evaluation.metrics.keys() == COLOURS.keys()
    for direction, expected in COLOURS.items():
        assert evaluation.metrics[direction] == pytest.approx(expected)


def test_captioned_images_score_as_worked_out_by_hand(tmp_path: Path) -> None:
    assert_colours(write_captions(tmp_path, CAPTIONED), task="colours/test")


def test_a_file_without_splits_is_read_whole(tmp_path: Path) -> None:
    columns = {name: CAPTIONED[name] for name in ("image", "captions")}
    assert_colours(write_captions(tmp_path, columns), task="colours")


def test_one_caption_a_row_is_the_same_task(tmp_path: Path) -> None:
    columns = {
        "image": [RED, GREEN, RED, BLUE],
        "caption": ["red", "green", "red blue blue", "green green blue"],
    }
    assert_colours(write_captions(tmp_path, columns), task="colours")


def test_images_may_be_structs_that_hold_bytes(tmp_path: Path) -> None:
    images = [{"bytes": data, "path": None} for data in CAPTIONED["image"]]
    assert_colours(write_captions(tmp_path, CAPTIONED | {"image": images}), task="colours/test")


def test_other_splits_are_left_alone(tmp_path: Path) -> None:
    path = write_captions(tmp_path, CAPTIONED | {"split": ["train", "test", "train"]})
    task = load_captions(path)
    assert task.images == [GREEN]
    assert task.captions == [["green"]]


def test_an_image_without_captions_is_a_wrong_answer_and_no_query(tmp_path: Path) -> None:
    captions = [["red", "red blue blue"], ["green"], [" "]]
    evaluation = evaluate_captions(
        WordEncoder(), load_captions(write_captions(tmp_path, CAPTIONED | {"captions": captions}))
    )
    assert evaluation.queries == 3 + 2
    assert evaluation.metrics["text_to_image"]["recall@1"] == pytest.approx(2 / 3)
    assert evaluation.metrics["image_to_text"]["recall@1"] == 1.0


def test_progress_counts_images_and_captions_together(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    evaluate_captions(
        WordEncoder(),
        load_captions(write_captions(tmp_path, CAPTIONED)),
        batch_size=2,
        on_progress=lambda done, total: seen.append((done, total)),
    )
    assert seen == [(2, 7), (3, 7), (7, 7)]


def test_missing_columns_are_refused_and_those_found_are_named(tmp_path: Path) -> None:
    path = write_captions(tmp_path, {"picture": [RED], "captions": [["red"]]})
    with pytest.raises(BadInput, match="it has: picture, captions"):
        load_captions(path)


def test_an_unknown_caption_split_names_those_that_are_there(tmp_path: Path) -> None:
    path = write_captions(tmp_path, CAPTIONED | {"split": ["train", "test", "train"]})
    with pytest.raises(BadInput, match="no rows of split dev") as caught:
        load_captions(path, "dev")
    assert caught.value.hint == "splits here: test, train"


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"image": [RED, None, BLUE]}, "row 2 of colours/test has no image bytes"),
        ({"image": ["red.png", "green.png", "blue.png"]}, "row 1 of colours/test has no image bytes"),
        ({"captions": [["red"], None, ["blue"]]}, "row 2 of colours/test has no captions that are strings"),
        ({"captions": [[1], [2], [3]]}, "row 1 of colours/test has no captions that are strings"),
        ({"captions": [[""], [], [""]]}, "no captions in colours/test"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(
    tmp_path: Path, columns: dict[str, list[Any]], message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        load_captions(write_captions(tmp_path, CAPTIONED | columns))


def test_a_file_that_is_no_parquet_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "colours.parquet"
    path.write_text("image,captions\n")
    with pytest.raises(BadInput, match="cannot be read as parquet"):
        load_captions(path)


def test_a_damaged_picture_is_named(tmp_path: Path) -> None:
    path = write_captions(tmp_path, CAPTIONED | {"image": [RED, GREEN[:40], BLUE]})
    with pytest.raises(BadInput, match="picture 2 of colours/test: "):
        evaluate_captions(WordEncoder(), load_captions(path))


def test_an_encoder_without_an_image_tower_is_refused(tmp_path: Path) -> None:
    task = load_captions(write_captions(tmp_path, CAPTIONED))
    with pytest.raises(BadInput, match="words has no image tower"):
        evaluate_captions(WordEncoder(pixels=0), task)


def test_a_task_is_known_by_its_layout(fruit: Path, tmp_path: Path) -> None:
    assert detect_task(fruit) == "beir"
    (fruit / "corpus.jsonl").rename(fruit / "corpus.jsonl.gz")
    assert detect_task(fruit) == "beir"
    assert detect_task(write_captions(tmp_path, CAPTIONED)) == "captions"


@pytest.mark.parametrize("name", ["", "notes.txt", "missing.parquet"])
def test_anything_else_is_refused_with_both_layouts(tmp_path: Path, name: str) -> None:
    (tmp_path / "notes.txt").write_text("nothing to measure")
    with pytest.raises(BadInput, match="is not an evaluation set") as caught:
        detect_task(tmp_path / name)
    assert "corpus.jsonl" in caught.value.hint
    assert ".parquet" in caught.value.hint


def test_measuring_does_not_need_torch() -> None:
    code = "import sys, searchkit.evaluation; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
