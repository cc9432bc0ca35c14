"""Late chunking: token vectors are what the encoder pools, and passages are means of them."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from searchkit.encoders.device import Placement
from searchkit.encoders.hashing import Hashing
from searchkit.encoders.minilm import minilm
from searchkit.encoders.text import TextTower
from searchkit.encoders.tokens import Tokens
from searchkit.encoders.towers import TwoTowers
from searchkit.errors import BadInput
from searchkit.ingest.chunk import TokenWindow
from searchkit.ingest.late import late_vectors, token_stream
from searchkit.models.pooling import Dense, Sentence
from searchkit.protocols import Encoder
from searchkit.types import Document, EncoderRecord, Space

CPU = Placement(torch.device("cpu"), torch.float32)
LINE = "The keeper of lighthouse {} rowed out, {}and came home."
STORY = " ".join(LINE.format(n, "far " * (n % 5)) for n in range(60))


def around(tower: TextTower, *, window: int, prompt: str = "") -> TwoTowers:
    record = EncoderRecord("test", tower.dim, "MIT", "any", window, 0, 0, "test", "", passage_prompt=prompt)
    return TwoTowers(record, Space("test", "0" * 64, 1, tower.dim), tower, None)


@pytest.fixture(scope="module")
def small() -> TwoTowers:
    return around(minilm(CPU), window=256)


@pytest.fixture(scope="module")
def jina() -> TwoTowers:
    """JinaBERT with random weights, and a window of 8,192 tokens."""
    from searchkit.encoders.jina import Text
    from searchkit.models.jina_bert import JinaBertConfig

    torch.manual_seed(7)
    vocabulary = minilm(CPU).tokens.tokenizer.get_vocab_size()
    config = JinaBertConfig(vocabulary=vocabulary, width=64, depth=2, heads=4, hidden=128)
    network = Text(config, torch.nn.Linear(64, 32), torch.nn.Identity())
    tower = TextTower(
        lambda: Tokens(minilm(CPU).tokens.tokenizer, 8192, 0), lambda: network, CPU, dim=32, is_mean=True
    )
    return around(tower, window=8192)


@pytest.mark.parametrize("name", ["small", "jina"])
def test_the_weighted_mean_of_span_means_is_the_documents_vector(
    name: str, request: pytest.FixtureRequest
) -> None:
    encoder: TwoTowers = request.getfixturevalue(name)
    text = STORY[:700] if name == "small" else STORY
    (tokens,) = encoder.token_vectors([text])
    cuts = [0, 1, 9, 30, 31, len(tokens.vectors)]  # special tokens among them
    parts = [tokens.vectors[a:b] for a, b in pairwise(cuts)]
    total = sum(len(part) * part.mean(0) for part in parts) / len(tokens.vectors)
    ids = torch.tensor(encoder.text.tokens.ids([text]))
    with torch.inference_mode():
        pooled = encoder.text.network(ids, torch.ones_like(ids))[0].numpy()
    assert np.abs(total - pooled).max() <= 1e-6
    assert np.abs(total / np.linalg.norm(total) - encoder.encode_text([text])[0]).max() <= 1e-6


def test_a_document_in_one_passage_has_its_own_vector_but_for_the_special_tokens(small: TwoTowers) -> None:
    text = STORY[:300]
    passages = TokenWindow(offsets=small.token_offsets, tokens=254, overlap=0)(Document(text))
    ((_, vector),) = late_vectors(small, text, passages, room=254)
    assert float(vector[0] @ small.encode_text([text])[0]) > 0.97


def test_a_passage_knows_what_stands_around_it(jina: TwoTowers) -> None:
    text, other = STORY, STORY.replace("lighthouse 1 ", "submarine 1 ")
    window = TokenWindow(offsets=jina.token_offsets, tokens=40, overlap=0)

    def third(text: str) -> np.ndarray:
        return list(late_vectors(jina, text, window(Document(text)), room=8190))[2][1][0]

    plain = [list(window(Document(t)))[2].text for t in (text, other)]
    assert plain[0] == plain[1]
    assert 1e-6 < np.abs(third(text) - third(other)).max() < 0.1


@pytest.mark.parametrize("prompt", ["", "passage: "])
@pytest.mark.parametrize("room", [40, 254])
def test_beyond_the_window_every_token_is_read_once_and_in_order(room: int, prompt: str) -> None:
    encoder = around(minilm(CPU), window=256, prompt=prompt)
    room -= len(encoder.token_offsets(prompt))
    stream = list(token_stream(encoder, STORY, room=room))
    spans = [tuple(span) for tokens in stream for span in tokens.spans.tolist()]
    assert spans == list(encoder.token_offsets(STORY))
    assert sum(len(tokens.vectors) for tokens in stream) == len(spans) > 800


def test_where_tokens_see_nothing_of_each_other_late_is_the_same_as_each_passage_by_itself() -> None:
    encoder: Encoder = Hashing()
    window = TokenWindow(offsets=encoder.token_offsets, tokens=20, overlap=6)
    passages = list(window(Document(STORY)))
    late = [vector for _, vector in late_vectors(encoder, STORY, iter(passages), room=100)]
    apart = encoder.encode_text([passage.text for passage in passages])
    assert np.abs(np.concatenate(late) - apart).max() < 1e-6


def test_encoders_that_pool_otherwise_refuse_and_say_why() -> None:
    tower = TextTower(lambda: pytest.fail("read"), lambda: pytest.fail("read"), CPU, dim=8)
    with pytest.raises(BadInput, match="mean") as refused:
        around(tower, window=64).token_vectors([])
    assert "window" in refused.value.hint


def test_the_layers_behind_a_mean_may_be_taken_before_it() -> None:
    torch.manual_seed(3)
    embed = torch.nn.Embedding(50, 16)

    class Looking(torch.nn.Module):
        def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = embed(ids)
            return out

    network = Sentence(Looking(), ("mean",), [Dense(16, 8, bias=True, activation="Identity")])
    ids, mask = torch.randint(0, 50, (2, 9)), torch.ones(2, 9, dtype=torch.long)
    with torch.inference_mode():
        apart = network.token_vectors(ids, mask).mean(1)
        assert torch.allclose(apart, network(ids, mask), atol=1e-6)


def test_the_bundled_tower_can_and_a_tokenizer_alone_is_enough_to_know(tmp_path: Path) -> None:
    tower = TextTower(lambda: pytest.fail("read"), lambda: pytest.fail("read"), CPU, dim=8, is_mean=True)
    assert around(tower, window=64).token_vectors([]) == []
    assert minilm(CPU).is_mean
    assert isinstance(minilm(CPU).tokens.tokenizer, Tokenizer)
