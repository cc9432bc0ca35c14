"""Sentence encoders against sentence-transformers itself, on small random checkpoints that it wrote."""

from __future__ import annotations

import json
import shutil
import socket
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense, Normalize, Pooling, Transformer
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertModel,
    MPNetConfig,
    MPNetModel,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen3Config,
    Qwen3Model,
    T5Config,
    T5EncoderModel,
    XLMRobertaConfig,
    XLMRobertaModel,
)

from searchkit.encoders import foreign, sentence
from searchkit.encoders.checkpoint import Checkpoint
from searchkit.encoders.device import Placement
from searchkit.encoders.minilm import minilm
from searchkit.encoders.minilm_files import model_folder
from searchkit.encoders.records import RECORDS
from searchkit.encoders.towers import TwoTowers
from searchkit.errors import BadInput, ModelMissing
from searchkit.registry import load_encoder
from searchkit.types import Runtime, Vectors

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGH0123456789/.:-_"
WINDOW = 24
TEXTS = [
    "a dog on the beach",
    "",
    "   spaces around   ",
    "Great BIG letters",
    "café 犬 👍",
    "longer than the window " * 9,
    "[SEP] </s> [PAD]",
    "https://example.org/dog.jpg",
    "/etc/passwd",
]
ROWS = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
WILD = {"initializer_range": 0.4}
"""Far from what training starts with: texts get vectors that differ."""

Built = tuple[type[PreTrainedModel], Any, Tokenizer, dict[str, str]]


def wordpiece(special: dict[str, str]) -> Tokenizer:
    names = [*special.values(), *LETTERS, *("##" + letter for letter in LETTERS)]
    unk = special["unk_token"]
    tokenizer = Tokenizer(models.WordPiece({name: n for n, name in enumerate(names)}, unk_token=unk))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return framed(tokenizer, special)


def unigram(special: dict[str, str]) -> Tokenizer:
    names = [*special.values(), "▁", *LETTERS]
    pieces = [(name, 0.0 if n < len(special) else -3.0) for n, name in enumerate(names)]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=names.index(special["unk_token"])))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    return framed(tokenizer, special)


def framed(tokenizer: Tokenizer, special: dict[str, str]) -> Tokenizer:
    """With the special tokens in front of a text and behind it that there are."""
    kept = [special[key] for key in ("cls_token", "sep_token") if key in special]
    front = [special["cls_token"]] if "cls_token" in special else []
    behind = [special[key] for key in ("sep_token", "eos_token") if key in special]
    tokenizer.add_special_tokens(list(special.values()))
    tokenizer.post_processor = processors.TemplateProcessing(
        single=" ".join([*front, "$A", *behind]),
        special_tokens=[(name, tokenizer.token_to_id(name)) for name in {*kept, *behind}],
    )
    return tokenizer


BERT_TOKENS = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
ROBERTA_TOKENS = {"cls_token": "<s>", "pad_token": "<pad>", "sep_token": "</s>", "unk_token": "<unk>"}
T5_TOKENS = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}


def bert(size: int) -> BertConfig:
    return BertConfig(vocab_size=size, max_position_embeddings=40, pad_token_id=0, **ROWS, **WILD)


def mpnet(size: int) -> MPNetConfig:
    return MPNetConfig(vocab_size=size, max_position_embeddings=WINDOW + 2, pad_token_id=1, **ROWS, **WILD)


def xlm_roberta(size: int) -> XLMRobertaConfig:
    return XLMRobertaConfig(
        vocab_size=size,
        max_position_embeddings=WINDOW + 2,
        type_vocab_size=1,
        pad_token_id=1,
        **ROWS,
        **WILD,
    )


def t5(size: int) -> T5Config:
    return T5Config(
        vocab_size=size, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4, initializer_factor=3.0
    )


def qwen3(size: int) -> Qwen3Config:
    return Qwen3Config(
        vocab_size=size, num_key_value_heads=2, head_dim=8, max_position_embeddings=64, **ROWS, **WILD
    )


