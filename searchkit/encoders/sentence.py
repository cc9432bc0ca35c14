"""Sentence encoders in the form of sentence-transformers: text alone, pooled.

Text reaches the network as ids of the checkpoint's tokenizer.json and in no other way: what looks like a
path or an address is never opened.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from tokenizers.normalizers import Lowercase
from tokenizers.normalizers import Sequence as Normalizers
from torch import nn

from searchkit.encoders.checkpoint import AGAIN, Checkpoint
from searchkit.encoders.device import Placement
from searchkit.encoders.records import described
from searchkit.encoders.sentence_modules import OTHER, PICTURES, read_modules
from searchkit.encoders.sentence_networks import token_network
from searchkit.encoders.text import TextTower
from searchkit.encoders.tokens import Tokens, read_tokenizer
from searchkit.encoders.towers import TwoTowers
from searchkit.errors import BadInput
from searchkit.types import EncoderRecord, Space

PREPROCESSING = 1
FAMILY = "sentence-transformers"
WINDOW = 512
"""Where no file of a checkpoint names one."""
UNLIMITED = 1_000_000
"""A model_max_length beyond this is how a tokenizer says that it knows of none."""
OFFSET = (
    "camembert",
    "data2vec-text",
    "ibert",
    "longformer",
    "mpnet",
    "roberta",
    "roberta-prelayernorm",
    "xlm-roberta",
    "xlm-roberta-xl",
    "xmod",
)
"""Networks whose first position has the number of the padding token, plus one."""
QUERY, PASSAGE = ("query",), ("passage", "document", "corpus")
"""Under which names a checkpoint may keep its prompts."""


def load(found: Checkpoint, record: EncoderRecord | None, where: Placement) -> TwoTowers:
    """The encoder in a checkpoint, of which no weights are read yet.

    Raises `BadInput` for one that would run code of its own, that reads more than text, or whose files do
    not fit together; `ModelMissing` for a file that is not there, and for a package that it needs.
    """
    found.need("tokenizer.json")
    modules = read_modules(found)
    config, settings = found.json(), _settings(found)
    _check(found, config, settings)
    window = _window(found, config, settings)
    record = _described(found, record, dim=modules.dim, window=window)
    if not modules.pools_prompts and (record.query_prompt or record.passage_prompt):
        raise BadInput(
            f"{found.name} leaves its prompts out of the pooling, which cannot be followed",
            hint=OTHER,
        )
    tokens = token_network(found, config, modules.width, where)

    def network() -> nn.Module:
        return modules.around(found, tokens())

    text = TextTower(
        partial(_tokens, found, config, settings, window),
        network,
        where,
        dim=record.dim,
        is_mean=modules.is_mean,
    )
    return TwoTowers(record, Space(record.name, modules.sha256(found), PREPROCESSING, record.dim), text, None)


def _settings(found: Checkpoint) -> dict[str, Any]:
    """sentence_bert_config.json, which older checkpoints name after their network."""
    files = sorted(path.name for path in found.folder.glob("sentence_*_config.json"))
    return found.json(files[0]) if files else {}


def _check(found: Checkpoint, config: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    """Raises `BadInput` for a checkpoint whose vectors do not come from its files alone, or not from text."""
    attention = [str(config.get(key) or "") for key in ("attn_implementation", "_attn_implementation")]
    if config.get("auto_map") or any("/" in name for name in attention):
        raise BadInput(
            f"{found.name}: config.json asks for code that is not of a known network: it is not run",
            hint=OTHER,
        )
    if found.has("adapter_config.json"):
        raise BadInput(f"{found.name} is an adapter for another model", hint="merge the two, and name that")
    modalities = set(settings.get("modality_config") or {"text"})
    if "vision_config" in config or modalities - {"text", "message"}:
        raise BadInput(f"{found.name} is no encoder of text alone", hint=PICTURES)
    for key, readable in (
        ("transformer_task", "feature-extraction"),
        ("module_output_name", "token_embeddings"),
    ):
        if settings.get(key, readable) != readable:
            raise BadInput(
                f"{found.name} has {key} {settings[key]!r}: it gives no token vectors",
                hint=f"what can be read: {readable}",
            )
    for key in ("config_args", "config_kwargs"):
        changed = sorted(set(settings.get(key) or {}) - {"trust_remote_code"})
        if changed:
            raise BadInput(f"{found.name} changes {', '.join(changed)} of config.json ({key})", hint=AGAIN)


def _window(found: Checkpoint, config: Mapping[str, Any], settings: Mapping[str, Any]) -> int:
    """Tokens of a text: what the checkpoint says, and never more than the network has positions for."""
    said = settings.get("max_seq_length") or _tokenizer_config(found).get("model_max_length") or UNLIMITED
    positions = config.get("max_position_embeddings") or UNLIMITED
    if config.get("model_type") in OFFSET:
        positions -= config.get("pad_token_id", 1) + 1
    window = min(int(said), int(positions))
    return window if window < UNLIMITED else WINDOW


def _tokenizer_config(found: Checkpoint) -> dict[str, Any]:
    return found.json("tokenizer_config.json") if found.has("tokenizer_config.json") else {}


def _described(found: Checkpoint, record: EncoderRecord | None, *, dim: int, window: int) -> EncoderRecord:
    """The record; of a checkpoint that is not in the table, with the prompts that its files name."""
    full = described(found, record, FAMILY, dim=dim, text_window=window, pixels=0)
    if record is not None or not found.has("config_sentence_transformers.json"):
        return full
    said = found.json("config_sentence_transformers.json")
    prompts = said.get("prompts") or {}
    default = prompts.get(said.get("default_prompt_name") or "") or ""
    query, passage = (
        next((prompts[name] for name in names if prompts.get(name)), default) for names in (QUERY, PASSAGE)
    )
    return replace(full, query_prompt=query, passage_prompt=passage)


def _tokens(found: Checkpoint, config: Mapping[str, Any], settings: Mapping[str, Any], window: int) -> Tokens:
    tokenizer, path = read_tokenizer(found), found.path("tokenizer.json")
    if tokenizer.get_vocab_size() > config.get("vocab_size", 0):
        raise BadInput(f"{path} is of another model: it has more tokens than the network", hint=AGAIN)
    if settings.get("do_lower_case"):
        rest = [tokenizer.normalizer] if tokenizer.normalizer is not None else []
        tokenizer.normalizer = Normalizers([Lowercase(), *rest])
    tokens = Tokens(tokenizer, window, config.get("pad_token_id") or 0)
    if any(tokenizer.encode("a").type_ids):
        raise BadInput(f"{path} gives token types, which cannot be followed", hint=AGAIN)
    if _tokenizer_config(found).get("add_eos_token") and not tokens.special[1]:
        raise BadInput(f"{path} puts no token behind a text, as tokenizer_config.json asks", hint=AGAIN)
    return tokens
