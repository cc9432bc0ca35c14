"""The networks that give the vectors of a text's tokens: searchkit's own BERT, and those of transformers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from searchkit.encoders.checkpoint import AGAIN, Checkpoint, account, shapes_of
from searchkit.encoders.device import Placement
from searchkit.encoders.foreign import LOCAL, building, need_transformers
from searchkit.errors import BadInput
from searchkit.models.bert import Bert, BertConfig, from_hugging_face
from searchkit.models.sizes import check_sizes

T5 = ("t5", "mt5", "umt5")
"""The types of networks whose encoder alone is used, as of all that have an encoder and a decoder."""
HEADS = ("pooler.", "cls.", "lm_head.")
"""How the names of tensors begin that no token's vector depends on, like those that end in "position_ids"."""


def token_network(
    checkpoint: Checkpoint, config: Mapping[str, Any], width: int, where: Placement
) -> Callable[[], nn.Module]:
    """A function that makes the network: (b, n) ids and mask → (b, n, width).

    Raises `BadInput` for tensors that are left over, missing or of another shape: of BERT at once, of other
    networks when they are made. Raises `ModelMissing` where transformers is needed and not installed.
    """
    if _is_plain_bert(config):
        network = _bert(checkpoint, config, width)
        return partial(_filled, checkpoint, network)
    need_transformers(checkpoint, "transformers")
    return partial(_foreign, checkpoint, width, where)


def _is_plain_bert(config: Mapping[str, Any]) -> bool:
    """Whether a `config.json` describes exactly the network of `models.bert`."""
    return (
        config.get("model_type") == "bert"
        and config.get("hidden_act", "gelu") == "gelu"
        and config.get("position_embedding_type", "absolute") == "absolute"
        and not config.get("is_decoder")
    )


def _bert(checkpoint: Checkpoint, config: Mapping[str, Any], width: int) -> Bert:
    """The network without weights. Raises `BadInput` unless the tensors are exactly its own."""
    try:
        sizes = BertConfig(**{f.name: config[f.name] for f in fields(BertConfig) if f.name in config})
        check_sizes(sizes)
        with torch.device("meta"):
            network = Bert(sizes)
    except (TypeError, ValueError, RuntimeError, ZeroDivisionError) as error:
        raise BadInput(f"{checkpoint.name}: config.json describes no BERT: {error}", hint=AGAIN) from error
    blank = {name: torch.empty(shape, device="meta") for name, shape in checkpoint.shapes().items()}
    account(checkpoint.name, shapes_of(_renamed(blank)), shapes_of(network.state_dict()))
    if sizes.hidden_size != width:
        raise BadInput(f"{checkpoint.name}: pooling takes {width} numbers of {sizes.hidden_size}", hint=AGAIN)
    return network


def _renamed(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors under the names of `models.bert`; a name that is none of BERT's stays."""
    renamed: dict[str, Tensor] = {}
    for name, value in state.items():
        bare = name.removeprefix("bert.")
        if _is_unused(bare):
            continue
        try:
            renamed |= from_hugging_face({bare: value})
        except KeyError:
            renamed[name] = value
    return renamed


def _filled(checkpoint: Checkpoint, network: Bert) -> Bert:
    network.load_state_dict(_renamed(checkpoint.tensors()), assign=True)
    return network


class Foreign(nn.Module):
    """A network of transformers, called without token types, which it then takes for zeros, as text has."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        out: Tensor = self.network(input_ids=ids, attention_mask=mask, return_dict=True).last_hidden_state
        return out


def _foreign(checkpoint: Checkpoint, width: int, where: Placement) -> Foreign:
    with building(checkpoint) as transformers:
        config = transformers.AutoConfig.from_pretrained(checkpoint.folder, **LOCAL)
        config.use_cache = False
        half = config.model_type in T5 or bool(getattr(config, "is_encoder_decoder", False))
        kind = transformers.AutoModelForTextEncoding if half else transformers.AutoModel
        network, info = kind.from_pretrained(
            checkpoint.folder,
            config=config,
            use_safetensors=True,
            dtype=where.dtype,
            output_loading_info=True,
            **LOCAL,
        )
    dropped = ("decoder.",) if half else ()
    left_over = [n for n in info["unexpected_keys"] if not _is_unused(n) and not n.startswith(dropped)]
    missing = [name for name in info["missing_keys"] if not _is_unused(name)]
    account(
        checkpoint.name, dict.fromkeys(left_over, ()), dict.fromkeys(missing, ())
    )  # of shapes it is strict
    if config.hidden_size != width:
        raise BadInput(
            f"{checkpoint.name}: pooling takes {width} numbers of {config.hidden_size}", hint=AGAIN
        )
    return Foreign(network)


def _is_unused(name: str) -> bool:
    return name.startswith(HEADS) or name.endswith("position_ids")
