"""Zero-shot classification measured on sets so small that a loop over everything is its reference."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from searchkit.encoders.hashing import Hashing
from searchkit.errors import BadInput
from searchkit.evaluation import labels as module
from searchkit.evaluation.labels import (
    LabelledPictures,
    LabelTask,
    evaluate_labels,
    held_out,
    held_out_labels,
    load_labels,
)
from searchkit.search.zeroshot import SINGLE, TEMPLATES, label_vectors

COLOURS = ["red", "green", "blue", "white", "black", "orange", "purple", "olive"]


def picture(number: int) -> bytes:
    """A PNG of noise around one colour."""
    noise = np.random.default_rng(number).integers(0, 90, (6, 6, 3), dtype=np.uint8)
    base = np.asarray(Image.new("RGB", (6, 6), COLOURS[number % len(COLOURS)]), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(np.maximum(base, noise)).save(out, "PNG")
    return out.getvalue()


def write(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    pq.write_table(pa.Table.from_pylist(list(rows)), path)
    return path


def rows(count: int = 24, **more: str) -> list[dict[str, Any]]:
    return [{"image": picture(n), "label": COLOURS[n % len(COLOURS)], **more} for n in range(count)]


def brute_force(pictures: LabelledPictures, templates: Sequence[str]) -> dict[str, float]:
    """Sort all labels for each picture, and look where the right one is."""
    encoder = Hashing()
    classes = sorted(set(pictures.labels))
    vectors = label_vectors(encoder, classes, templates)
    places = []
    for data, label in zip(pictures.images, pictures.labels, strict=True):
        image = encoder.encode_images([encoder.prepare_image(Image.open(io.BytesIO(data)))])[0]
        scores = [float(image @ vector) for vector in vectors]
        order = sorted(range(len(classes)), key=lambda n: (-scores[n], n))
        places.append(order.index(classes.index(label)))
    return {f"top{cut}": sum(place < cut for place in places) / len(places) for cut in (1, 5)}


# measuring


def test_top_1_and_top_5_equal_brute_force(tmp_path: Path) -> None:
    task = load_labels(write(tmp_path / "colours.parquet", rows()))
    found = evaluate_labels(Hashing(), task, batch_size=5)
    assert set(found.metrics) == {"classes", "single", "ensemble"}
    assert found.metrics["classes"] == 8 and found.queries == 24 and found.task == "colours"
    assert found.metrics["single"] == brute_force(task.sources[""], SINGLE)
    assert found.metrics["ensemble"] == brute_force(task.sources[""], TEMPLATES)
    assert 0 < found.metrics["single"]["top5"] < 1  # neither all nor none


def test_single_and_ensemble_differ_in_their_sentences(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = load_labels(write(tmp_path / "colours.parquet", rows()))
    monkeypatch.setattr(module, "PROMPTS", {"single": ("{}.",), "ensemble": ("{}.", "red and {}.", "no {}.")})
    found = evaluate_labels(Hashing(), task).metrics
    for name, templates in module.PROMPTS.items():
        assert found[name] == brute_force(task.sources[""], templates)
    assert found["single"] != found["ensemble"]


def test_ranks_count_the_labels_that_are_nearer() -> None:
    images = np.eye(3, dtype=np.float32)
    texts = np.array([[1, 0, 0], [0.6, 0.8, 0], [0, 0.6, 0.8], [0, 0.8, 0.6]], np.float32)
    ranks = module._ranks(images, texts, np.array([0, 1, 3]), rows=2)
    assert ranks.tolist() == [0, 0, 1]
    assert module._ranks(images, texts, np.array([2, 2, 2])).tolist() == [2, 2, 0]


def test_of_labels_that_are_equally_near_the_earlier_is_nearer() -> None:
    texts = np.array([[1, 0], [1, 0], [0, 1]], np.float32)
    image = np.array([[1, 0]], np.float32)
    assert [int(module._ranks(image, texts, np.array([n]))[0]) for n in range(3)] == [0, 1, 2]


def test_each_source_is_measured_with_its_own_labels(tmp_path: Path) -> None:
    file = write(
        tmp_path / "all.parquet",
        [*rows(16, source="a"), *({**row, "source": "b"} for row in rows(24)[-6:])],
    )
    task = load_labels(file)
    found = evaluate_labels(Hashing(), task)
    assert list(found.metrics) == ["a", "b"] and found.queries == 22
    assert [found.metrics[source]["classes"] for source in "ab"] == [8, 6]
    for source in "ab":
        assert found.metrics[source]["ensemble"] == brute_force(task.sources[source], TEMPLATES)
    alone = evaluate_labels(Hashing(), load_labels(file, source="b"))
    assert alone.metrics == found.metrics["b"] and alone.task == "all/b" and alone.queries == 6


def test_the_first_of_several_names_can_stand_for_a_class(tmp_path: Path) -> None:
    named = [{**row, "label": f"{row['label']}, Color {row['label']}us"} for row in rows()]
    task = load_labels(write(tmp_path / "names.parquet", named))
    plain = evaluate_labels(Hashing(), load_labels(write(tmp_path / "plain.parquet", rows())))
    assert evaluate_labels(Hashing(), task, first=True).metrics == plain.metrics
    assert evaluate_labels(Hashing(), task).metrics != plain.metrics


def test_progress_counts_pictures_and_sentences_to_the_end(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    task = load_labels(write(tmp_path / "colours.parquet", rows()))
    evaluate_labels(
        Hashing(), task, batch_size=10, on_progress=lambda done, total: seen.append((done, total))
    )
    total = 24 + 8 * (1 + len(TEMPLATES))
    assert [done for done, _ in seen] == [10, 20, 24, 32, total] and {t for _, t in seen} == {total}


def test_an_encoder_of_text_alone_is_refused(tmp_path: Path) -> None:
    from dataclasses import replace

    encoder = Hashing()
    encoder.record = replace(encoder.record, pixels=0)
    with pytest.raises(BadInput, match="no image tower"):
        evaluate_labels(encoder, LabelTask("x", {"": LabelledPictures([picture(0)], ["red"])}))


def test_a_picture_that_cannot_be_decoded_is_named() -> None:
    task = LabelTask("x", {"": LabelledPictures([picture(0), b"junk"], ["red", "blue"])})
    with pytest.raises(BadInput, match="picture 2 of x"):
        evaluate_labels(Hashing(), task)


# reading


def test_rows_without_a_label_are_left_out(tmp_path: Path) -> None:
    more = [{"image": picture(1), "label": label} for label in ("", "  ", None)]
    task = load_labels(write(tmp_path / "x.parquet", [*more, *rows(3), *more]))
    assert list(task.sources[""].labels) == ["red", "green", "blue"]
    assert list(task.sources[""].images) == [picture(n) for n in range(3)]


def test_pictures_may_be_structs_and_labels_lose_their_outer_spaces(tmp_path: Path) -> None:
    row = {"image": {"bytes": picture(0), "path": None}, "label": " red "}
    task = load_labels(write(tmp_path / "x.parquet", [row]))
    assert task.sources == {"": LabelledPictures([picture(0)], ["red"])}


def test_the_split_is_chosen_where_there_are_splits(tmp_path: Path) -> None:
    file = write(tmp_path / "x.parquet", [*rows(4, split="train"), *rows(2, split="test")])
    assert len(load_labels(file).sources[""].images) == 2
    train = load_labels(file, "train")
    assert len(train.sources[""].images) == 4 and train.name == "x/train"
    whole = write(tmp_path / "y.parquet", rows(4))
    assert load_labels(whole, "train").name == "y"  # a file without splits is one whole


def test_a_source_or_a_split_that_is_not_there_is_answered_with_those_that_are(tmp_path: Path) -> None:
    file = write(
        tmp_path / "x.parquet",
        [*rows(2, split="train", source="shop"), *rows(2, split="test", source="street")],
    )
    with pytest.raises(BadInput, match="no rows of split dev") as caught:
        load_labels(file, "dev")
    assert caught.value.hint == "splits here: test, train"
    with pytest.raises(BadInput, match="no rows of source beach") as caught:
        load_labels(file, source="beach")
    assert caught.value.hint == "sources here: shop, street"
    with pytest.raises(BadInput, match="no rows of source shop in split test"):
        load_labels(file, source="shop")


@pytest.mark.parametrize(
    ("row", "source", "message"),
    [
        ({"image": b"x", "caption": "a"}, None, "lacks label"),
        ({"label": "a"}, None, "lacks image"),
        ({"image": b"x", "label": "a"}, "shop", "lacks source"),
    ],
)
def test_columns_that_are_missing_are_named(
    tmp_path: Path, row: dict[str, Any], source: str | None, message: str
) -> None:
    with pytest.raises(BadInput, match=message) as caught:
        load_labels(write(tmp_path / "x.parquet", [row]), source=source)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"image": b"", "label": "a"}, "row 1 of x has no image bytes"),
        ({"image": "path.jpg", "label": "a"}, "row 1 of x has no image bytes"),
        ({"image": b"x", "label": 3}, "row 1 of x has no label that is a string"),
        ({"image": b"x", "label": ""}, "no labels in x"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(tmp_path: Path, row: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        load_labels(write(tmp_path / "x.parquet", [row]))


def test_a_file_that_is_no_parquet_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_text("no")
    with pytest.raises(BadInput, match="cannot be read as parquet"):
        load_labels(tmp_path / "x.parquet")
    with pytest.raises(BadInput, match="cannot be read as parquet"):
        load_labels(tmp_path / "absent.parquet")


def test_held_out_pictures_are_told_apart_among_all_classes(tmp_path: Path) -> None:
    whole = load_labels(write(tmp_path / "set.parquet", rows(40)))
    part = held_out_labels(whole, 8)
    kept, group = part.sources[""], whole.sources[""]
    assert [image for image in group.images if held_out(image, 8)] == list(kept.images)
    assert 0 < len(set(kept.labels)) < len(COLOURS), "or the further classes would not show"
    found = evaluate_labels(Hashing(), part)
    assert found.metrics["classes"] == len(COLOURS) and found.queries == len(kept.images)
