"""Which captions the filter leaves out, and how well one that has learned does."""

from __future__ import annotations

import logging
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from searchkit.encoders.blip import MATCHING
from searchkit.ingest.images import decode_bytes
from searchkit.registry import load_matcher
from searchkit.rerankers.blip import BlipMatcher
from searchkit.training.capfilt import Filtered, filtered
from searchkit.training.data import Pictures
from searchkit.types import Runtime
from tests.tiny import COLOURS, SHAPES, picture
from tests.tiny_blip import ENC, write

EXACT = Runtime(device="cpu", dtype="float32")
KINDS = list(product(COLOURS, SHAPES))
WIDTH, STEPS, BATCH = 48, 1000, 64


def caption(colour: str, side: str) -> str:
    return f"{colour} on the {side}"


@pytest.fixture(scope="module")
def blind(tmp_path_factory: pytest.TempPathFactory) -> BlipMatcher:
    """It has learned nothing."""
    folder = tmp_path_factory.mktemp("blip") / "blip"
    write(folder, MATCHING)
    return load_matcher(str(folder), EXACT)


def set_of(texts: list[tuple[str, ...]], seed: int = 0) -> Pictures:
    images = [picture(*KINDS[row % len(KINDS)], seed=seed + row) for row in range(len(texts))]
    return Pictures("halves", images, texts, 1)


def test_captions_below_the_mark_are_left_out_and_counted(
    blind: BlipMatcher, caplog: pytest.LogCaptureFixture
) -> None:
    texts = [(), *[(caption(*KINDS[n % 16]), "a dog", "the cat runs on the beach") for n in range(19)]]
    whole = set_of(texts)
    whole.images[3] = b"no picture"  # type: ignore[index]
    every = filtered(whole, blind, below=0.0)
    assert (every.pictures.texts, every.dropped) == (texts, []) and every.judged[3] is None
    chances = [[] if said is None else said.probabilities.tolist() for said in every.judged]
    mark = float(np.quantile([p for some in chances for p in some], 0.3))
    with caplog.at_level(logging.INFO, "searchkit.training.capfilt"):
        found = filtered(whole, blind, below=mark)
    assert 10 <= len(found.dropped) <= 20
    assert found.pictures.images is whole.images and found.pictures.texts[3] == texts[3]
    for row, (some, said) in enumerate(zip(texts, chances, strict=True)):
        fit = tuple(text for text, p in zip(some, said, strict=bool(said)) if p >= mark) if said else some
        assert found.pictures.texts[row] == fit
        assert [d.text for d in found.dropped if d.row == row] == [text for text in some if text not in fit]
    assert all(one.probability < mark for one in found.dropped)
    assert f"{len(found.dropped)} of 57 captions of halves are left out" in caplog.text
    assert "more than half" not in caplog.text
    assert len(filtered(whole, blind, below=1.0).dropped) == 54
    assert "more than half" in caplog.text


def measured(found: Filtered, wrong: dict[int, str]) -> tuple[float, float]:
    """Precision and recall of what was left out."""
    hit = sum(wrong.get(one.row) == one.text for one in found.dropped)
    return hit / max(1, len(found.dropped)), hit / len(wrong)


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> BlipMatcher:
    """Trained on right captions and, as often, on some that are wrong in one word."""
    folder = tmp_path_factory.mktemp("learned") / "blip"
    network, words = write(folder, MATCHING, width=WIDTH)
    matcher = load_matcher(str(folder), EXACT)
    shown = np.stack([seen(matcher, n, seed) for seed in range(12) for n in range(len(KINDS))])
    pixels = matcher.preprocess.normalise(torch.from_numpy(shown))
    ids: Tensor = words([caption(*kind) for kind in KINDS], return_tensors="pt")["input_ids"]
    ids[:, 0] = ENC
    learn(network, pixels, ids)
    network.eval().save_pretrained(folder)  # type: ignore[operator]
    return load_matcher(str(folder), EXACT)


def seen(matcher: BlipMatcher, kind: int, seed: int) -> np.ndarray:
    return matcher.preprocess(decode_bytes(picture(*KINDS[kind], seed=seed * len(KINDS) + kind)))


def learn(network: Any, pixels: Tensor, ids: Tensor) -> None:
    draw = torch.Generator().manual_seed(1)
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-3, total_steps=STEPS)
    network.train()
    for _ in range(STEPS):
        rows = torch.randint(len(pixels), (BATCH,), generator=draw)
        fits = torch.arange(BATCH) % 2
        by = torch.randint(1, 4, (BATCH,), generator=draw) * (1 - fits)
        colour, side = rows % len(KINDS) // 4, rows % 4
        is_side = torch.rand(BATCH, generator=draw) < 0.5
        said = torch.where(is_side, colour * 4 + (side + by) % 4, (colour + by) % 4 * 4 + side)
        loss = cross_entropy(network(ids[said], pixels[rows]).itm_score, fits)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.3, 0.6])
def test_a_filter_that_has_learned_finds_captions_that_are_wrong_in_one_word(
    learned: BlipMatcher, blind: BlipMatcher, share: float
) -> None:
    rng = np.random.default_rng(8)
    texts: list[tuple[str, ...]] = []
    wrong: dict[int, str] = {}
    for row in range(320):
        colour, side = KINDS[row % len(KINDS)]
        if rng.random() < share:
            if rng.random() < 0.5:
                colour = str(rng.choice([one for one in COLOURS if one != colour]))
            else:
                side = str(rng.choice([one for one in SHAPES if one != side]))
            wrong[row] = caption(colour, side)
        texts.append((caption(colour, side),))
    noisy = set_of(texts, seed=50_000)
    precision, recall = measured(filtered(noisy, learned), wrong)
    assert precision >= 0.9 and recall >= 0.9
    poor = measured(filtered(noisy, blind), wrong)
    assert min(poor) < 0.7, "chance does not pass"
