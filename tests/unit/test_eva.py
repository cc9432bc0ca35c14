"""EVA02 against the formula written out: every patch, head and angle on its own, in double precision."""

from __future__ import annotations

import cmath
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from searchkit.models.eva import Eva, EvaConfig, eva_config, from_eva_clip

CONFIG = EvaConfig(pixels=12, patch=4, width=24, depth=2, heads=3, hidden=20, pretrained_grid=5)
Arrays = dict[str, np.ndarray]


def published(config: EvaConfig = CONFIG) -> dict[str, torch.Tensor]:
    """Random weights under the names that EVA-CLIP publishes."""
    generator = torch.Generator().manual_seed(3)
    w, h, n = config.width, config.hidden, 1 + config.grid**2
    shapes: dict[str, tuple[int, ...]] = {
        "cls_token": (1, 1, w),
        "pos_embed": (1, n, w),
        "patch_embed.proj.weight": (w, 3, config.patch, config.patch),
        "patch_embed.proj.bias": (w,),
        "norm.weight": (w,),
        "norm.bias": (w,),
    }
    for i in range(config.depth):
        of_block: dict[str, tuple[int, ...]] = {
            **{f"norm{k}.{p}": (w,) for k in (1, 2) for p in ("weight", "bias")},
            **{f"attn.{letter}_proj.weight": (w, w) for letter in "qkv"},
            **{f"attn.{name}": (w,) for name in ("q_bias", "v_bias", "proj.bias")},
            **{f"{name}.{p}": (w,) for name in ("attn.inner_attn_ln",) for p in ("weight", "bias")},
            "attn.proj.weight": (w, w),
            "mlp.w1.weight": (h, w),
            "mlp.w2.weight": (h, w),
            "mlp.w3.weight": (w, h),
            "mlp.w1.bias": (h,),
            "mlp.w2.bias": (h,),
            "mlp.w3.bias": (w,),
            "mlp.ffn_ln.weight": (h,),
            "mlp.ffn_ln.bias": (h,),
        }
        if config.layer_scale:
            of_block |= {"gamma_1": (w,), "gamma_2": (w,)}
        shapes |= {f"blocks.{i}.{name}": shape for name, shape in of_block.items()}
    if config.head_dim:
        shapes |= {"head.weight": (config.head_dim, w), "head.bias": (config.head_dim,)}
    return {
        name: torch.randn(shape, generator=generator) * (2 / shape[-1] ** 0.5 if len(shape) == 2 else 0.7)
        for name, shape in shapes.items()
    }


def pictures(config: EvaConfig = CONFIG) -> torch.Tensor:
    return torch.randn(2, 3, config.pixels, config.pixels, generator=torch.Generator().manual_seed(4))


def ours(state: dict[str, torch.Tensor], pixels: torch.Tensor, config: EvaConfig = CONFIG) -> np.ndarray:
    tower = Eva(config).eval()
    tower.load_state_dict(from_eva_clip(state))
    with torch.inference_mode():
        out: np.ndarray = tower(pixels).numpy()
    return out


def layer_norm(x: np.ndarray, p: Arrays, name: str) -> np.ndarray:
    centred = x - x.mean(-1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-6)
    out: np.ndarray = scaled * p[f"{name}.weight"] + p[f"{name}.bias"]
    return out


def turned(x: np.ndarray, row: float, column: float, trained: float) -> np.ndarray:
    """One head of one token: pairs as complex numbers, the first half turned by the row."""
    quarter = len(x) // 4
    out = np.empty_like(x)
    for j in range(2 * quarter):
        t = (row if j < quarter else column) * trained
        angle = t * 10_000.0 ** (-2 * (j % quarter) / (2 * quarter))
        z = complex(x[2 * j], x[2 * j + 1]) * cmath.exp(1j * angle)
        out[2 * j], out[2 * j + 1] = z.real, z.imag
    return out


