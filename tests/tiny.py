"""A whole encoder of a few thousand weights, in a folder as training writes them, and pictures to learn."""

from __future__ import annotations

import io
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

from searchkit.encoders.pocket import TEXT
from searchkit.models.bert import BertConfig, BertPooled
from searchkit.models.image_towers import ImageConfig, image_network, write_config
from searchkit.models.vit import ViTConfig

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (30, 40, 220), "yellow": (230, 220, 40)}
SHAPES = ("top", "bottom", "left", "right")


TINY = ViTConfig(pixels=16, patch=8, width=16, depth=1, heads=2, mlp_ratio=2.0, dim=24)


def tiny_encoder(folder: Path, seed: int = 0, tower: ImageConfig = TINY) -> Path:
    torch.manual_seed(seed)
    text = BertConfig(
        hidden_size=24, num_hidden_layers=1, num_attention_heads=2, intermediate_size=48, layer_norm_eps=1e-6
    )
    folder.mkdir(parents=True)
    save_file(image_network(tower).state_dict(), folder / "model.safetensors")
    save_file(BertPooled(text).state_dict(), folder / TEXT)
    described = {"family": "pocket", "name": "tiny", "tower": write_config(tower), "text": asdict(text)}
    (folder / "config.json").write_text(json.dumps(described))
    return folder


def picture(colour: str, side: str, seed: int) -> bytes:
    """A half of it is of the colour, the other dark; each in a noise of its own."""
    noise = np.random.default_rng(seed).integers(0, 40, (16, 16, 3))
    pixels = np.zeros((16, 16, 3))
    half = {"top": np.s_[:8], "bottom": np.s_[8:], "left": np.s_[:, :8], "right": np.s_[:, 8:]}[side]
    pixels[half] = COLOURS[colour]
    out = io.BytesIO()
    Image.fromarray(np.clip(pixels + noise, 0, 255).astype(np.uint8)).save(out, "PNG")
    return out.getvalue()
