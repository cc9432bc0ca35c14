"""The families of checkpoints: how each is recognised, which files it needs, and which module reads it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from searchkit.encoders.checkpoint import Checkpoint
from searchkit.encoders.hub import BASIC


@dataclass(frozen=True, slots=True)
class Family:
    """How the checkpoints of one kind are recognised, what they need, and who reads them."""

    module: str
    """Holds `load(checkpoint, record, where) -> Encoder`; `record` is None for a name not in the table."""
    is_one: Callable[[Checkpoint], bool]
    files: tuple[str, ...] = BASIC


def _model_type(*names: str) -> Callable[[Checkpoint], bool]:
    return lambda checkpoint: checkpoint.has("config.json") and checkpoint.json().get("model_type") in names


def _is_multilingual(checkpoint: Checkpoint) -> bool:
    """Whether a Jina CLIP is of version 2: its text tower is jina-embeddings-v3's XLM-RoBERTa with LoRA."""
    tower = str(checkpoint.json().get("text_config", {}).get("hf_model_name_or_path", "")).lower()
    return any(part in tower for part in ("xlm", "embeddings-v3")) or any(
        name.endswith("lora_A") or ".roberta." in name for name in checkpoint.shapes()
    )


_is_jina_clip = _model_type("jina_clip")
is_blip = _model_type("blip")

FAMILIES: dict[str, Family] = {
    "searchkit": Family(
        "searchkit.encoders.pocket",
        lambda checkpoint: checkpoint.has("config.json") and "tower" in checkpoint.json(),
        BASIC[:2],
    ),
    "jina-clip": Family(
        "searchkit.encoders.jina",
        lambda checkpoint: _is_jina_clip(checkpoint) and not _is_multilingual(checkpoint),
    ),
    "jina-clip-v2": Family(
        "searchkit.encoders.jina_v2",
        lambda checkpoint: _is_jina_clip(checkpoint) and _is_multilingual(checkpoint),
    ),
    "clip": Family("searchkit.encoders.clip", _model_type("clip")),
    "siglip": Family("searchkit.encoders.siglip", _model_type("siglip", "siglip2")),
    "open_clip": Family(
        "searchkit.encoders.openclip",
        lambda checkpoint: checkpoint.has("open_clip_config.json"),
        ("open_clip_config.json", "open_clip_model.safetensors"),
    ),
    "sentence-transformers": Family(
        "searchkit.encoders.sentence",
        lambda checkpoint: checkpoint.has("modules.json"),
        ("modules.json", "config.json", "model.safetensors", "tokenizer.json"),
    ),
}
"""The families in the order in which a folder is tried: the first whose `is_one` holds reads it. "searchkit"
is what `searchkit train` wrote. The last two are last because checkpoints of the others often describe
themselves to open_clip and to sentence-transformers too."""
