"""One CLIP network, ViT-B/32 at 256 pixels with random weights, as each of the compared programs reads it.

    python benchmarks/network.py checkpoint FOLDER      Hugging Face form: searchkit, sentence-transformers
    python benchmarks/network.py onnx FOLDER OUT        from that form, what rclip has as its data folder

Random weights find nothing, but they multiply as fast as trained ones. The first form needs what searchkit
needs; the second is for a Python that has transformers and onnx.
"""

from __future__ import annotations

import gzip
import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

LAYERS = 12
TEXT, VISION, SPACE = 512, 768, 512
WORDS, WINDOW = 49408, 77
PIXELS, PATCH = 256, 32
START, END = "<|startoftext|>", "<|endoftext|>"
MEAN, STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
RCLIP = "ViT-B-32-256-datacomp_s34b_b86k"

TOKENS = (PIXELS // PATCH) ** 2 + 1
GFLOP = (
    LAYERS * (24 * TOKENS * VISION**2 + 4 * TOKENS**2 * VISION)  # qkv, out, two of 4×; q·k and its sum of v
    + 2 * (TOKENS - 1) * 3 * PATCH**2 * VISION
    + 2 * VISION * SPACE
) / 1e9
"""Billions of operations of one picture, a multiply and an add counted as two."""


def write_checkpoint(folder: Path) -> None:
    """Write config.json, preprocessor_config.json, tokenizer files and model.safetensors."""
    import torch
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    merges = _write_tokenizer(folder)
    (folder / "config.json").write_text(json.dumps(_config(), indent=2))
    (folder / "preprocessor_config.json").write_text(json.dumps(_preprocessing(), indent=2))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges, ""]), "utf-8")
    random = torch.Generator().manual_seed(0)
    tensors = {}
    for name, shape in _shapes().items():
        if "norm" in name or "layrnorm" in name:
            tensors[name] = torch.ones(shape) if name.endswith("weight") else torch.zeros(shape)
        elif name == "logit_scale":
            tensors[name] = torch.tensor(4.6052)
        else:
            tensors[name] = torch.randn(shape, generator=random) * 0.02
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


def _config() -> dict[str, Any]:
    tower = {"num_hidden_layers": LAYERS, "hidden_act": "gelu", "projection_dim": SPACE}
    text = {
        "hidden_size": TEXT,
        "intermediate_size": 4 * TEXT,
        "num_attention_heads": TEXT // 64,
        "vocab_size": WORDS,
        "max_position_embeddings": WINDOW,
        "bos_token_id": WORDS - 2,
        "eos_token_id": WORDS - 1,
        "pad_token_id": WORDS - 1,
    }
    vision = {
        "hidden_size": VISION,
        "intermediate_size": 4 * VISION,
        "num_attention_heads": VISION // 64,
        "image_size": PIXELS,
        "patch_size": PATCH,
    }
    return {
        "architectures": ["CLIPModel"],
        "model_type": "clip",
        "projection_dim": SPACE,
        "text_config": {"model_type": "clip_text_model", **text, **tower},
        "vision_config": {"model_type": "clip_vision_model", **vision, **tower},
    }


def _preprocessing() -> dict[str, Any]:
    return {
        "image_processor_type": "CLIPImageProcessor",
        "do_resize": True,
        "size": {"shortest_edge": PIXELS},
        "resample": 3,
        "do_center_crop": True,
        "crop_size": {"height": PIXELS, "width": PIXELS},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": MEAN,
        "image_std": STD,
        "do_convert_rgb": True,
    }


def _shapes() -> dict[str, tuple[int, ...]]:
    """Return the shape of every tensor by its name in published checkpoints of CLIP."""
    shapes: dict[str, tuple[int, ...]] = {
        "logit_scale": (),
        "text_projection.weight": (SPACE, TEXT),
        "visual_projection.weight": (SPACE, VISION),
        "text_model.embeddings.token_embedding.weight": (WORDS, TEXT),
        "text_model.embeddings.position_embedding.weight": (WINDOW, TEXT),
        "vision_model.embeddings.class_embedding": (VISION,),
        "vision_model.embeddings.patch_embedding.weight": (VISION, 3, PATCH, PATCH),
        "vision_model.embeddings.position_embedding.weight": (TOKENS, VISION),
    }

    def affine(name: str, out: int, into: int = 0) -> None:
        shapes[f"{name}.weight"] = (out, into) if into else (out,)
        shapes[f"{name}.bias"] = (out,)

    for tower, width in (("text_model", TEXT), ("vision_model", VISION)):
        for layer in (f"{tower}.encoder.layers.{number}" for number in range(LAYERS)):
            for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
                affine(f"{layer}.self_attn.{part}", width, width)
            affine(f"{layer}.mlp.fc1", 4 * width, width)
            affine(f"{layer}.mlp.fc2", width, 4 * width)
            affine(f"{layer}.layer_norm1", width)
            affine(f"{layer}.layer_norm2", width)
    affine("text_model.final_layer_norm", TEXT)
    affine("vision_model.pre_layrnorm", VISION)  # spelt so in the checkpoints
    affine("vision_model.post_layernorm", VISION)
    return shapes