KINDS: dict[str, tuple[Any, Any, Callable[[dict[str, str]], Tokenizer], dict[str, str]]] = {
    "bert": (BertModel, bert, wordpiece, BERT_TOKENS),
    "mpnet": (MPNetModel, mpnet, wordpiece, ROBERTA_TOKENS),
    "xlm-roberta": (XLMRobertaModel, xlm_roberta, unigram, ROBERTA_TOKENS),
    "t5": (T5EncoderModel, t5, unigram, T5_TOKENS),
    "qwen3": (Qwen3Model, qwen3, unigram, T5_TOKENS),
}
"""Network, sizes, tokenizer, and its special tokens in the order of their ids."""


def backbone(kind: str, folder: Path, window: int | None = WINDOW) -> Transformer:
    """A random network and its tokenizer, as sentence-transformers takes them up."""
    network, sizes, tokenizer, special = KINDS[kind]
    torch.manual_seed(3)
    made = tokenizer(special)
    PreTrainedTokenizerFast(
        tokenizer_object=made, **special, **({"model_max_length": window} if window else {})
    ).save_pretrained(folder)
    network(sizes(made.get_vocab_size())).save_pretrained(folder)
    return Transformer(str(folder), model_kwargs={"dtype": torch.float32})


def ending(kind: str) -> list[torch.nn.Module]:
    """What follows the network; between them the kinds have all that is met."""
    dense = Dense(32, 16, activation_function=torch.nn.Tanh())
    return {
        "bert": [Pooling(32, "mean"), Normalize()],
        "mpnet": [Pooling(32, "cls"), dense],
        "xlm-roberta": [Pooling(32, ("max", "mean"))],
        "t5": [Pooling(32, "mean"), Dense(32, 48, bias=False, activation_function=torch.nn.Identity())],
        "qwen3": [Pooling(32, "lasttoken"), Normalize()],
    }[kind]


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a kind, written by sentence-transformers."""
    folders: dict[str, Path] = {}

    def of(kind: str) -> Path:
        if kind not in folders:
            folder = tmp_path_factory.mktemp(kind)
            whole = SentenceTransformer(
                modules=[backbone(kind, folder / "network"), *ending(kind)],
                device="cpu",
                prompts={"query": "query: ", "passage": "passage: "},
            )
            whole.save(str(folder / "model"), create_model_card=False)
            folders[kind] = folder / "model"
        return folders[kind]

    return of


@pytest.fixture
def copied(saved: Callable[[str], Path], tmp_path: Path) -> Callable[[str], Path]:
    """A copy of a kind's folder, to be changed."""

    def of(kind: str) -> Path:
        return Path(shutil.copytree(saved(kind), tmp_path / kind))

    return of


def ours(folder: Path) -> TwoTowers:
    encoder = load_encoder(str(folder), Runtime(dtype="float32"))
    assert isinstance(encoder, TwoTowers)
    return encoder


def theirs(folder: Path, texts: list[str]) -> Vectors:
    """Asked in the one way in which it takes a string for nothing but text."""
    encoder = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    found: Vectors = encoder.encode([{"text": text} for text in texts], normalize_embeddings=True)
    return found


def edit(path: Path, **changed: object) -> None:
    found = json.loads(path.read_text()) if path.exists() else {}
    found.update(changed)
    path.write_text(json.dumps({key: value for key, value in found.items() if value is not ...}))


def apart(vectors: Vectors) -> float:
    """The smallest distance between two rows of texts that differ."""
    between = np.linalg.norm(vectors[:, None] - vectors[None], axis=-1)
    return float(between[~np.eye(len(vectors), dtype=bool)].min())


# the same vectors


@pytest.mark.parametrize("kind", KINDS)
def test_vectors_equal_those_of_sentence_transformers(saved: Callable[[str], Path], kind: str) -> None:
    encoder, expected = ours(saved(kind)), theirs(saved(kind), TEXTS)
    found = encoder.encode_text(TEXTS)
    assert apart(expected) > 0.01  # so that equal vectors mean something
    assert found.shape == expected.shape and encoder.record.dim == expected.shape[1]
    assert np.abs(found - expected).max() <= 1e-5
    alone = np.concatenate([encoder.encode_text([text]) for text in TEXTS])
    assert np.abs(alone - expected).max() <= 1e-5


