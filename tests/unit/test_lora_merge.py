"""Adapters in the weights: the same as adapters that run beside them, and refused where they do not fit."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from searchkit.models.lora import ORIGINAL, PAIR, Lora, is_adapted, merged

LORA = Lora(alpha=6.0, rank=3, tasks=2, task=1)
SCALE = 2.0
OUT, IN, ROWS, WIDTH = 8, 5, 11, 7


def normal(*shape: int, seed: int) -> Tensor:
    return 0.5 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def state(module: str, weight: Tensor, a: Tensor, b: Tensor) -> dict[str, Tensor]:
    return {module + end: value for end, value in zip((ORIGINAL, *PAIR), (weight, a, b), strict=True)}


LAYER = state("fc1", normal(OUT, IN, seed=1), normal(2, 3, IN, seed=2), normal(2, OUT, 3, seed=3))
TABLE = state("words", normal(ROWS, WIDTH, seed=4), normal(2, ROWS, 3, seed=5), normal(2, 3, WIDTH, seed=6))


def test_a_layer_gives_what_its_adapter_would_give_when_run_beside_it() -> None:
    x = normal(4, IN, seed=7).double()
    weight, (a, b) = LAYER["fc1" + ORIGINAL].double(), (LAYER["fc1" + end][1].double() for end in PAIR)
    beside = x @ weight.T + SCALE * (x @ a.T) @ b.T
    assert (F.linear(x, weight) - beside).abs().max() > 0.1
    assert (F.linear(x, merged(LAYER, LORA)["fc1.weight"].double()) - beside).abs().max() <= 1e-6


def test_a_table_gives_what_its_adapter_would_give_when_run_beside_it() -> None:
    ids = torch.tensor([0, 10, 3, 3])
    weight, (a, b) = TABLE["words" + ORIGINAL], (TABLE["words" + end][1] for end in PAIR)
    beside = F.embedding(ids, weight) + SCALE * F.embedding(ids, a) @ b
    assert (F.embedding(ids, weight) - beside).abs().max() > 0.1
    assert (F.embedding(ids, merged(TABLE, LORA)["words.weight"]) - beside).abs().max() <= 1e-6


def test_a_table_of_one_row_is_a_table() -> None:
    one = state("types", normal(1, WIDTH, seed=1), normal(2, 1, 3, seed=2), normal(2, 3, WIDTH, seed=3))
    a, b = (one["types" + end][1] for end in PAIR)
    assert (merged(one, LORA)["types.weight"] - (one["types" + ORIGINAL] + SCALE * a @ b)).abs().max() <= 1e-6


def test_the_task_that_is_asked_for_is_the_one_that_is_merged() -> None:
    first, second = (merged(LAYER, Lora(6.0, 3, 2, task))["fc1.weight"] for task in (0, 1))
    assert (first - second).abs().max() > 0.1
    alone = LAYER | {"fc1" + end: LAYER["fc1" + end][:1] for end in PAIR}
    assert torch.equal(merged(alone, Lora(6.0, 3, 1, 0))["fc1.weight"], first)


def test_the_scale_is_alpha_over_rank() -> None:
    weight = LAYER["fc1" + ORIGINAL]
    once, twice = (merged(LAYER, Lora(alpha, 3, 2, 1))["fc1.weight"] - weight for alpha in (3.0, 6.0))
    assert once.abs().max() > 0.1
    assert (2 * once - twice).abs().max() <= 1e-6


def test_weights_of_16_bits_are_added_up_in_32_and_rounded_once() -> None:
    half = {name: value.bfloat16() for name, value in LAYER.items()}
    whole = merged({name: value.float() for name, value in half.items()}, LORA)["fc1.weight"]
    assert torch.equal(merged(half, LORA)["fc1.weight"], whole)
    rounded = merged(half, LORA, torch.bfloat16)["fc1.weight"]
    assert rounded.dtype == torch.bfloat16 and torch.equal(rounded, whole.bfloat16())
    a, b = (half["fc1" + end][1] for end in PAIR)
    assert not torch.equal(rounded, half["fc1" + ORIGINAL] + SCALE * b @ a)


def test_everything_else_stays_as_it_is() -> None:
    others = {"fc1.bias": normal(OUT, seed=8), "norm.weight": normal(OUT, seed=9)}
    got = merged(LAYER | TABLE | others, LORA)
    assert got.keys() == {"fc1.weight", "words.weight", "fc1.bias", "norm.weight"}
    assert all(torch.equal(got[name], value) for name, value in others.items())
    assert is_adapted(LAYER) and not is_adapted(got)


@pytest.mark.parametrize("end", [ORIGINAL, *PAIR])
def test_half_an_adapter_is_not_merged(end: str) -> None:
    half = {name: value for name, value in LAYER.items() if name != "fc1" + end}
    assert merged(half, LORA).keys() == half.keys()


def test_a_weight_that_is_there_twice_is_not_merged() -> None:
    twice = LAYER | {"fc1.weight": normal(OUT, IN, seed=1)}
    assert merged(twice, LORA).keys() == twice.keys()


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((2, 3, IN), (2, 3, OUT)),  # B turned
        ((2, IN, 3), (2, 3, OUT)),  # a table's, of the weight turned
        ((2, 4, IN), (2, OUT, 4)),  # of another rank
        ((1, 3, IN), (2, OUT, 3)),  # of fewer tasks
        ((3, IN), (OUT, 3)),  # of no task
    ],
)
def test_an_adapter_that_fits_neither_way_is_refused(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"fc1\.parametrizations\.weight\.original.* do not fit it"):
        merged(state("fc1", normal(OUT, IN, seed=1), normal(*a, seed=2), normal(*b, seed=3)), LORA)


def test_an_adapter_that_fits_both_ways_is_refused() -> None:
    square = state("fc1", normal(3, 3, seed=1), normal(2, 3, 3, seed=2), normal(2, 3, 3, seed=3))
    with pytest.raises(ValueError, match="could be that of a layer and of a table"):
        merged(square, LORA)
    thin = state("fc1", normal(3, IN, seed=1), normal(2, 3, IN, seed=2), normal(2, 3, 3, seed=3))
    assert "fc1.weight" in merged(thin, LORA)  # as wide as its rank one way only
