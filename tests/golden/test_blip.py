"""BLIP in folders that transformers wrote: captions and scores are those of transformers called directly."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from searchkit.captioners.blip import BlipCaptioner
from searchkit.encoders import foreign
from searchkit.encoders.blip import CAPTIONING, MATCHING, read_blip
from searchkit.encoders.checkpoint import Checkpoint
from searchkit.encoders.device import placement
from searchkit.errors import BadInput, ModelMissing
from searchkit.registry import load_captioner, load_encoder, load_matcher
from searchkit.rerankers.blip import BlipMatcher
from searchkit.types import Runtime
from tests.tiny_blip import CLS, DEC, ENC, PIXELS, SEP, pictures, square, write

EXACT = Runtime(device="cpu", dtype="float32")
TEXTS = ["a dog", "the red cat on the beach", "half of the picture is blue and the right is yellow"]
PARTS = ("text_config", "vision_config")
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def captions(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any, Any]:
    folder = tmp_path_factory.mktemp("captions") / "blip"
    return folder, *write(folder, CAPTIONING)


@pytest.fixture(scope="module")
def matches(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any, Any]:
    folder = tmp_path_factory.mktemp("matches") / "blip"
    return folder, *write(folder, MATCHING)


@pytest.fixture
def copy(matches: tuple[Path, Any, Any], tmp_path: Path) -> Path:
    return Path(shutil.copytree(matches[0], tmp_path / "copy"))


def captioner(folder: Path, **options: int) -> BlipCaptioner:
    _, found = load_captioner(str(folder), EXACT, **options)
    assert isinstance(found, BlipCaptioner)
    return found


def prepared(found: BlipMatcher) -> list[np.ndarray]:
    return [found.preprocess(picture) for picture in pictures()]


def pixels_of() -> torch.Tensor:
    from transformers import BlipImageProcessorPil

    processor = BlipImageProcessorPil(size=square(PIXELS))
    made: torch.Tensor = processor(pictures(), return_tensors="pt")["pixel_values"]
    return made


def png(image: Image.Image) -> bytes:
    data = io.BytesIO()
    image.save(data, "PNG")
    return data.getvalue()


def change(path: Path, **fields: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def test_pictures_reach_the_network_as_transformers_prepares_them(matches: tuple[Path, Any, Any]) -> None:
    found = load_matcher(str(matches[0]), EXACT)
    ours = found.blip.normal(prepared(found))
    assert (ours - pixels_of()).abs().max() <= 1e-6
    assert (ours[0] - ours[1]).abs().max() > 0.1


@torch.inference_mode()
def test_captions_are_those_that_transformers_draws(captions: tuple[Path, Any, Any]) -> None:
    folder, network, words = captions
    ours = captioner(folder, captions=6, seed=3)
    found = ours(pictures()[:2])
    ids = words("a picture of ", return_tensors="pt")["input_ids"]
    settings = {"do_sample": True, "top_k": 0, "max_length": 20, "min_length": 5, "repetition_penalty": 1.1}

    def drawn(picture: int, top_p: float) -> list[str]:
        torch.manual_seed(ours._seed_of(ours.blip.preprocess(pictures()[picture])))
        made = network.generate(
            pixels_of()[picture, None], ids.clone(), top_p=top_p, num_return_sequences=6, **settings
        )
        assert made[:, :4].tolist() == [[DEC, *ids[0, 1:4].tolist()]] * 6
        assert all(5 <= int((row != 0).sum()) <= 20 for row in made)
        return [str(words.decode(row[4:], skip_special_tokens=True)) for row in made]

    for picture in range(len(found)):
        wanted = [text.removeprefix("##") for text in drawn(picture, 0.9) if text]
        assert found[picture] == list(dict.fromkeys(wanted))
    assert found[0] != list(dict.fromkeys(drawn(0, 1.0))), "the nucleus makes a difference"
    assert not any(text.startswith("a picture of") for some in found for text in some)


def test_captions_depend_on_the_seed_and_the_picture_alone(captions: tuple[Path, Any, Any]) -> None:
    ours, state = captioner(captions[0], captions=3, seed=1), torch.get_rng_state()
    shown = pictures()[:3]
    whole = ours(shown)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(99)
    assert captioner(captions[0], captions=3, seed=1)(shown[:0:-1]) == whole[:0:-1]
    assert ours(shown[:1]) == whole[:1] and ours([]) == []
    assert len({tuple(some) for some in whole}) == len(whole) and all(map(len, whole))
    assert captioner(captions[0], captions=3, seed=2)(shown[:1]) != whole[:1]


@torch.inference_mode()
def test_scores_are_those_of_transformers(matches: tuple[Path, Any, Any]) -> None:
    """With [ENC] in place of [CLS] where the text is read with the picture."""
    folder, network, words = matches
    found = load_matcher(str(folder), EXACT)
    judged = found(prepared(found), [TEXTS] * len(pictures()))
    for place, text in enumerate(TEXTS):
        ids = words(text, return_tensors="pt")["input_ids"].repeat(len(pictures()), 1)
        assert ids[0, 0] == CLS and ids[0, -1] == SEP
        cosines = network(ids, pixels_of(), use_itm_head=False).itm_score.diagonal().numpy()
        plain = network(ids, pixels_of()).itm_score.numpy()
        ids[:, 0] = ENC
        logits = network(ids, pixels_of()).itm_score.numpy()
        ours = np.stack([one.logits[place] for one in judged])
        assert np.abs(ours - logits).max() <= 1e-6
        assert np.abs(plain - logits).max() > 1e-3, "[CLS] is another token"
        assert np.abs([one.similarity[place] for one in judged] - cosines).max() <= 1e-6
        scores = np.array([one.scores[place] for one in judged])
        assert np.abs(scores - logits[:, 1] - cosines).max() <= 1e-6
        chance = torch.from_numpy(logits).softmax(dim=-1)[:, 1].numpy()
        assert np.abs([one.probabilities[place] for one in judged] - chance).max() <= 1e-6
    assert np.ptp([one.scores for one in judged], axis=0).min() > 1e-2, "pictures do differ"


def test_what_else_is_in_the_call_changes_no_score(matches: tuple[Path, Any, Any]) -> None:
    found = load_matcher(str(matches[0]), EXACT)
    shown = prepared(found)
    together = found(shown * 5, [TEXTS, [], TEXTS[:1], TEXTS[::-1]] * 5)  # more than one batch
    assert [len(one.scores) for one in together[:4]] == [3, 0, 1, 3]
    for place, one in enumerate(together):
        texts = [TEXTS, [], TEXTS[:1], TEXTS[::-1]][place % 4]
        alone = [float(found([shown[place % 4]], [[text]])[0].scores[0]) for text in texts]
        assert np.abs(one.scores - alone).max(initial=0) <= 1e-5
    assert found([], []) == []


def test_texts_are_cleaned_as_the_captions_were_and_cut(matches: tuple[Path, Any, Any]) -> None:
    found = load_matcher(str(matches[0]), EXACT)
    shown = prepared(found)[:1]
    texts = [
        "A DOG: on the beach!!",
        "a dog on the beach",
        "a dog, on the beach",
        "dog " * 33,
        "dog " * 60,
        "!?",
    ]
    (judged,) = found(shown, [texts])
    assert judged.scores[0] == judged.scores[1] != judged.scores[2]
    assert judged.scores[3] == judged.scores[4] and np.isfinite(judged.scores).all()


def test_another_weight_gives_other_scores_and_captions(
    captions: tuple[Path, Any, Any], copy: Path, tmp_path: Path
) -> None:
    found = load_matcher(str(copy), EXACT)
    before = found(prepared(found), [TEXTS] * 4)
    folder = Path(shutil.copytree(captions[0], tmp_path / "captions"))
    said = captioner(folder)(pictures()[:1])
    for at, start in ((copy, "text_encoder.encoder"), (folder, "text_decoder.bert.encoder")):
        weights = load_file(at / "model.safetensors")
        weights[f"{start}.layer.1.crossattention.self.value.weight"] += 0.5
        save_file(weights, at / "model.safetensors", {"format": "pt"})
    after = load_matcher(str(copy), EXACT)(prepared(found), [TEXTS] * 4)
    assert all(np.abs(one.logits - two.logits).max() > 1e-3 for one, two in zip(before, after, strict=True))
    assert all(np.array_equal(a.similarity, b.similarity) for a, b in zip(before, after, strict=True))
    assert (
        captioner(folder)(pictures()[:1]) != said
        and captioner(folder).identity != captioner(captions[0]).identity
    )


def test_the_eps_of_published_configurations_is_put_right(copy: Path) -> None:
    found = load_matcher(str(copy), EXACT)
    before = found(prepared(found), [TEXTS] * 4)
    vision = json.loads((copy / "config.json").read_text())["vision_config"]
    change(copy / "config.json", vision_config={**vision, "layer_norm_eps": 1e-5})
    again = load_matcher(str(copy), EXACT)(prepared(found), [TEXTS] * 4)
    assert all(np.array_equal(a.scores, b.scores) for a, b in zip(before, again, strict=True))
    change(
        copy / "config.json", vision_config={**vision, "layer_norm_eps": 1e-2}
    )  # which nobody's default is
    other = load_matcher(str(copy), EXACT)(prepared(found), [TEXTS] * 4)
    assert not any(np.allclose(a.scores, b.scores, atol=1e-6) for a, b in zip(before, other, strict=True))


OLD = {
    "_name_or_path": "", "add_cross_attention": False, "architectures": None, "bad_words_ids": None,
    "begin_suppress_tokens": None, "chunk_size_feed_forward": 0, "decoder_start_token_id": None,
    "diversity_penalty": 0.0, "do_sample": False, "early_stopping": False, "encoder_no_repeat_ngram_size": 0,
    "finetuning_task": None, "forced_bos_token_id": None, "forced_eos_token_id": None, "id2label":
    {"0": "LABEL_0", "1": "LABEL_1"}, "initializer_factor": 1.0, "is_encoder_decoder": False, "label2id":
    {"LABEL_0": 0, "LABEL_1": 1}, "length_penalty": 1.0, "max_length": 7, "min_length": 0,
    "no_repeat_ngram_size": 2, "num_beam_groups": 1, "num_beams": 3, "num_return_sequences": 1,
    "output_attentions": False, "output_hidden_states": False, "output_scores": False, "prefix": None,
    "problem_type": None, "pruned_heads": {}, "remove_invalid_values": False, "repetition_penalty": 3.0,
    "return_dict": True, "return_dict_in_generate": False, "suppress_tokens": None, "temperature": 0.1,
    "tf_legacy_loss": False, "tie_encoder_decoder": False, "tokenizer_class": None, "top_k": 50, "top_p": 1.0,
    "torch_dtype": None, "torchscript": False, "typical_p": 1.0, "use_bfloat16": False,
}  # fmt: skip
"""What the configurations of 2022 say of every network; of how to write, some other values than their own."""


def test_old_configurations_are_read_and_do_not_decide_how_captions_are_written(
    captions: tuple[Path, Any, Any], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(captions[0], tmp_path / "old"))
    said = json.loads((folder / "config.json").read_text())
    parts = {part: {**OLD, **said[part], "transformers_version": "4.26.0"} for part in PARTS}
    change(
        folder / "config.json",
        **parts,
        text_config_dict=None,
        vision_config_dict=None,
        logit_scale_init_value=2.6,
    )
    (folder / "generation_config.json").unlink()
    shown = pictures()[:1]
    assert captioner(folder)(shown) == captioner(captions[0])(shown)


@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.json", "preprocessor_config.json"])
def test_a_file_that_is_missing_is_named(copy: Path, file: str) -> None:
    (copy / file).unlink()
    with pytest.raises(ModelMissing, match=file) as caught:
        load_matcher(str(copy), EXACT)
    assert caught.value.exit_code == 5


def test_weights_in_a_pickle_are_refused(copy: Path) -> None:
    torch.save(load_file(copy / "model.safetensors"), copy / "pytorch_model.bin")
    (copy / "model.safetensors").unlink()
    with pytest.raises(BadInput, match="any code"):
        load_matcher(str(copy), EXACT)


def test_a_tensor_that_is_left_over_or_missing_is_named(copy: Path) -> None:
    weights = load_file(copy / "model.safetensors")
    weights["itm_tail.weight"] = weights.pop("text_proj.weight")
    save_file(weights, copy / "model.safetensors", {"format": "pt"})
    found = load_matcher(str(copy), EXACT)
    with pytest.raises(BadInput, match=r"left over: itm_tail\.weight; missing: text_proj\.weight"):
        found(prepared(found), [TEXTS] * 4)


def test_one_for_the_other_and_neither_for_an_encoder(
    captions: tuple[Path, Any, Any], matches: tuple[Path, Any, Any], copy: Path
) -> None:
    with pytest.raises(BadInput, match="no BLIP that matches texts with pictures") as caught:
        load_matcher(str(captions[0]), EXACT)
    assert "Salesforce/blip-itm-base-coco" in caught.value.hint
    with pytest.raises(BadInput, match="no BLIP that writes captions"):
        load_captioner(str(matches[0]), EXACT)
    with pytest.raises(BadInput, match="a BLIP, which is no encoder") as caught:
        load_encoder(str(matches[0]), EXACT)
    assert "--rerank" in caught.value.hint
    change(copy / "config.json", model_type="blip-2")
    with pytest.raises(BadInput, match="no BLIP that writes captions or matches texts with pictures"):
        read_blip(Checkpoint("a copy", copy), placement(EXACT))
    with pytest.raises(ModelMissing, match="no matcher named 'nowhere'"):
        load_matcher("nowhere", EXACT)


def test_without_transformers_the_extra_is_named(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign, "find_spec", lambda name: None)
    with pytest.raises(ModelMissing, match="transformers") as caught:
        load_matcher(str(copy), EXACT)
    assert caught.value.hint == "pip install 'searchkit[blip]'"


def test_a_licence_that_allows_less_is_to_be_accepted(copy: Path) -> None:
    (copy / "README.md").write_text("---\nlicense: bsd-3-clause\n---\n")
    load_matcher(str(copy), EXACT)
    (copy / "README.md").write_text("---\nlicense: cc-by-nc-4.0\n---\n")
    with pytest.raises(BadInput, match="cc-by-nc"):
        load_matcher(str(copy), EXACT)
    load_matcher(str(copy), Runtime(device="cpu", dtype="float32", accept_licence=True))


@pytest.fixture
def cache(captions: tuple[Path, Any, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The hub's cache as it is after a repository has been fetched."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    repository = tmp_path / "hub" / "models--some--blip"
    shutil.copytree(captions[0], repository / "snapshots" / COMMIT)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    yield repository / "snapshots" / COMMIT


def test_a_repository_is_found_offline_and_held_to_its_commit(cache: Path) -> None:
    offline = Runtime(device="cpu", dtype="float32", offline=True)
    name, found = load_captioner("some/blip", offline, captions=2)
    assert name.startswith(f"some/blip@{COMMIT} ") and "2 by nucleus 0.9 of 5 to 20 tokens" in name
    assert load_captioner(f"some/blip@{COMMIT}", offline, captions=2)[0] == name
    assert len(found(pictures()[:1])) == 1
    (cache / "tokenizer.json").unlink()
    with pytest.raises(ModelMissing, match=r"missing tokenizer\.json .*looked in") as caught:
        load_captioner("some/blip", offline)
    assert "models pull some/blip" in caught.value.hint


def test_a_data_set_is_reinforced_with_captions_and_the_store_says_whose(
    captions: tuple[Path, Any, Any], tmp_path: Path
) -> None:
    from searchkit.cli.main import app
    from searchkit.training.data import Pictures
    from searchkit.training.store import ReinforcedPictures, Store

    rows = [{"image": png(image), "captions": ["noise"]} for image in pictures()]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "four.parquet")
    words = ["reinforce", str(tmp_path / "four.parquet"), "--teachers", "hashing", "--augmentations", "1"]
    words += ["--captioner", str(captions[0]), "--device", "cpu", "--dtype", "float32"]
    told = CliRunner().invoke(app, [*words, "--captions", "2"])
    assert told.exit_code == 0, told.exception
    store = tmp_path / "four.reinforced"
    said = captioner(captions[0], captions=2, seed=json.loads((store / "manifest.json").read_text())["seed"])
    assert json.loads((store / "manifest.json").read_text())["captioner"] == said.identity
    read = ReinforcedPictures(
        Pictures("four", [row["image"] for row in rows], [("noise",)] * 4, 1), Store(store)
    )
    assert [list(some) for some in read.synthetic] == said(pictures())
    again = CliRunner().invoke(app, [*words, "--captions", "3"])
    assert isinstance(again.exception, BadInput) and "another captioner" in str(again.exception)
