"""The bundled encoder as it is shipped: what it is, and that it finds."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from searchkit.encoders.bundled import bundled_folder
from searchkit.ingest.images import decode_file, enough
from searchkit.protocols import Encoder
from searchkit.registry import load_encoder

DATA = Path(__file__).resolve().parents[2] / "data"


@pytest.fixture(scope="module")
def pocket() -> Encoder:
    return load_encoder("pocket")


@pytest.fixture(scope="module")
def album(pocket: Encoder) -> tuple[list[list[str]], np.ndarray]:
    """Captions and vectors of the sample album."""
    lines = [json.loads(line) for line in (DATA / "captions.jsonl").read_text().splitlines()]
    pixels = [pocket.prepare_image(decode_file(DATA / "album" / line["file"]).image) for line in lines]
    return [line["captions"] for line in lines], pocket.encode_images(pixels)


def test_the_weights_fit_the_package_and_are_those_that_the_card_describes() -> None:
    weights = bundled_folder() / "model.safetensors"
    assert weights.stat().st_size <= 20_000_000
    card = (bundled_folder() / "README.md").read_text()
    assert hashlib.sha256(weights.read_bytes()).hexdigest() in card


def test_captions_find_their_drawings(pocket: Encoder, album: tuple[list[list[str]], np.ndarray]) -> None:
    """Five drawings of each of 36 subjects; at random the right one is in the first ten in 6 % of cases."""
    captions, images = album
    texts = pocket.encode_text([three[1] for three in captions])
    scores = texts @ images.T
    rank = (scores > scores.diagonal()[:, None]).sum(axis=1)
    assert (rank < 10).mean() >= 0.6


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_a_picture_turned_by_its_exif_has_the_vector_of_the_upright_one(
    pocket: Encoder, tmp_path: Path, orientation: int
) -> None:
    upright = Image.open(DATA / "album" / "scene-002.jpg").convert("RGB")
    turned = upright.transpose(
        {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}[
            orientation
        ]
    )
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned.save(tmp_path / "turned.jpg", exif=exif, quality=95)
    turned.save(tmp_path / "ignored.jpg", quality=95)
    upright.save(tmp_path / "upright.jpg", quality=95)
    pixels = [
        pocket.prepare_image(decode_file(tmp_path / f"{name}.jpg").image)
        for name in ("upright", "turned", "ignored")
    ]
    vectors = pocket.encode_images(pixels)
    assert vectors[0] @ vectors[1] > 0.99
    assert vectors[0] @ vectors[2] < 0.99, "the tower sees no difference: the test says nothing"


def test_a_draft_decoded_jpeg_has_the_vector_of_a_full_one(pocket: Encoder, tmp_path: Path) -> None:
    large = Image.open(DATA / "album" / "scene-002.jpg").convert("RGB").resize((2400, 1800))
    large.save(tmp_path / "large.jpg", quality=92)
    pixels = [
        pocket.prepare_image(decode_file(tmp_path / "large.jpg", at_least=at_least).image)
        for at_least in (0, enough(pocket.record.pixels))
    ]
    vectors = pocket.encode_images(pixels)
    assert vectors[0] @ vectors[1] > 0.99


def test_a_question_finds_its_passage(pocket: Encoder) -> None:
    passages = [
        "In autumn the hive is fed with sugar syrup.",
        "The tower was bricked up.",
        "Salt the dough last.",
    ]
    scores = pocket.encode_text(["what do bees eat"]) @ pocket.encode_text(passages).T
    assert scores.argmax() == 0
