"""SigLIP2 in folders that transformers wrote from end to end: what its tokenizer does to a text, pictures
that patches do not fill, settings that are left out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from searchkit.encoders.towers import TwoTowers
from searchkit.errors import BadInput, ModelMissing
from searchkit.registry import load_encoder
from searchkit.types import Runtime, Vectors

EXACT = Runtime(device="cpu", dtype="float32")
WIDTH, HEADS = 96, 12  # of which the second is what a configuration means that does not say it
PIXELS, PATCH = 54, 16  # three patches by three, and six pixels that no patch covers
TEXTS = [
    "a dog",
    "",
    "   \n\t",
    "A DOG on the BEACH!!",
    "ΟΔΟΣ ΌΡΟΣ, İstanbul; ÄRGER",
    "naïve cafe\u0301 — 犬が 👩‍👩‍👧‍👦",
    "one <eos> two <pad> three",
    "▁ under the roof _",
    "dog and " * 60,
]


def tokenizer(kind: str) -> Any:
    """A byte-fallback BPE with Gemma's special ids: pad 0, end 1."""
    import transformers

    letters = [chr(n) for n in range(97, 123)] + [chr(n) for n in range(65, 91)] + list("ςσά")
    merges = [("d", "o"), ("do", "g"), ("▁", "a"), ("D", "O"), ("DO", "G")]
    marks = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", *(f"<0x{n:02X}>" for n in range(256)), "▁"]
    words = dict.fromkeys([*marks, *letters, *("".join(pair) for pair in merges)])
    vocabulary = {word: n for n, word in enumerate(words)}
    made = getattr(transformers, kind)(vocab=vocabulary, merges=merges, padding_side="right")
    made.add_eos_token, made.add_bos_token = True, False
    made.update_post_processor()
    return made


def model(vocabulary: int) -> torch.nn.Module:
    from transformers import SiglipConfig, SiglipModel

    torch.manual_seed(3)
    base = {"hidden_size": WIDTH, "intermediate_size": 144, "num_hidden_layers": 2}
    text = {**base, "num_attention_heads": HEADS, "vocab_size": vocabulary}
    vision = {**base, "num_attention_heads": HEADS, "image_size": PIXELS, "patch_size": PATCH}
    made: torch.nn.Module = SiglipModel(SiglipConfig(text_config=text, vision_config=vision)).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(torch.randn_like(parameter) * (0.08 if parameter.ndim > 1 else 0.2))
    return made


def write(folder: Path, kind: str = "Siglip2Tokenizer") -> tuple[torch.nn.Module, Any]:
    from transformers import SiglipImageProcessorPil

    words = tokenizer(kind)
    network = model(len(words))
    for part in (words, network, SiglipImageProcessorPil(size={"height": PIXELS, "width": PIXELS})):
        part.save_pretrained(folder)  # type: ignore[operator]
    return network, words


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "siglip2")
    return tmp_path / "siglip2"


