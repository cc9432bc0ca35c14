"""Checkpoints of open_clip, run by its own networks: OpenCLIP's ViTs, MobileCLIP-S1 to B, MobileCLIP2.

Nothing is fetched to build one: `open_clip_config.json` describes the network, the safetensors hold its
weights. open_clip is imported when a tower is first needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from torch import Tensor, nn

from searchkit.encoders.checkpoint import Checkpoint, account, shapes_of
from searchkit.encoders.device import Placement
from searchkit.encoders.image import ImageTower, Preprocess
from searchkit.encoders.openclip_inputs import Cutting, cutting, framing, module, not_installed
from searchkit.encoders.records import described
from searchkit.encoders.text import TextTower
from searchkit.encoders.towers import TwoTowers, learned_temperature
from searchkit.errors import BadInput
from searchkit.types import EncoderRecord, Space

PREPROCESSING = 1
CONFIG = "open_clip_config.json"
SCALE = "logit_scale"
IMAGE, TEXT = ("visual.",), ("text.",)
BARE_TEXT = ("transformer.", "token_embedding.", "positional_embedding", "ln_final.", "text_projection")
"""How the names of the text tower's tensors begin in models that have no "text." in front of them."""
LEFT_OUT = ("logit_bias", "attn_mask", "position_ids")
"""The last words of names that no vector depends on: the bias of SigLIP's loss, and buffers."""


@dataclass(frozen=True, slots=True)
class Config:
    """The content of `open_clip_config.json`."""

    dim: int
    vision: Mapping[str, Any]
    text: Mapping[str, Any]
    quick_gelu: bool
    """Whether x · σ(1.702 x) stands for GELU: OpenAI's weights, and others', are wrong without it."""
    framing: Preprocess
    cutting: Cutting


class TextNetwork(nn.Module):
    """open_clip's text tower, which finds a text's end in its ids and needs no mask."""

    def __init__(self, tower: nn.Module) -> None:
        super().__init__()
        self.tower = tower

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Runs the tower: (b, window) ids → (b, dim)."""
        out: Tensor = self.tower(ids)
        return out


def load(checkpoint: Checkpoint, record: EncoderRecord | None, where: Placement) -> TwoTowers:
    """The encoder in a checkpoint, of which no weights are read yet.

    Raises `ModelMissing` where open_clip is not installed, `BadInput` for a network of another kind and
    for one that open_clip would have to fetch parts of.
    """
    if find_spec("open_clip") is None:
        raise not_installed("it is not installed")
    config = _config(checkpoint)
    if config.cutting.own:
        checkpoint.need("tokenizer.json")
    _check_names(checkpoint)
    dim, window, pixels = config.dim, config.cutting.window, config.framing.pixels
    record = described(checkpoint, record, "open_clip", dim=dim, text_window=window, pixels=pixels)
    return TwoTowers(
        record,
        Space(record.name, checkpoint.sha256, PREPROCESSING, dim),
        TextTower(
            lambda: config.cutting.tokens(checkpoint), lambda: _text(checkpoint, config), where, dim=dim
        ),
        ImageTower(config.framing, lambda: _images(checkpoint, config), where, dim=dim),
        lambda: learned_temperature(checkpoint),
    )


def _config(checkpoint: Checkpoint) -> Config:
    whole = checkpoint.json(CONFIG)
    try:
        model = whole["model_cfg"]
        vision, text = dict(model["vision_cfg"]), dict(model["text_cfg"])
        _check_kind(model)
        return Config(
            int(model["embed_dim"]),
            vision,
            text,
            bool(model.get("quick_gelu", False)),
            framing(whole.get("preprocess_cfg") or {}, _side(vision)),
            cutting(text),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(
            f"{checkpoint.name}: {CONFIG} describes no network that can be read: {_reason(error)}",
            hint="see those that can: searchkit models",
        ) from error


def _check_kind(model: Mapping[str, Any]) -> None:
    if model.get("multimodal_cfg"):
        raise ValueError("it is a CoCa")
    if model["text_cfg"].get("hf_model_name"):
        raise ValueError("its text tower is described in another repository, which would have to be fetched")


def _side(vision: Mapping[str, Any]) -> int:
    size = vision.get("image_size", 224)
    width, height = size if isinstance(size, Sequence) else (size, size)
    if width != height:
        raise ValueError(f"its pictures are {width} × {height} pixels, which is not square")
    return int(width)


def _reason(error: Exception) -> str:
    return f"it has no {error}" if isinstance(error, KeyError) else str(error)


def _check_names(checkpoint: Checkpoint) -> None:
    """Raises `BadInput` unless every tensor is of one of the towers, or of none for a known reason."""
    placed = (*IMAGE, *_text_prefixes(checkpoint))
    shapes = checkpoint.shapes()
    rest = {n: s for n, s in shapes.items() if not n.startswith(placed) and not _left_out(n)}
    account(checkpoint.name, rest, {SCALE: shapes.get(SCALE, ())})


def _text_prefixes(checkpoint: Checkpoint) -> tuple[str, ...]:
    return TEXT if any(name.startswith(TEXT) for name in checkpoint.shapes()) else BARE_TEXT


def _left_out(name: str) -> bool:
    return name.rpartition(".")[2] in LEFT_OUT


def _text(checkpoint: Checkpoint, config: Config) -> TextNetwork:
    tower = _built(checkpoint, "_build_text_tower", config, config.text)
    return TextNetwork(_filled(checkpoint, tower, _text_prefixes(checkpoint), TEXT[0]))


def _images(checkpoint: Checkpoint, config: Config) -> nn.Module:
    """The image tower; MobileCLIP's branches, which help in training, become one convolution each."""
    of_timm = bool(config.vision.get("timm_model_name"))
    # timm's own weights are never fetched
    sizes = {**config.vision, "timm_model_pretrained": False} if of_timm else config.vision
    tower = _filled(
        checkpoint, _built(checkpoint, "_build_vision_tower", config, sizes), IMAGE, IMAGE[0]
    ).eval()
    if of_timm:
        module("timm.utils").reparameterize_model(tower.trunk, inplace=True)
    return tower


def _built(checkpoint: Checkpoint, builder: str, config: Config, sizes: Mapping[str, Any]) -> nn.Module:
    """One tower, made by one of the two functions that open_clip builds its whole models with."""
    build = getattr(module("open_clip.model"), builder)
    try:
        tower: nn.Module = build(config.dim, dict(sizes), config.quick_gelu)
    except (TypeError, RuntimeError, ValueError, AssertionError) as error:
        raise BadInput(
            f"{checkpoint.name}: open_clip cannot build what {CONFIG} describes ({error})",
            hint="perhaps it is newer than what is here: pip install --upgrade open_clip_torch timm",
        ) from error
    return tower


def _filled(checkpoint: Checkpoint, network: nn.Module, prefixes: tuple[str, ...], dropped: str) -> nn.Module:
    """The network with the tensors whose names begin with one of `prefixes`, which lose `dropped` in front.

    Raises `BadInput` naming those that are left over, missing or of another shape.
    """
    wanted = checkpoint.tensors(lambda name: name.startswith(prefixes) and not _left_out(name))
    tensors = {name.removeprefix(dropped): tensor for name, tensor in wanted.items()}
    account(checkpoint.name, shapes_of(tensors), shapes_of(network.state_dict()))
    network.load_state_dict(tensors, strict=True)
    return network
