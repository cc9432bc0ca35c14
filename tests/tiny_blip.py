"""BLIPs of a few thousand random weights, in folders as transformers writes the published ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

VOCABULARY = """
[PAD] [UNK] [CLS] [SEP] [MASK] a picture of the dog cat red green blue yellow on top bottom left right
beach runs ##s - ' , half is in
"""
WORDS = VOCABULARY.split()
CLS, SEP = WORDS.index("[CLS]"), WORDS.index("[SEP]")
DEC, ENC = len(WORDS), len(WORDS) + 1
"""Which the published tokenizers do not list either."""
PIXELS = 32
EPS = 1e-6


def write(
    folder: Path, kind: str, *, seed: int = 5, width: int = 24, depth: int = 2
) -> tuple[torch.nn.Module, Any]:
    """The network that was written, with the eps of the original code, and its tokenizer."""
    import transformers

    (folder / "words").mkdir(parents=True)
    (folder / "words" / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    tokenizer = transformers.BertTokenizer(str(folder / "words" / "vocab.txt"), do_lower_case=True)
    both = {"hidden_size": width, "intermediate_size": 2 * width, "num_hidden_layers": depth}
    text = {
        **both, "num_attention_heads": 2, "vocab_size": len(WORDS) + 2, "max_position_embeddings": 64,
        "bos_token_id": DEC, "sep_token_id": SEP, "eos_token_id": SEP, "pad_token_id": 0,
    }  # fmt: skip
    vision = {
        **both, "num_attention_heads": 2, "image_size": PIXELS, "patch_size": 16, "layer_norm_eps": EPS
    }  # fmt: skip
    config = transformers.BlipConfig(text_config=text, vision_config=vision, image_text_hidden_size=16)
    torch.manual_seed(seed)
    network: torch.nn.Module = getattr(transformers, kind)(config).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.15)
    for part in (network, tokenizer, transformers.BlipImageProcessorPil(size=square(PIXELS))):
        part.save_pretrained(folder)  # type: ignore[operator]
    return network, tokenizer


def square(side: int) -> dict[str, int]:
    return {"height": side, "width": side}


def pictures() -> list[Image.Image]:
    rng = np.random.default_rng(4)
    sizes = [(64, 48), (31, 90), (PIXELS, PIXELS), (131, 60)]
    return [Image.fromarray(rng.integers(0, 255, (h, w, 3), np.uint8)) for w, h in sizes]