def change(path: Path, **fields: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def pictures() -> list[Image.Image]:
    rng = np.random.default_rng(4)
    sizes = [(64, 48), (31, 90), (54, 54), (200, 131), (1, 7)]
    return [Image.fromarray(rng.integers(0, 255, (h, w, 3), np.uint8)) for w, h in sizes]


def seen(folder: Path) -> Vectors:
    encoder = load_encoder(str(folder), EXACT)
    return encoder.encode_images([encoder.prepare_image(picture) for picture in pictures()])


def unit(features: Any) -> Vectors:
    found: Vectors = torch.nn.functional.normalize(features.pooler_output, dim=-1).numpy()
    return found


@torch.inference_mode()
def test_texts_and_pictures_have_the_vectors_that_transformers_gives_them(tmp_path: Path) -> None:
    from transformers import SiglipImageProcessorPil

    network, words = write(tmp_path)
    encoder = load_encoder(str(tmp_path), EXACT)
    ids = words(TEXTS, padding="max_length", max_length=64, truncation=True, return_tensors="pt")["input_ids"]
    wanted = unit(network.get_text_features(input_ids=ids))  # type: ignore[operator]
    found = encoder.encode_text(TEXTS)
    assert np.abs(found - wanted).max() <= 1e-5
    assert np.abs(found[0] - wanted[3:]).max() > 1e-2  # they do differ
    processor = SiglipImageProcessorPil.from_pretrained(tmp_path)
    pixels = processor(pictures(), return_tensors="pt")["pixel_values"]
    shown = unit(network.get_image_features(pixel_values=pixels))  # type: ignore[operator]
    assert encoder.record.pixels == PIXELS and PIXELS % PATCH
    assert np.abs(seen(tmp_path) - shown).max() <= 1e-5
    assert np.abs(shown[0] - shown[1]).max() > 1e-2


@pytest.mark.parametrize("one", TEXTS, ids=lambda one: ascii(one[:20]))
def test_the_ids_are_those_of_transformers(tmp_path_factory: pytest.TempPathFactory, one: str) -> None:
    """Small letters, cut to 64, the end mark kept."""
    folder = tmp_path_factory.mktemp("words")
    _, words = write(folder)
    encoder = load_encoder(str(folder), EXACT)
    assert isinstance(encoder, TwoTowers)
    (ours,) = encoder.text.tokens.ids([one])
    assert ours == words(one, truncation=True, max_length=64)["input_ids"]
    assert len(ours) <= 64 and ours[-1] == 1


def test_capitals_are_made_small_where_the_tokenizer_is_plainly_gemmas(tmp_path: Path) -> None:
    """As the published checkpoints say; transformers then leaves capitals, which the towers never saw."""
    _, words = write(tmp_path, "GemmaTokenizer")
    assert words("A DOG")["input_ids"] != words("a dog")["input_ids"]
    encoder = load_encoder(str(tmp_path), EXACT)
    assert isinstance(encoder, TwoTowers)
    assert encoder.text.tokens.ids(["A DOG"]) == [words("a dog")["input_ids"]]
    assert np.array_equal(*encoder.encode_text(["A DOG", "a dog"]))


def test_only_the_first_siglip_loses_its_punctuation(folder: Path) -> None:
    texts = ["A dog, on   the beach!", "a dog on the beach"]
    assert not np.allclose(*load_encoder(str(folder), EXACT).encode_text(texts), atol=1e-3)
    change(folder / "tokenizer_config.json", tokenizer_class="SiglipTokenizer")
    assert np.array_equal(*load_encoder(str(folder), EXACT).encode_text(texts))


def test_a_setting_that_is_left_out_means_what_transformers_takes_it_for(folder: Path) -> None:
    before = load_encoder(str(folder), EXACT)
    texts, images = before.encode_text(TEXTS), seen(folder)
    change(folder / "config.json", text_config={}, vision_config={"image_size": PIXELS})
    assert np.array_equal(load_encoder(str(folder), EXACT).encode_text(TEXTS), texts)
    assert np.array_equal(seen(folder), images)
    other = {"num_attention_heads": 6}  # and it is used
    change(folder / "config.json", text_config=other, vision_config={**other, "image_size": PIXELS})
    assert not np.allclose(load_encoder(str(folder), EXACT).encode_text(TEXTS), texts, atol=1e-3)
    assert not np.allclose(seen(folder), images, atol=1e-3)


def test_a_picture_size_that_does_not_fit_the_places_is_refused(folder: Path) -> None:
    change(folder / "config.json", vision_config={"image_size": 224})
    with pytest.raises(BadInput, match="image_size of 224, the network 9 places for patches of 16"):
        load_encoder(str(folder), EXACT)


def test_a_naflex_checkpoint_is_refused_with_one_that_can_be_read(tmp_path: Path) -> None:
    from transformers import Siglip2Config, Siglip2Model

    base = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = Siglip2Config(text_config={**base, "vocab_size": 99}, vision_config=base)
    Siglip2Model(config).save_pretrained(tmp_path)
    with pytest.raises(BadInput, match="naflex") as caught:
        load_encoder(str(tmp_path), EXACT)
    assert "google/siglip2-base-patch16-256" in caught.value.hint


def test_a_checkpoint_with_only_a_sentencepiece_model_misses_tokenizer_json(folder: Path) -> None:
    (folder / "tokenizer.json").rename(folder / "spiece.model")
    with pytest.raises(ModelMissing, match=r"tokenizer\.json"):
        load_encoder(str(folder), EXACT)
