"""From what was asked to one vector."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from searchkit.encoders.hashing import Hashing
from searchkit.errors import BadInput
from searchkit.search.compose import AVOID, compose
from searchkit.search.question import vector_of
from searchkit.types import Part, Query

ENCODER = Hashing()


def opened(path: str, pixels: int) -> Image.Image:
    return Image.open(path).convert("RGB")


def stored(item: str) -> np.ndarray:
    if item != "known":
        raise BadInput("not in the collection any more")
    return text("stored")


def asked(positives: Sequence[str | Part], negatives: Sequence[str | Part] = ()) -> np.ndarray:
    query = Query(tuple(map(Part.of, positives)), tuple(map(Part.of, negatives)))
    return vector_of(query, ENCODER, opened, stored)


def text(words: str) -> np.ndarray:
    row: np.ndarray = ENCODER.encode_text([words])[0]
    return row


def test_one_text_is_its_own_vector_whatever_its_weight() -> None:
    assert np.array_equal(asked(["dog"]), text("dog"))
    assert np.array_equal(asked([Part(text="dog", weight=7)]), text("dog"))


def test_parts_are_summed_by_weight_and_what_is_to_be_avoided_taken_off() -> None:
    found = asked(["dog", Part(text="beach", weight=2)], ["people", Part(text="sand", weight=0.5)])
    by_hand = text("dog") + 2 * text("beach") - AVOID * text("people") - AVOID * 0.5 * text("sand")
    assert np.allclose(found, by_hand / np.linalg.norm(by_hand), atol=1e-6)
    assert not np.allclose(found, asked(["dog", "beach"]), atol=1e-2)
    assert found.dtype == np.float32 and np.linalg.norm(found) == pytest.approx(1)


def test_a_picture_and_a_text_count_alike(tmp_path: Path) -> None:
    Image.new("RGB", (9, 9), "green").save(tmp_path / "green.png")
    picture = asked([Part(image=str(tmp_path / "green.png"))])
    both = asked(["dog", Part(image=str(tmp_path / "green.png"))])
    assert both @ picture == pytest.approx(both @ text("dog"), abs=1e-6)


def test_an_item_is_its_stored_vector_and_goes_with_a_text() -> None:
    assert np.array_equal(asked([Part(item="known")]), text("stored"))
    both = text("dog") - AVOID * text("stored")
    assert np.allclose(asked(["dog"], [Part(item="known")]), both / np.linalg.norm(both), atol=1e-6)
    with pytest.raises(BadInput, match="any more"):
        asked([Part(item="gone")])


def test_a_text_that_names_a_file_is_a_text(tmp_path: Path) -> None:
    Image.new("RGB", (9, 9), "green").save(tmp_path / "green.png")
    assert np.array_equal(asked([str(tmp_path / "green.png")]), text(str(tmp_path / "green.png")))


@pytest.mark.parametrize(
    ("positives", "negatives", "reason"),
    [
        ([], [], "the query is empty"),
        ([], ["people"], "the query is empty"),
        (["  "], [], "the query is empty"),
        (["dog"], [""], "the query is empty"),
        ([Part()], [], "the query is empty"),
        ([Part(text="a", image="b")], [], "not both"),
        ([Part(text="dog", weight=0)], [], "a weight is 0"),
        (["dog"], [Part(text="cat", weight=-1)], "a weight is -1"),
        (["dog"], [Part(text="cat", weight=float("nan"))], "a weight is nan"),
        (["dog"], [Part(text="dog", weight=1 / AVOID)], "cancel out"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    positives: Sequence[str | Part], negatives: Sequence[str | Part], reason: str
) -> None:
    with pytest.raises(BadInput, match=reason):
        asked(positives, negatives)


def test_a_vector_is_a_whole_question() -> None:
    given = np.arange(64, dtype=np.float32)
    found = vector_of(Query(vector=given.tolist()), ENCODER, opened, stored)
    assert np.allclose(found, given / np.linalg.norm(given))
    with pytest.raises(BadInput, match="whole question"):
        vector_of(Query((Part(text="dog"),), vector=given.tolist()), ENCODER, opened, stored)
    for wrong in ([1.0], [0.0] * 64, [float("nan")] * 64):
        with pytest.raises(BadInput, match="the vector has shape"):
            vector_of(Query(vector=wrong), ENCODER, opened, stored)


def test_weights_without_a_positive_one_are_refused() -> None:
    with pytest.raises(BadInput, match="weights"):
        compose(np.eye(2), [-1.0, -1.0])
