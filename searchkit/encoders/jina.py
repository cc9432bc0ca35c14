"""Jina CLIP 1: JinaBERT reads the text, up to 8,192 tokens of it, and EVA02 the picture.

Sizes come from the tensors' shapes, settings from config.json; a missing key means what it means to the
model's own code. Every tensor is known to belong to one of the two networks before any is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from searchkit.encoders.checkpoint import AGAIN, Checkpoint, Setting, account, below, shapes_of
from searchkit.encoders.device import Placement
from searchkit.encoders.image import ImageTower
from searchkit.encoders.jina_pixels import preprocess
from searchkit.encoders.records import described
from searchkit.encoders.text import TextTower
from searchkit.encoders.tokens import Tokens, read_tokenizer
from searchkit.encoders.towers import TwoTowers, learned_temperature
from searchkit.errors import BadInput
from searchkit.models.eva import Eva, EvaConfig, eva_config, from_eva_clip
from searchkit.models.jina_bert import JinaBert, JinaBertConfig
from searchkit.models.jina_layouts import from_published, jina_bert_config
from searchkit.types import EncoderRecord, Space

PREPROCESSING = 1
WINDOW = 8192
DIM = 768
BERT, EVA = "text_model.transformer.", "vision_model."
SCALE = "logit_scale"
POOLING: dict[str, Literal["mean", "first"]] = {"mean_pooler": "mean", "cls_pooler": "first"}


class Text(nn.Module):
    """The text tower, (b, n) ids → (b, dim). Modules are named as in the checkpoint."""

    tensors = ("text_model.", "text_projection.")
    """How the names of the tower's tensors begin."""

    def __init__(self, bert: JinaBertConfig, proj: nn.Module, projection: nn.Module) -> None:
        super().__init__()
        self.text_model = nn.ModuleDict({"transformer": JinaBert(bert), "proj": proj})
        self.text_projection = projection

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        return self._projected(self.text_model["transformer"](ids, mask))

    def token_vectors(self, ids: Tensor, mask: Tensor) -> Tensor:
        """The tokens through the projections, which are linear: (b, n, dim)."""
        transformer = cast(JinaBert, self.text_model["transformer"])
        return self._projected(transformer.tokens(ids)).float()

    def _projected(self, x: Tensor) -> Tensor:
        out: Tensor = self.text_projection(self.text_model["proj"](x))
        return out


class Images(nn.Module):
    """The image tower, (b, 3, p, p) → (b, dim). Modules are named as in the checkpoint."""

    tensors = (EVA, "visual_projection.")

    def __init__(self, eva: EvaConfig, projection: nn.Module) -> None:
        super().__init__()
        self.vision_model, self.visual_projection = Eva(eva), projection

    def forward(self, pixels: Tensor) -> Tensor:
        out: Tensor = self.visual_projection(self.vision_model(pixels))
        return out


def load(checkpoint: Checkpoint, record: EncoderRecord | None, where: Placement) -> TwoTowers:
    """The encoder in a checkpoint, of which no weights are read yet.

    Raises `BadInput` naming the tensors that are left over, missing or of another shape, or the setting
    that cannot be followed.
    """
    config, shapes = checkpoint.json(), checkpoint.shapes()
    text, vision = _text_settings(config), config.get("vision_config") or {}
    _check_settings(checkpoint, config, text, vision)
    try:
        bert, eva = _bert_config(text, below(BERT, shapes)), _eva_config(vision, below(EVA, shapes))
    except ValueError as error:
        raise BadInput(f"{checkpoint.name}: {error}", hint=AGAIN) from error
    add = config.get("projection_dim", DIM) if config.get("add_projections") else 0
    with torch.device("meta"):  # names and shapes; weights are put in their places when they are read
        texts = Text(bert, _proj(text, bert.width), _projection(text.get("embed_dim", DIM), add))
        images = Images(eva, _projection(eva.dim, add))
    _account(checkpoint, shapes, texts, images)
    dim = add or eva.dim
    if not add and text.get("embed_dim", DIM) != dim:
        raise BadInput(f"{checkpoint.name}: its texts and its pictures differ in dimension", hint=AGAIN)
    window = min(WINDOW, text.get("max_position_embeddings", WINDOW))
    record = described(checkpoint, record, "jina-clip", dim=dim, text_window=window, pixels=eva.pixels)
    return TwoTowers(
        record,
        Space(record.name, checkpoint.sha256, PREPROCESSING, dim),
        TextTower(
            lambda: _tokens(checkpoint, bert, window),
            lambda: _filled(checkpoint, texts),
            where,
            dim=dim,
            is_mean=bert.pooling == "mean",
        ),
        ImageTower(preprocess(checkpoint, eva.pixels), lambda: _filled(checkpoint, images), where, dim=dim),
        lambda: learned_temperature(checkpoint),
    )


