"""JinaBERT's attention: slopes, the symmetric bias, padding, and long texts in blocks."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from searchkit.models.jina_bert import SCORES, Bias, JinaBert, JinaBertConfig, Mixer, slopes

SMALL = JinaBertConfig(vocabulary=50, width=48, depth=2, heads=3, hidden=64)


def network(config: JinaBertConfig = SMALL, scores: int = SCORES) -> JinaBert:
    """With weights and norms that are all random, and so large that attention is far from even."""
    generator = torch.Generator().manual_seed(1)
    made = JinaBert(config, scores=scores)
    for parameter in made.parameters():
        spread = torch.randn(parameter.shape, generator=generator)
        parameter.data = 1 + 0.3 * spread if parameter.ndim == 1 else spread / parameter.shape[-1] ** 0.5
    return made.eval()


def some_ids(batch: int, n: int) -> Tensor:
    return torch.randint(1, 50, (batch, n), generator=torch.Generator().manual_seed(n))


def padded(ids: Tensor, lengths: list[int]) -> Tensor:
    out = ids.clone()
    for row, length in enumerate(lengths):
        out[row, length:] = 0
    return out


def written_out(bias: Bias) -> Tensor:
    """(b or 1, heads, n, n), keys in the order of the text."""
    return torch.cat([rows for _, rows in bias.blocks()], dim=2).flip(-1)


def eager(mixer: Mixer, x: Tensor, seen: Tensor, slope: list[float]) -> Tensor:
    """softmax(q kᵀ / √d − s |i − j|) v, every score on its own."""
    b, n, w = x.shape
    d = w // mixer.heads
    q, k, v = mixer.Wqkv(x).view(b, n, 3, mixer.heads, d).unbind(2)  # each (b, n, heads, d)
    out = torch.zeros(b, n, mixer.heads, d)
    for row in range(b):
        for head in range(mixer.heads):
            for i in range(n):
                scores = torch.tensor(
                    [
                        float(q[row, i, head] @ k[row, j, head]) / math.sqrt(d) - slope[head] * abs(i - j)
                        if seen[row, j]
                        else -math.inf
                        for j in range(n)
                    ]
                )
                out[row, i, head] = scores.softmax(0) @ v[row, :, head]
    attended: Tensor = mixer.out_proj(out.reshape(b, n, w))
    return attended


@pytest.mark.parametrize("heads", [1, 2, 3, 6, 8, 12, 16, 20])
def test_slopes_are_those_of_bloom(heads: int) -> None:
    from transformers.models.bloom.modeling_bloom import build_alibi_tensor

    theirs = build_alibi_tensor(torch.ones(1, 2, dtype=torch.long), heads, torch.float32)[:, 0, 1]
    assert len(slopes(heads)) == heads
    assert (torch.tensor(slopes(heads)) - theirs).abs().max() <= 1e-6


def test_twelve_heads_have_the_published_slopes() -> None:
    published = [0.5**i for i in range(1, 9)] + [0.707107, 0.353553, 0.176777, 0.088388]
    assert slopes(12) == pytest.approx(published, abs=1e-6)
    assert slopes(12) != pytest.approx(
        [2 ** (-8 * i / 12) for i in range(1, 13)], abs=0.1
    )  # one row of powers


@pytest.mark.parametrize("scores", [SCORES, 70, 1])
def test_the_bias_is_symmetric_and_falls_with_the_distance(scores: int) -> None:
    n = 11
    bias = written_out(Bias(12, torch.ones(4, n, dtype=torch.bool), torch.float32, scores))
    wanted = torch.tensor([[[-s * abs(i - j) for j in range(n)] for i in range(n)] for s in slopes(12)])
    assert bias.shape == (1, 12, n, n)  # one for all four texts
    assert torch.equal(bias, bias.transpose(2, 3))
    assert (bias[0] - wanted).abs().max() <= 1e-6


def test_padding_is_hidden_in_the_texts_that_have_it_and_nowhere_else() -> None:
    seen = torch.tensor([[True] * 5, [True, True, False, True, False]])
    bias = written_out(Bias(2, seen, torch.float32))
    plain = written_out(Bias(2, torch.ones(1, 5, dtype=torch.bool), torch.float32))
    assert torch.equal(bias[0], plain[0])
    assert torch.equal(bias[1][:, :, seen[1]], plain[0][:, :, seen[1]])
    assert (bias[1][:, :, ~seen[1]] == -math.inf).all()


def test_attention_equals_the_formula_written_out() -> None:
    mixer = network().encoder["layers"].get_submodule("0.mixer")
    assert isinstance(mixer, Mixer)
    x = torch.randn(2, 9, 48, generator=torch.Generator().manual_seed(2))
    seen = torch.tensor([[True] * 9, [True] * 4 + [False] + [True] * 2 + [False] * 2])
    with torch.inference_mode():
        ours = mixer(x, Bias(3, seen, x.dtype))
        wanted = eager(mixer, x, seen, slopes(3))
        for other in ([0.0] * 3, [-s for s in slopes(3)], slopes(4)[:3]):
            assert (eager(mixer, x, seen, other) - wanted).abs().max() > 1e-2
        assert (eager(mixer, x, torch.ones_like(seen), slopes(3)) - wanted).abs().max() > 1e-2
    assert (ours - wanted).abs().max() <= 1e-5


def test_padding_does_not_change_a_text() -> None:
    ids = padded(some_ids(3, 40), [40, 23, 2])
    with torch.inference_mode():
        together = network()(ids)
        alone = torch.cat([network()(row[row != 0][None]) for row in ids])
        filled = network()(ids.masked_fill(ids == 0, 7))
    assert (together - alone).abs().max() <= 1e-5
    assert (together - filled)[1:].abs().max() > 1e-2  # any other id is read


def test_what_is_padding_is_read_from_the_ids_and_not_from_the_mask() -> None:
    ids = padded(some_ids(2, 12), [12, 12])
    ids[1, 5] = 0  # "[PAD]", written in the middle of a text
    with torch.inference_mode():
        says_all = network()(ids, torch.ones_like(ids))
        says_none = network()(ids, torch.zeros_like(ids))
        closed_up = network()(ids[1:, ids[1] != 0])
        tokens = network().tokens(ids)
    assert torch.equal(says_all, says_none)
    assert (says_all[1] - tokens[1, ids[1] != 0].mean(0)).abs().max() <= 1e-5
    assert (says_all[1] - tokens[1].mean(0)).abs().max() > 1e-2
    assert (says_all[1] - closed_up[0]).abs().max() > 1e-3  # it still takes a place: distances count it


def test_the_first_token_is_pooled_where_that_is_asked_for() -> None:
    first = network(JinaBertConfig(vocabulary=50, width=48, depth=2, heads=3, hidden=64, pooling="first"))
    ids = some_ids(2, 12)
    with torch.inference_mode():
        assert torch.equal(first(ids), network().tokens(ids)[:, 0])
        assert (first(ids) - network()(ids)).abs().max() > 1e-2


@pytest.mark.parametrize("lengths", [[37, 37], [37, 20]], ids=["no padding", "padding"])
@pytest.mark.parametrize("scores", [1, 37 * 5, 37 * 16])
def test_blocks_of_queries_give_what_all_at_once_gives(lengths: list[int], scores: int) -> None:
    ids = padded(some_ids(2, 37), lengths)
    seen = ids != 0
    assert len(list(Bias(3, seen, torch.float32, scores).blocks())) > 1
    assert len(list(Bias(3, seen, torch.float32).blocks())) == 1
    with torch.inference_mode():
        blocks, whole = network(scores=scores).tokens(ids), network().tokens(ids)
        assert (blocks - whole)[seen].abs().max() <= 1e-5
        assert (network(scores=scores)(ids) - network()(ids)).abs().max() <= 1e-5


def test_long_texts_of_different_length_are_read_one_by_one_and_come_out_the_same() -> None:
    ids = padded(some_ids(4, 37), [37, 20, 37, 1])
    ids[2, 5:8] = 0  # padding that is not at the end stays, and stays hidden
    lengths: list[tuple[int, ...]] = []
    one_by_one = network(scores=100)
    one_by_one.emb_ln.register_forward_hook(lambda *seen: lengths.append(tuple(seen[2].shape)))
    with torch.inference_mode():
        assert (one_by_one(ids) - network()(ids)).abs().max() <= 1e-5
    assert lengths == [(1, 37, 48), (1, 20, 48), (1, 37, 48), (1, 1, 48)]


@pytest.mark.parametrize("lengths", [[2100], [2100, 1500]], ids=["no padding", "padding"])
def test_a_text_of_more_than_2048_tokens_is_read_in_blocks_and_comes_out_the_same(lengths: list[int]) -> None:
    config = JinaBertConfig(vocabulary=50, width=8, depth=1, heads=2, hidden=8)
    ids = padded(some_ids(len(lengths), 2100), lengths)
    blocks = list(Bias(2, ids != 0, torch.float32).blocks())
    assert len(blocks) > 1 and all(rows.numel() <= 2 * SCORES for _, rows in blocks)
    with torch.inference_mode():
        assert (network(config)(ids) - network(config, scores=10**9)(ids)).abs().max() <= 1e-5


def test_the_bias_of_8192_tokens_takes_less_than_a_megabyte() -> None:
    bias = Bias(12, torch.ones(1, 8192, dtype=torch.bool), torch.float32)
    sizes = [(rows.shape, rows.untyped_storage().nbytes()) for _, rows in bias.blocks()]
    assert sum(shape[2] for shape, _ in sizes) == 8192 and all(shape[3] == 8192 for shape, _ in sizes)
    assert max(shape[2] * shape[3] for shape, _ in sizes) <= SCORES
    assert max(size for _, size in sizes) < 1e6


def test_bfloat16_stays_close() -> None:
    ids = padded(some_ids(2, 300), [300, 200])
    with torch.inference_mode():
        exact, coarse = network()(ids), network().bfloat16()(ids).float()
    assert torch.nn.functional.cosine_similarity(exact, coarse).min() > 0.999


def test_the_base_network_has_the_published_number_of_parameters() -> None:
    with torch.device("meta"):
        base = JinaBert(JinaBertConfig())
    assert round(sum(p.numel() for p in base.parameters()) / 1e6, 2) == 136.78