@pytest.mark.parametrize("kind", ["bert", "mpnet"])
def test_one_wrong_weight_is_seen(
    saved: Callable[[str], Path], copied: Callable[[str], Path], kind: str
) -> None:
    folder = copied(kind)
    weights = load_file(folder / "model.safetensors")
    name = next(name for name in weights if name.endswith("layer.1.output.dense.weight"))
    weights[name][0] += 1.0
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert np.abs(ours(folder).encode_text(TEXTS) - theirs(saved(kind), TEXTS)).max() > 1e-3


@pytest.mark.parametrize(
    "mode", ["cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken", ["lasttoken", "cls"]]
)
def test_every_pooling_equals_theirs(copied: Callable[[str], Path], mode: str | list[str]) -> None:
    folder = copied("bert")
    usual = ours(folder).encode_text(TEXTS)
    edit(folder / "1_Pooling" / "config.json", pooling_mode=mode)
    found = ours(folder).encode_text(TEXTS)
    assert np.abs(found - theirs(folder, TEXTS)).max() <= 1e-5
    assert mode in ("mean", "mean_sqrt_len_tokens") or np.abs(found[:, :32] - usual).max() > 1e-3


@pytest.mark.parametrize("mode", ["cls_token", "max_tokens", "mean_sqrt_len_tokens", "lasttoken"])
def test_an_older_checkpoint_is_read_as_it_is_today(copied: Callable[[str], Path], mode: str) -> None:
    """Modules under their older names, pooling by yes and no, the window and lower case beside them."""
    folder = copied("bert")
    modules = json.loads((folder / "modules.json").read_text())
    for module in modules:
        module["type"] = f"sentence_transformers.models.{module['type'].rpartition('.')[2]}"
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "sentence_bert_config.json").write_text(
        json.dumps({"max_seq_length": 9, "do_lower_case": True})
    )
    wanted = {f"pooling_mode_{name}": name == mode for name in ("cls_token", "mean_tokens", "max_tokens")}
    pooling = {"word_embedding_dimension": 32, **wanted, f"pooling_mode_{mode}": True}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    (folder / "config_sentence_transformers.json").unlink()
    encoder = ours(folder)
    assert encoder.record.text_window == 9 and encoder.record.query_prompt == ""
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        expected = theirs(folder, TEXTS)
    assert np.abs(encoder.encode_text(TEXTS) - expected).max() <= 1e-5
    lower, upper = encoder.encode_text(["DOG", "dog"])
    assert np.allclose(lower, upper, atol=1e-6)


def test_a_published_checkpoint_gives_the_vectors_of_the_bundled_tower() -> None:
    encoder = ours(model_folder())
    assert encoder.record.text_window == 256 and encoder.record.dim == 384
    where = Placement(torch.device("cpu"), torch.float32)
    assert np.abs(encoder.encode_text(TEXTS) - minilm(where).encode(TEXTS)).max() <= 1e-5


def test_a_record_of_the_table_keeps_its_prompts(saved: Callable[[str], Path]) -> None:
    known = RECORDS["intfloat/multilingual-e5-small"]
    where = Placement(torch.device("cpu"), torch.float32)
    encoder = sentence.load(Checkpoint(f"{known.name}@{'0' * 40}", saved("xlm-roberta")), known, where)
    assert (encoder.record.query_prompt, encoder.record.passage_prompt) == ("query: ", "passage: ")
    assert encoder.record.licence == "MIT" and encoder.record.dim == encoder.space.dim == 64
    assert encoder.space.encoder == encoder.record.name == f"{known.name}@{'0' * 40}"


@pytest.mark.parametrize(
    ("said", "query", "passage"),
    [
        ({"prompts": {"query": "q: ", "document": "d: "}}, "q: ", "d: "),
        ({"prompts": {"query": "q: ", "document": "", "passage": "p: "}}, "q: ", "p: "),
        ({"prompts": {"query": None, "other": "o: "}}, "", ""),
        ({"prompts": {"query": "q: ", "other": "o: "}, "default_prompt_name": "other"}, "q: ", "o: "),
        ({"prompts": {}}, "", ""),
        ({}, "", ""),
    ],
)
def test_prompts_are_those_of_the_files(
    copied: Callable[[str], Path], said: dict[str, object], query: str, passage: str
) -> None:
    folder = copied("bert")
    (folder / "config_sentence_transformers.json").write_text(json.dumps(said))
    record = ours(folder).record
    assert (record.query_prompt, record.passage_prompt) == (query, passage)