def _write_tokenizer(folder: Path) -> list[str]:
    """Write a byte-pair vocabulary of CLIP's size and form, and return its merges."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    pairs = _merges(letters)[: WORDS - 2 * len(letters) - 2]
    tokens = [*letters, *(f"{a}</w>" for a in letters), *(a + b for a, b in pairs), START, END]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    model = models.BPE(
        vocab=vocabulary, merges=pairs, continuing_subword_prefix="", end_of_word_suffix="</w>", unk_token=END
    )
    tokenizer = Tokenizer(model)
    spaces = normalizers.Replace(Regex(r"\s+"), " ")
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), spaces, normalizers.Lowercase()])
    word = Regex(r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(word, "removed", invert=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.add_special_tokens([START, END])
    tokenizer.post_processor = processors.RobertaProcessing(
        (END, vocabulary[END]), (START, vocabulary[START]), trim_offsets=False, add_prefix_space=False
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "vocab.json").write_text(json.dumps(vocabulary), "utf-8")
    settings = {"tokenizer_class": "CLIPTokenizer", "model_max_length": WINDOW}
    marks = {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": END}
    (folder / "tokenizer_config.json").write_text(json.dumps({**settings, **marks}))
    (folder / "processor_config.json").write_text(json.dumps({"processor_class": "CLIPProcessor"}))
    return [f"{a} {b}" for a, b in pairs]


def _merges(letters: list[str]) -> list[tuple[str, str]]:
    """Return merges that build common words from left to right, then all pairs of letters: texts have about
    as many tokens as with CLIP's own vocabulary."""
    from searchkit.search.confidence import neutral_queries

    merges: dict[tuple[str, str], None] = {}
    for word in re.findall(r"[a-z]{2,}", " ".join(neutral_queries()).lower()):
        whole = word[0]
        for part in (*word[1:-1], f"{word[-1]}</w>"):
            merges[whole, part] = None
            whole += part
    return list(merges | dict.fromkeys((a, f"{b}</w>") for a in letters for b in letters))


def write_onnx(checkpoint: Path, out: Path) -> None:
    """Write visual.onnx, textual.onnx and the vocabulary where rclip looks for them."""
    import torch
    from transformers import CLIPTextModelWithProjection, CLIPVisionModelWithProjection

    class First(torch.nn.Module):
        """The projected vector alone, of a network that returns several things."""

        def __init__(self, network: torch.nn.Module) -> None:
            super().__init__()
            self.network = network

        def forward(self, input: torch.Tensor) -> torch.Tensor:
            first: torch.Tensor = self.network(input, return_dict=False)[0]
            return first

    (out / RCLIP).mkdir(parents=True, exist_ok=True)
    (out / "tokenizer").mkdir(exist_ok=True)
    visual = CLIPVisionModelWithProjection.from_pretrained(checkpoint)
    textual = CLIPTextModelWithProjection.from_pretrained(checkpoint)
    forms = {
        "visual": (visual, torch.randn(2, 3, PIXELS, PIXELS)),
        "textual": (textual, torch.randint(0, WORDS - 2, (2, WINDOW))),
    }
    for name, (network, example) in forms.items():
        torch.onnx.export(
            First(network).train(False),
            (example,),
            str(out / RCLIP / f"{name}.onnx"),
            input_names=["input"],
            output_names=["output"],
            dynamic_axes={"input": {0: "batch"}, "output": {0: "batch"}},
            opset_version=18,
            dynamo=False,
        )
    with (
        (checkpoint / "merges.txt").open("rb") as merges,
        gzip.open(out / "tokenizer" / "bpe_simple_vocab_16e6.txt.gz", "wb") as packed,
    ):
        shutil.copyfileobj(merges, packed)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["checkpoint", folder]:
            write_checkpoint(Path(folder))
        case ["onnx", checkpoint, out]:
            write_onnx(Path(checkpoint), Path(out))
        case _:
            sys.exit(__doc__)