def formula(
    state: dict[str, torch.Tensor],
    pixels: torch.Tensor,
    c: EvaConfig = CONFIG,
    *,
    rotate: str = "patches",
    split: bool = False,
    swap: bool = False,
) -> np.ndarray:
    """The tower, step by step. `rotate` "none" leaves positions to pos_embed, "all" counts the class
    token as the first patch; `split` pairs numbers half a head apart; `swap` turns by the column first."""
    p = {name: value.double().numpy() for name, value in state.items()}
    size, side, d = c.patch, c.grid, c.width // c.heads

    def turn(x: np.ndarray, token: int) -> np.ndarray:
        patch = token if rotate == "all" else token - 1
        if rotate == "none" or patch < 0:
            return x
        row, column = patch // side / side, patch % side / side
        row, column = (column, row) if swap else (row, column)
        order = [k // 2 + (k % 2) * d // 2 for k in range(d)] if split else list(range(d))
        out = np.empty_like(x)
        out[order] = turned(x[order], row, column, c.pretrained_grid)
        return out

    vectors = []
    for picture in pixels.double().numpy():
        tokens = [p["cls_token"][0, 0]]
        for i in range(side):
            for j in range(side):
                patch = picture[:, i * size : (i + 1) * size, j * size : (j + 1) * size]
                tokens.append(
                    (p["patch_embed.proj.weight"] * patch).sum((1, 2, 3)) + p["patch_embed.proj.bias"]
                )
        x = np.stack(tokens) + p["pos_embed"][0]
        for i in range(c.depth):
            b = {
                name.removeprefix(f"blocks.{i}."): v
                for name, v in p.items()
                if name.startswith(f"blocks.{i}.")
            }
            y = layer_norm(x, b, "norm1")
            q = y @ b["attn.q_proj.weight"].T + b["attn.q_bias"]
            k = y @ b["attn.k_proj.weight"].T + b.get("attn.k_bias", 0.0)
            v = y @ b["attn.v_proj.weight"].T + b["attn.v_bias"]
            mixed = np.zeros_like(x)
            for head in range(c.heads):
                part = slice(head * d, (head + 1) * d)
                qs, ks = ([turn(z[t, part], t) for t in range(len(x))] for z in (q, k))
                for t in range(len(x)):
                    scores = np.array([qs[t] @ other / math.sqrt(d) for other in ks])
                    weights = np.exp(scores - scores.max())
                    mixed[t, part] = weights / weights.sum() @ v[:, part]
            mixed = layer_norm(mixed, b, "attn.inner_attn_ln") if "attn.inner_attn_ln.weight" in b else mixed
            x = x + b.get("gamma_1", 1.0) * (mixed @ b["attn.proj.weight"].T + b["attn.proj.bias"])
            y = layer_norm(x, b, "norm2")
            gate, up = (y @ b[f"mlp.w{k}.weight"].T + b[f"mlp.w{k}.bias"] for k in (1, 2))
            hidden = layer_norm(gate / (1 + np.exp(-gate)) * up, b, "mlp.ffn_ln")
            x = x + b.get("gamma_2", 1.0) * (hidden @ b["mlp.w3.weight"].T + b["mlp.w3.bias"])
        vector = layer_norm(x, p, "norm")[0]
        vectors.append(vector @ p["head.weight"].T + p["head.bias"] if "head.weight" in p else vector)
    return np.stack(vectors)


def test_the_tower_equals_the_formula_written_out() -> None:
    assert np.abs(ours(published(), pictures()) - formula(published(), pictures())).max() <= 2e-5


@pytest.mark.parametrize(
    "wrong",
    [{"rotate": "none"}, {"rotate": "all"}, {"split": True}, {"swap": True}],
    ids=["no rotation", "class token rotated", "halves paired", "columns first"],
)
def test_another_rotation_would_be_noticed(wrong: dict[str, object]) -> None:
    right = formula(published(), pictures())
    assert np.abs(formula(published(), pictures(), **wrong) - right).max() > 1e-2  # type: ignore[arg-type]


def test_positions_are_added_too_and_the_grid_is_stretched_to_the_one_of_training() -> None:
    right, state = formula(published(), pictures()), published()
    for c in (replace(CONFIG, pretrained_grid=3), replace(CONFIG, pretrained_grid=16)):
        assert np.abs(formula(state, pictures(), c) - right).max() > 1e-2
        assert np.abs(formula(state, pictures(), c) - ours(state, pictures(), c)).max() <= 2e-5
    state["pos_embed"] = state["pos_embed"] * 0
    assert np.abs(formula(state, pictures()) - right).max() > 1e-2


def test_keys_have_no_bias_and_queries_and_values_have() -> None:
    right = formula(published(), pictures())
    for name in ("q_bias", "k_bias", "v_bias"):
        state = published()
        for i in range(CONFIG.depth):
            state[f"blocks.{i}.attn.{name}"] = torch.randn(24, generator=torch.Generator().manual_seed(i))
        assert np.abs(formula(state, pictures()) - right).max() > 1e-3
    with pytest.raises(RuntimeError, match=r"blocks\.0\.attn\.k_bias"):
        ours(published() | {"blocks.0.attn.k_bias": torch.zeros(24)}, pictures())


def test_the_norms_inside_attention_and_feed_forward_count() -> None:
    right = formula(published(), pictures())
    for name in ("attn.inner_attn_ln", "mlp.ffn_ln"):
        state = published()
        for i in range(CONFIG.depth):
            state[f"blocks.{i}.{name}.weight"] *= (
                1 + torch.arange(len(state[f"blocks.{i}.{name}.weight"])) % 2
            )
        assert np.abs(formula(state, pictures()) - right).max() > 1e-2
        assert np.abs(formula(state, pictures()) - ours(state, pictures())).max() <= 2e-5


def test_layer_scale_and_a_head_follow_the_formula() -> None:
    c = replace(CONFIG, layer_scale=True, head_dim=7)
    assert formula(published(c), pictures(), c).shape == (2, c.dim) == (2, 7)
    assert np.abs(ours(published(c), pictures(), c) - formula(published(c), pictures(), c)).max() <= 2e-5


def test_fused_and_separate_matrices_are_the_same_tower_and_tables_are_left_out() -> None:
    fused = published()
    for i in range(CONFIG.depth):
        three = [fused.pop(f"blocks.{i}.attn.{letter}_proj.weight") for letter in "qkv"]
        fused[f"blocks.{i}.attn.qkv.weight"] = torch.cat(three)
        fused[f"blocks.{i}.attn.rope.freqs_cos"] = torch.zeros(9, 8)
    fused["rope.freqs_cos"] = fused["rope.freqs_sin"] = torch.zeros(9, 8)
    assert np.array_equal(ours(fused, pictures()), ours(published(), pictures()))


@pytest.mark.parametrize(
    "config", [CONFIG, replace(CONFIG, layer_scale=True, head_dim=7)], ids=["plain", "with head and scale"]
)
def test_sizes_are_read_from_the_shapes(config: EvaConfig) -> None:
    shapes = {name: tuple(value.shape) for name, value in published(config).items()}
    found = eva_config(shapes, pixels=12, head_width=8, pretrained_grid=5)
    assert found == replace(config, head_bias="head.bias" in shapes)


@pytest.mark.parametrize(
    ("change", "pixels", "said"),
    [
        ({"pos_embed": None}, None, "pos_embed is missing"),
        ({"patch_embed.proj.weight": None}, None, r"patch_embed\.proj\.weight is missing"),
        ({"blocks.0.mlp.w1.weight": None}, None, r"mlp\.w1\.weight is missing"),
        ({"pos_embed": (1, 12, 24)}, None, "not a class token and a square"),
        ({"pos_embed": (10, 24)}, None, "too few or too many dimensions"),
        ({}, 16, "not 16 pixels"),
        ({"patch_embed.proj.weight": (30, 3, 4, 4)}, None, "not made of heads of 8"),
    ],
)
def test_shapes_of_another_network_are_refused_by_name(
    change: dict[str, tuple[int, ...] | None], pixels: int | None, said: str
) -> None:
    shapes = {name: tuple(value.shape) for name, value in published().items()} | change
    kept = {name: shape for name, shape in shapes.items() if shape is not None}
    with pytest.raises(ValueError, match=said):
        eva_config(kept, pixels=pixels, head_width=8)


def test_the_base_tower_has_the_published_number_of_parameters() -> None:
    with torch.device("meta"):
        base = Eva(EvaConfig())
    assert round(sum(p.numel() for p in base.parameters()) / 1e6, 2) == 85.87
    assert base.cos.device.type == "cpu"  # what follows from the sizes is there before the weights are