def test_a_prompt_is_text_in_front(saved: Callable[[str], Path]) -> None:
    encoder = ours(saved("bert"))
    assert (encoder.record.query_prompt, encoder.record.passage_prompt) == ("query: ", "passage: ")
    theirs_too = SentenceTransformer(str(saved("bert")), device="cpu", local_files_only=True)
    asked = encoder.encode_text([encoder.record.as_query("a dog")])
    assert np.abs(asked - theirs_too.encode_query(["a dog"], normalize_embeddings=True)).max() <= 1e-5
    assert np.abs(asked - encoder.encode_text(["a dog"])).max() > 1e-3


# text is only ever text


def test_a_text_that_is_a_path_or_an_address_opens_nothing(
    saved: Callable[[str], Path], tmp_path: Path, opened: list[str]
) -> None:
    picture = tmp_path / "dog.jpg"
    texts = [str(picture), "https://example.org/dog.jpg", "http://127.0.0.1:1/dog.png", "/etc/passwd"]
    for kind in ("bert", "xlm-roberta"):
        encoder = ours(saved(kind))
        absent = encoder.encode_text(texts)
        picture.write_bytes(b"\x89PNG of sorts")
        opened.clear()
        assert np.array_equal(encoder.encode_text(texts), absent)
        assert opened == []
        assert np.abs(absent - theirs(saved(kind), texts)).max() <= 1e-5
        picture.unlink()
    assert opened != []  # the other library has read its files meanwhile, and that was seen


@pytest.fixture
def opened() -> Iterator[list[str]]:
    """Files opened and addresses asked for while the test runs."""
    found: list[str] = []
    seen: list[list[str]] = [found]

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if seen and event in ("open", "socket.connect", "socket.getaddrinfo"):
            seen[0].append(f"{event} {arguments[0]}")

    sys.addaudithook(hook)  # for good: it is emptied afterwards
    yield found
    seen.clear()


