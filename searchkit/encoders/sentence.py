"""Sentence encoders in the form of sentence-transformers: text alone, pooled.

Text reaches the network as ids of the checkpoint's tokenizer.json and in no other way: a text that looks like
a path or an address is never opened.
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
TOKENIZER = "tokenizer_config.json"
WINDOW = 512
"""Tokens of a text where no file of a checkpoint names their number."""
UNLIMITED = 1_000_000
"""A model_max_length from which on a tokenizer has no limit."""
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
"""The names under which a checkpoint may keep its prompts."""


def load(checkpoint: Checkpoint, record: EncoderRecord | None, where: Placement) -> TwoTowers:
    """The encoder in a checkpoint, of which no weights are read yet.

    Raises `BadInput` for one that would run code of its own, that reads more than text, or whose files do
    not fit together; `ModelMissing` for a file that is not there, and for a package that it needs.
    """
    checkpoint.need("tokenizer.json")
    modules = read_modules(checkpoint)
    config, settings = checkpoint.json(), _settings(checkpoint)
    _check(checkpoint, config, settings)
    window = _window(checkpoint, config, settings)
    record = _described(checkpoint, record, dim=modules.dim, window=window)
    if not modules.pools_prompts and (record.query_prompt or record.passage_prompt):
        raise BadInput(
            f"{checkpoint.name} leaves its prompts out of the pooling, which cannot be followed",
            hint=OTHER,
        )
    tokens = token_network(checkpoint, config, modules.width, where)

    def network() -> nn.Module:
        return modules.around(checkpoint, tokens())

    text = TextTower(
        partial(_tokens, checkpoint, config, settings, window),
        network,
        where,
        dim=record.dim,
        is_mean=modules.is_mean,
    )
    return TwoTowers(
        record, Space(record.name, modules.sha256(checkpoint), PREPROCESSING, record.dim), text, None
    )


def _settings(checkpoint: Checkpoint) -> dict[str, Any]:
    """The content of sentence_bert_config.json, which older checkpoints name after their network."""
    files = sorted(path.name for path in checkpoint.folder.glob("sentence_*_config.json"))
    return checkpoint.json(files[0]) if files else {}


def _check(checkpoint: Checkpoint, config: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    """Raises `BadInput` for a checkpoint whose vectors do not come from its files alone, or not from text."""
    attention = [str(config.get(key) or "") for key in ("attn_implementation", "_attn_implementation")]
    if config.get("auto_map") or any("/" in name for name in attention):
        raise BadInput(
            f"{checkpoint.name}: config.json asks for code that is not of a known network: it is not run",
            hint=OTHER,
        )
    if checkpoint.has("adapter_config.json"):
        raise BadInput(
            f"{checkpoint.name} is an adapter for another model", hint="merge the two, and name that"
        )
    modalities = set(settings.get("modality_config") or {"text"})
    if "vision_config" in config or modalities - {"text", "message"}:
        raise BadInput(f"{checkpoint.name} is no encoder of text alone", hint=PICTURES)
    for key, readable in (
        ("transformer_task", "feature-extraction"),
        ("module_output_name", "token_embeddings"),
    ):
        if settings.get(key, readable) != readable:
            raise BadInput(
                f"{checkpoint.name} has {key} {settings[key]!r}: it gives no token vectors",
                hint=f"what can be read: {readable}",
            )
    for key in ("config_args", "config_kwargs"):
        changed = sorted(set(settings.get(key) or {}) - {"trust_remote_code"})
        if changed:
            raise BadInput(
                f"{checkpoint.name} changes {', '.join(changed)} of config.json ({key})", hint=AGAIN
            )


def _window(checkpoint: Checkpoint, config: Mapping[str, Any], settings: Mapping[str, Any]) -> int:
    """The most tokens of a text: as the checkpoint says, and no more than the network has positions for."""
    longest = (
        settings.get("max_seq_length")
        or checkpoint.optional_json(TOKENIZER).get("model_max_length")
        or UNLIMITED
    )
    positions = config.get("max_position_embeddings") or UNLIMITED
    if config.get("model_type") in OFFSET:
        positions -= config.get("pad_token_id", 1) + 1
    window = min(int(longest), int(positions))
    return window if window < UNLIMITED else WINDOW


def _described(
    checkpoint: Checkpoint, record: EncoderRecord | None, *, dim: int, window: int
) -> EncoderRecord:
    """The record, with the prompts that the files name for a checkpoint that is not in the table."""
    full = described(checkpoint, record, FAMILY, dim=dim, text_window=window, pixels=0)
    if record is not None:
        return full
    config = checkpoint.optional_json("config_sentence_transformers.json")
    prompts = config.get("prompts") or {}
    default = prompts.get(config.get("default_prompt_name") or "") or ""
    query, passage = (
        next((prompts[name] for name in names if prompts.get(name)), default) for names in (QUERY, PASSAGE)
    )
    return replace(full, query_prompt=query, passage_prompt=passage)


def _tokens(
    checkpoint: Checkpoint, config: Mapping[str, Any], settings: Mapping[str, Any], window: int
) -> Tokens:
    tokenizer, path = read_tokenizer(checkpoint), checkpoint.path("tokenizer.json")
    if tokenizer.get_vocab_size() > config.get("vocab_size", 0):
        raise BadInput(f"{path} is of another model: it has more tokens than the network", hint=AGAIN)
    if settings.get("do_lower_case"):
        rest = [tokenizer.normalizer] if tokenizer.normalizer is not None else []
        tokenizer.normalizer = Normalizers([Lowercase(), *rest])
    tokens = Tokens(tokenizer, window, config.get("pad_token_id") or 0)
    if any(tokenizer.encode("a").type_ids):
        raise BadInput(f"{path} gives token types, which cannot be followed", hint=AGAIN)
    if checkpoint.optional_json(TOKENIZER).get("add_eos_token") and not tokens.special[1]:
        raise BadInput(f"{path} puts no token behind a text, as tokenizer_config.json asks", hint=AGAIN)
    return tokens
