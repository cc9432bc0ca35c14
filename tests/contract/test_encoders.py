"""The law of `Encoder`, held to by every encoder that ships."""

from __future__ import annotations

import socket
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from searchkit.encoders.minilm import minilm
from searchkit.encoders.minilm_files import WINDOW
from searchkit.errors import BadInput, ModelMissing
from searchkit.registry import encoder_names, load_encoder
from searchkit.types import Vectors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from searchkit.protocols import Encoder

TEXTS = [
    "a dog on the beach",
    "",
    "   \n\t",
    "Ein Märchen über Größe",
    "犬が海辺を走る",
    "👩‍👩‍👧‍👦 🏳️‍🌈",
    "a\u0301e\u0301 zero\u200bwidth \u202eright to left",
    "nul \x00 and bell \x07",
    "[CLS] [SEP] [PAD]",
    "a longer text than the others " * 8,
    "x" * 20_000,
]
LONG = "word " * 3000
ADDRESSES = [
    "https://example.org/dog.jpg",
    "http://127.0.0.1:1/",
    "file:///etc/passwd",
    "/etc/passwd",
    "../../etc/passwd",
    "s3://bucket/key",
]


class _MiniLMText:
    """MiniLM as the text half of an encoder."""

    def __init__(self) -> None:
        self._tower = minilm()
        self.dim = self._tower.dim

    def encode_text(self, texts: Sequence[str]) -> Vectors:
        return self._tower.encode(texts)

    def token_offsets(self, text: str) -> Sequence[tuple[int, int]]:
        return self._tower.offsets(text)


@cache
def encoder_named(name: str) -> Encoder:
    return load_encoder(name)


@cache
def minilm_text() -> _MiniLMText:
    return _MiniLMText()


@pytest.fixture(params=["hashing", "minilm", "pocket"])
def text(request: pytest.FixtureRequest) -> Encoder | _MiniLMText:
    """Everything that encodes text."""
    if request.param == "minilm":
        return minilm_text()
    return encoder_named(request.param)


@pytest.fixture(params=["hashing", "pocket"])
def encoder(request: pytest.FixtureRequest) -> Encoder:
    return encoder_named(request.param)


def width(encoder: Encoder | _MiniLMText) -> int:
    return encoder.dim if isinstance(encoder, _MiniLMText) else encoder.space.dim


def is_unit(vectors: Vectors, n: int, dim: int) -> bool:
    lengths = np.linalg.norm(vectors, axis=1)
    return (
        vectors.shape == (n, dim) and vectors.dtype == np.float32 and bool(np.allclose(lengths, 1, atol=1e-4))
    )


# text


def test_no_texts_give_no_rows_of_full_width(text: Encoder) -> None:
    assert is_unit(text.encode_text([]), 0, width(text))


def test_every_text_gives_a_unit_row_alike_in_every_company(text: Encoder) -> None:
    together = text.encode_text(TEXTS)
    alone = np.concatenate([text.encode_text([one]) for one in TEXTS])
    assert is_unit(together, len(TEXTS), width(text))
    assert (np.einsum("nd,nd->n", together, alone) >= 0.999).all()
    assert abs(together[0] @ together[3]) < 0.9  # and texts differ


def test_a_very_long_text_gives_a_unit_row_too(text: Encoder) -> None:
    assert is_unit(text.encode_text([LONG]), 1, width(text))


def test_more_texts_than_a_batch_keep_their_order(text: Encoder) -> None:
    texts = [f"number {n} " * (1 + n * 7 % 5) for n in range(40)]
    vectors = text.encode_text(texts)
    backwards = text.encode_text(texts[::-1])[::-1]
    assert (np.einsum("nd,nd->n", vectors, backwards) >= 0.999).all()
    assert (np.argmax(vectors @ backwards.T, axis=1) == np.arange(40)).all()


def test_a_string_that_looks_like_an_address_or_a_path_is_only_text(
    text: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text.encode_text(["whatever is read from disk is read before"])
    monkeypatch.setattr(socket, "socket", _no_socket)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "note.txt").write_text("secret")
    vectors = text.encode_text([*ADDRESSES, "note.txt", str(tmp_path / "note.txt")])
    (tmp_path / "note.txt").unlink()
    assert np.array_equal(vectors, text.encode_text([*ADDRESSES, "note.txt", str(tmp_path / "note.txt")]))


def _no_socket(*_: object, **__: object) -> None:
    raise AssertionError("an encoder opened a connection")