def test_no_connection_is_opened_to_load(
    saved: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    for kind in ("bert", "mpnet"):
        assert ours(saved(kind)).encode_text(["a dog"]).shape[0] == 1


def test_pictures_are_refused(saved: Callable[[str], Path]) -> None:
    encoder = ours(saved("bert"))
    assert encoder.record.pixels == 0
    with pytest.raises(BadInput, match="text only"):
        encoder.encode_images([np.zeros((4, 4, 3), np.uint8)])


# the window


@pytest.mark.parametrize(
    ("kind", "sentence", "tokenizer", "positions", "window"),
    [
        ("bert", 9, 24, 40, 9),
        ("bert", None, 24, 40, 24),
        ("bert", 64, 24, 40, 40),
        ("bert", None, None, 40, 40),
        ("bert", None, int(1e30), 40, 40),
        ("mpnet", None, None, 26, 24),  # two positions are before the first token
        ("xlm-roberta", 64, None, 26, 24),
        ("t5", None, None, None, 512),
    ],
)
def test_the_window_is_what_the_files_say_and_fits_the_network(
    copied: Callable[[str], Path],
    kind: str,
    sentence: int | None,
    tokenizer: int | None,
    positions: int | None,
    window: int,
) -> None:
    folder = copied(kind)
    edit(folder / "sentence_bert_config.json", max_seq_length=sentence)
    edit(folder / "tokenizer_config.json", model_max_length=... if tokenizer is None else tokenizer)
    edit(folder / "config.json", max_position_embeddings=... if positions is None else positions)
    encoder = ours(folder)
    assert encoder.record.text_window == window
    long = "dog on a beach " * window
    room = window - sum(map(len, encoder.text.tokens.special))
    ends = [end for _, end in encoder.token_offsets(long)]
    whole, full, less = encoder.encode_text([long, long[: ends[room - 1]], long[: ends[room - 2]]])
    assert np.allclose(whole, full, atol=1e-5) and np.abs(less - full).max() > 1e-5


# what is refused


@pytest.mark.parametrize(
    "file",
    ["config.json", "tokenizer.json", "model.safetensors", "1_Pooling/config.json", "2_Dense/config.json"],
)
def test_a_file_that_is_missing_is_named(copied: Callable[[str], Path], file: str) -> None:
    folder = copied("mpnet")
    (folder / file).unlink()
    found = Checkpoint("a model", folder)
    with pytest.raises(ModelMissing, match=file.replace(".", r"\.")):
        sentence.load(found, None, Placement(torch.device("cpu"), torch.float32))


def modules(folder: Path, number: int, **changed: str) -> None:
    listed = json.loads((folder / "modules.json").read_text())
    listed[number].update(changed)
    (folder / "modules.json").write_text(json.dumps(listed))


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "a module of its own": (lambda f: modules(f, 0, type="custom_st.Transformer"), "code of its own"),
    "a module that only sounds like one": (
        lambda f: modules(f, 1, type="sentence_transformers_x.Pooling"),
        "code of its own",
    ),
    "code for its network": (
        lambda f: edit(f / "config.json", auto_map={"AutoModel": "modeling.Net"}),
        "it is not run",
    ),
    "code for its attention": (
        lambda f: edit(f / "config.json", attn_implementation="someone/attention"),
        "it is not run",
    ),
    "CLIP": (lambda f: modules(f, 0, type="sentence_transformers.models.CLIPModel"), "text alone"),
    "pictures": (lambda f: edit(f / "config.json", vision_config={}), "text alone"),
    "pictures in its modalities": (
        lambda f: edit(f / "sentence_bert_config.json", modality_config={"text": {}, "image": {}}),
        "text alone",
    ),
    "a module that is not known": (
        lambda f: modules(f, 1, type="sentence_transformers.models.LSTM"),
        "made of Transformer, LSTM",
    ),
    "a folder outside": (lambda f: modules(f, 1, path="../1_Pooling"), "outside"),
    "an absolute folder": (lambda f: modules(f, 1, path="/etc"), "outside"),
    "a network in a folder": (lambda f: modules(f, 0, path="0_Transformer"), "in 0_Transformer"),
    "no list": (lambda f: (f / "modules.json").write_text('{"a": 1}'), "no list of modules"),
    "no JSON": (lambda f: (f / "modules.json").write_text("["), "modules.json is not JSON"),
    "unknown pooling": (lambda f: edit(f / "1_Pooling" / "config.json", pooling_mode="best"), "by best"),
    "pooling of another width": (
        lambda f: edit(f / "1_Pooling" / "config.json", embedding_dimension=31),
        "31 numbers of 32|takes 32 numbers of 31",
    ),
    "pooling without prompts": (
        lambda f: edit(f / "1_Pooling" / "config.json", include_prompt=False),
        "prompts out of the pooling",
    ),
    "an adapter": (lambda f: edit(f / "adapter_config.json"), "adapter"),
    "another task": (
        lambda f: edit(f / "sentence_bert_config.json", transformer_task="fill-mask"),
        "fill-mask",
    ),
    "a changed configuration": (
        lambda f: edit(f / "sentence_bert_config.json", config_args={"is_causal": False}),
        "changes is_causal",
    ),
}


@pytest.mark.parametrize("kind", ["bert", "mpnet"])
@pytest.mark.parametrize("what", REFUSED)
def test_a_checkpoint_is_refused_for(copied: Callable[[str], Path], what: str, kind: str) -> None:
    folder, (spoil, message) = copied(kind), REFUSED[what]
    spoil(folder)
    with pytest.raises(BadInput, match=message) as caught:
        ours(folder).encode_text(["a"])
    assert caught.value.hint


@pytest.mark.parametrize("function", ["os.system", "torch.hub.load", "torch.nn.modules.activation.PReLU"])
def test_a_projection_with_another_activation_is_refused(
    copied: Callable[[str], Path], function: str
) -> None:
    folder = copied("mpnet")
    edit(folder / "2_Dense" / "config.json", activation_function=function)
    with pytest.raises(BadInput, match="activation_function"):
        ours(folder)