def _text_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of text_config and those that it hands on to the transformer, without empty ones."""
    text = config.get("text_config") or {}
    both = {**text, **(text.get("hf_model_config_kwargs") or {})}
    return {key: value for key, value in both.items() if value is not None}


def _check_settings(
    checkpoint: Checkpoint, config: Mapping[str, Any], text: Mapping[str, Any], vision: Mapping[str, Any]
) -> None:
    """Raises `BadInput` for a setting that asks for another network than the two that can be built.

    `pooler_type` has to be there. Without it the model's own code pools the first token; but a configuration
    that lost the key would then silently give vectors that look right and are not.
    """
    settings: tuple[Setting, ...] = (
        ("truncate_dim", config.get("truncate_dim"), (None,)),
        ("text_config.pooler_type", text.get("pooler_type"), POOLING),
        ("text_config.proj_type", text.get("proj_type"), (None, "linear")),
        ("text_config.position_embedding_type", text.get("position_embedding_type", "alibi"), ("alibi",)),
        ("text_config.feed_forward_type", text.get("feed_forward_type", "geglu"), ("geglu",)),
        ("text_config.hidden_act", text.get("hidden_act", "gelu"), ("gelu",)),
        ("vision_config.proj_type", vision.get("proj_type"), (None, "linear")),
        ("vision_config.rope_embeddings", vision.get("rope_embeddings", False), (True,)),
        ("vision_config.post_norm", vision.get("post_norm", False), (False,)),
    )
    checkpoint.check_settings(settings)


def _bert_config(text: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> JinaBertConfig:
    return jina_bert_config(
        shapes,
        heads=text.get("num_attention_heads"),
        eps=text.get("layer_norm_eps", 1e-12),
        pad=text.get("pad_token_id", 0),
        pooling=POOLING[text["pooler_type"]],
    )


def _eva_config(vision: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> EvaConfig:
    sizes = eva_config(
        shapes,
        pixels=vision.get("image_size"),
        head_width=vision.get("head_width", 64),
        pretrained_grid=vision.get("pt_hw_seq_len", 16),
    )
    if not vision.get("intp_freq") and sizes.grid != sizes.pretrained_grid:
        raise ValueError(f"vision_config.intp_freq is off, but {sizes.grid} patches are not pt_hw_seq_len")
    # there is a head where the settings say so; `_account` sees whether its tensors are there
    return replace(sizes, head_dim=vision.get("embed_dim", DIM) if vision.get("proj_type") else 0)


def _proj(text: Mapping[str, Any], width: int) -> nn.Module:
    """The layer behind the pooled tokens: none where they have the dimension and no type is named."""
    dim = text.get("embed_dim", DIM)
    if dim == width and "proj_type" not in text:
        return nn.Identity()
    return nn.Linear(width, dim, bias=text.get("proj_bias", False))


def _projection(width: int, dim: int) -> nn.Module:
    return nn.Linear(width, dim, bias=False) if dim else nn.Identity()


def _renamed(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of the checkpoint under the names of `Text` and `Images`, without the buffers."""
    rest = {name: value for name, value in state.items() if not name.startswith((BERT, EVA))}
    for prefix, named in ((BERT, from_published), (EVA, from_eva_clip)):
        rest |= {prefix + name: value for name, value in named(below(prefix, state)).items()}
    return rest


def _account(checkpoint: Checkpoint, shapes: Mapping[str, tuple[int, ...]], *networks: nn.Module) -> None:
    """Raises `BadInput` unless the tensors are those of the networks, in name and shape."""
    blank = {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}
    have = shapes_of(_renamed(blank))
    want = {name: shape for network in networks for name, shape in shapes_of(network.state_dict()).items()}
    want[SCALE] = (1,) if have.get(SCALE) == (1,) else ()
    account(checkpoint.name, have, want)


def _filled(checkpoint: Checkpoint, network: Text | Images) -> nn.Module:
    """The network with its weights; those of the other tower are not read."""
    state = checkpoint.tensors(lambda name: name.startswith(network.tensors))
    network.load_state_dict(_renamed(state), assign=True)
    return network


def _tokens(checkpoint: Checkpoint, bert: JinaBertConfig, window: int) -> Tokens:
    tokenizer = read_tokenizer(checkpoint)
    if tokenizer.get_vocab_size() > bert.vocabulary or tokenizer.token_to_id("[PAD]") not in (None, bert.pad):
        raise BadInput(
            f"{checkpoint.name}: the tokenizer is of another model: its tokens or its padding", hint=AGAIN
        )
    return Tokens(tokenizer, window, bert.pad)