@pytest.mark.parametrize("one", [*TEXTS, LONG], ids=lambda one: ascii(one[:20]))
def test_token_offsets_are_in_order_and_inside_the_whole_text(text: Encoder, one: str) -> None:
    offsets = text.token_offsets(one)
    assert all(0 <= start <= end <= len(one) for start, end in offsets)
    assert [start for start, _ in offsets] == sorted(start for start, _ in offsets)
    if one == LONG:
        assert len(offsets) == 3000  # not cut at the window


def test_text_beyond_the_window_is_cut() -> None:
    long = "sea " * (WINDOW - 2)
    beyond, within = minilm_text().encode_text([long + "unrelated tax law", long])
    assert np.allclose(beyond, within, atol=1e-5)


# pictures


def pictures(n: int) -> list[Image.Image]:
    shapes = [(64, 48), (1, 1), (300, 20), (7, 500), (128, 128)]
    return [
        Image.fromarray(
            np.random.default_rng(i).integers(0, 255, (*shapes[i % len(shapes)][::-1], 3), dtype=np.uint8)
        )
        for i in range(n)
    ]


def test_no_pictures_give_no_rows_of_full_width(encoder: Encoder) -> None:
    assert is_unit(encoder.encode_images([]), 0, encoder.space.dim)


def test_every_picture_gives_a_unit_row_alike_in_every_company(encoder: Encoder) -> None:
    pixels = [encoder.prepare_image(picture) for picture in pictures(7)]
    together = encoder.encode_images(pixels)
    alone = np.concatenate([encoder.encode_images([one]) for one in pixels])
    assert is_unit(together, 7, encoder.space.dim)
    assert (np.einsum("nd,nd->n", together, alone) >= 0.999).all()


def test_plain_white_and_black_pictures_give_unit_rows(encoder: Encoder) -> None:
    plain = [Image.new("RGB", (50, 50), colour) for colour in ("white", "black", "grey")]
    pixels = [encoder.prepare_image(picture) for picture in plain]
    assert is_unit(encoder.encode_images(pixels), 3, encoder.space.dim)


def test_preparing_gives_the_square_that_the_record_says_and_leaves_the_picture(encoder: Encoder) -> None:
    picture = pictures(1)[0]
    before = picture.tobytes()
    pixels = encoder.prepare_image(picture)
    assert pixels.shape == (encoder.record.pixels, encoder.record.pixels, 3) and pixels.dtype == np.uint8
    assert picture.tobytes() == before


def test_the_record_and_the_space_agree(encoder: Encoder) -> None:
    assert encoder.record.dim == encoder.space.dim and encoder.record.name == encoder.space.encoder
    assert len(encoder.space.weights) == 64 and encoder.record.licence == "Apache-2.0"


def test_loading_twice_gives_one_space(encoder: Encoder) -> None:
    assert load_encoder(encoder.record.name).space == encoder.space


# names


@pytest.mark.parametrize("name", ["", "nothing", "~nobody-lives-here/model", "x" * 5000, "a\0b", "/etc"])
def test_an_unknown_encoder_is_refused_with_the_names_that_are_known(name: str) -> None:
    with pytest.raises(ModelMissing, match="no encoder named") as caught:
        load_encoder(name)
    assert all(known in caught.value.hint for known in encoder_names())


@pytest.mark.parametrize("config", ["", "{}", "[]", '{"tower": {"eyes": 2}, "family": "x"}', '{"tower": {}}'])
def test_a_folder_of_another_kind_is_refused(tmp_path: Path, config: str) -> None:
    (tmp_path / "config.json").write_text(config)
    (tmp_path / "model.safetensors").write_bytes(b"")
    refusals = "not JSON|not a JSON object|of a kind that is not known|does not describe an image tower"
    with pytest.raises(BadInput, match=refusals):
        load_encoder(str(tmp_path))


def test_a_folder_with_damaged_weights_is_refused_when_they_are_needed(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"tower": {"pixels": 32}, "family": "x"}')
    (tmp_path / "model.safetensors").write_bytes(b"junk" * 10)
    encoder = load_encoder(str(tmp_path))
    with pytest.raises(BadInput, match="does not hold the tower"):
        encoder.encode_images([encoder.prepare_image(pictures(1)[0])])


def test_a_folder_without_weights_is_a_missing_model(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"tower": {}, "family": "x"}')
    with pytest.raises(ModelMissing, match=r"model\.safetensors"):
        load_encoder(str(tmp_path))