def test_a_projection_is_only_read_from_safetensors(copied: Callable[[str], Path]) -> None:
    folder = copied("mpnet")
    weights = folder / "2_Dense" / "model.safetensors"
    torch.save(load_file(weights), folder / "2_Dense" / "pytorch_model.bin")
    weights.unlink()
    with pytest.raises(BadInput, match=r"only as pytorch_model\.bin"):
        ours(folder)
    (folder / "2_Dense" / "pytorch_model.bin").unlink()
    with pytest.raises(ModelMissing, match=r"2_Dense: missing model\.safetensors"):
        ours(folder)


def test_the_space_knows_a_projection_by_its_weights(copied: Callable[[str], Path]) -> None:
    folder = copied("mpnet")
    weights = folder / "2_Dense" / "model.safetensors"
    before = ours(folder)
    vectors = before.encode_text(["a"])
    save_file({name: value + 0.1 for name, value in load_file(weights).items()}, weights)
    after = ours(folder)
    assert np.abs(vectors - after.encode_text(["a"])).max() > 1e-3
    assert before.space != after.space and len(after.space.weights) == 64
    assert after.space == ours(folder).space


def test_a_projection_of_other_shapes_is_refused(copied: Callable[[str], Path]) -> None:
    folder = copied("mpnet")
    save_file({"linear.weight": torch.zeros(16, 32)}, folder / "2_Dense" / "model.safetensors")
    with pytest.raises(BadInput, match="2_Dense"):
        ours(folder).encode_text(["a"])


@pytest.mark.parametrize("kind", ["bert", "mpnet", "xlm-roberta"])
def test_tensors_that_are_missing_or_left_over_are_named(copied: Callable[[str], Path], kind: str) -> None:
    folder = copied(kind)
    weights = load_file(folder / "model.safetensors")
    name = "encoder.layer.1.output.dense.weight"
    value = weights.pop(name)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(BadInput, match=r"missing: .*layers?\.1\."):
        ours(folder).encode_text(["a"])
    more = {**weights, name: value, "encoder.layer.1.adapter.weight": value.clone()}
    save_file(more, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(BadInput, match=r"left over: .*adapter"):
        ours(folder).encode_text(["a"])
    other = {**weights, name: value[:, :-1].clone()}
    save_file(other, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(BadInput, match=r"shape: |cannot build"):
        ours(folder).encode_text(["a"])


def test_a_checkpoint_without_its_pooler_and_with_heads_is_whole(
    saved: Callable[[str], Path], copied: Callable[[str], Path]
) -> None:
    """As language models are saved: a prefix in front of the network's tensors, a head beside them."""
    for kind, prefix in (("bert", "bert."), ("xlm-roberta", "roberta.")):
        folder = copied(kind)
        weights = {
            prefix + name: value
            for name, value in load_file(folder / "model.safetensors").items()
            if not name.startswith("pooler.")
        }
        weights["lm_head.bias"] = torch.zeros(3)
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
        found = ours(folder).encode_text(TEXTS)
        assert np.abs(found - theirs(saved(kind), TEXTS)).max() <= 1e-5


def test_a_tokenizer_of_another_model_is_refused(
    saved: Callable[[str], Path], copied: Callable[[str], Path]
) -> None:
    folder = copied("xlm-roberta")
    shutil.copy(saved("bert") / "tokenizer.json", folder)
    with pytest.raises(BadInput, match="of another model"):
        ours(folder).encode_text(["a"])
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(BadInput, match="no tokenizer"):
        ours(folder).encode_text(["a"])


def test_bert_needs_no_other_package_and_others_say_which(
    saved: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(foreign, "find_spec", lambda name: None)
    assert ours(saved("bert")).encode_text(["a"]).shape == (1, 32)
    with pytest.raises(ModelMissing, match=r"mpnet.*transformers") as caught:
        ours(saved("mpnet"))
    assert caught.value.hint == "pip install transformers"


def test_loading_says_nothing_and_leaves_the_log_as_it_was(
    saved: Callable[[str], Path], capfd: pytest.CaptureFixture[str]
) -> None:
    from transformers.utils import logging

    folder = saved("mpnet")
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    ours(folder).encode_text(["a"])
    assert capfd.readouterr() == ("", "")
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == (level, bars)
