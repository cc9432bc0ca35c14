from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from searchkit.errors import BadInput
from searchkit.ingest.chunk import TokenWindow
from searchkit.ingest.sections import HeadingWindow, sections
from searchkit.types import Document, Heading, Passage


def words(text: str) -> list[tuple[int, int]]:
    return [match.span() for match in re.finditer(r"\w+|[^\w\s]", text)]


def marked(text: str) -> Document:
    """Headings as Markdown marks them, without the marks in their spans."""
    found = re.finditer(r"^(#+) +(.+)$", text, re.MULTILINE)
    return Document(text, headings=tuple(Heading(len(m[1]), *m.span(2)) for m in found))


def chunks(text: str, *, tokens: int, overlap: int = 0) -> list[tuple[str | None, str]]:
    chunker = HeadingWindow(offsets=words, tokens=tokens, overlap=overlap)
    return [(passage.context, passage.text) for passage in chunker(marked(text))]


BOOK = """A word before.

# Bees

## Feeding
Sugar syrup in autumn, two to one.

## Swarms
They leave in May. Catch them in a box at dusk, when all are home, and keep them cool for a night.

# Storms
Row home.
"""


def test_a_section_that_fits_is_a_passage_under_the_headings_above_it() -> None:
    found = chunks(BOOK, tokens=20)
    assert found[0] == (None, "A word before.")
    # a heading with nothing of its own goes with the section below it
    assert found[1] == ("Bees › Feeding", "# Bees\n\n## Feeding\nSugar syrup in autumn, two to one.")
    assert found[-1] == ("Storms", "# Storms\nRow home.")


def test_a_long_section_is_windowed_and_every_window_has_the_headings() -> None:
    swarms = [text for context, text in chunks(BOOK, tokens=20) if context == "Bees › Swarms"]
    assert len(swarms) == 2
    assert swarms[0].startswith("## Swarms") and swarms[-1].endswith("for a night.")


def test_small_neighbours_under_one_heading_are_one_passage_under_that_heading() -> None:
    text = "# Tools\n## Hammer\nFor nails.\n## Saw\nFor wood.\n# Paint\n## Red\nFor barns.\n"
    assert chunks(text, tokens=40) == [
        ("Tools", "# Tools\n## Hammer\nFor nails.\n## Saw\nFor wood."),
        ("Paint › Red", "# Paint\n## Red\nFor barns."),
    ]


def test_headings_take_no_more_than_a_third_and_the_lowest_stay() -> None:
    text = f"# {'very ' * 9}long\n## Short\nRain fell on the roof.\n"
    assert {context for context, _ in chunks(text, tokens=12)} == {"Short"}


def test_the_lone_line_under_a_heading_is_not_words_of_its_own() -> None:
    text = "Bees\n====\nSyrup\n-----\nTwo to one.\n"
    document = Document(text, headings=(Heading(1, 0, 4), Heading(2, 10, 15)))
    assert [s.path for s in sections(document)] == [("Bees", "Syrup")]


def test_without_headings_it_is_a_window() -> None:
    document = Document("Rain fell. " * 50)
    window = TokenWindow(offsets=words, tokens=10, overlap=3)
    assert list(HeadingWindow(offsets=words, tokens=10, overlap=3)(document)) == list(window(document))


lines = st.sampled_from(["# A", "## B b", "### C", "", "rain fell.", "on and on it fell, all night", "\t x"])


@settings(max_examples=150)
@given(st.lists(lines, max_size=25), st.integers(1, 14), st.data())
def test_any_document_is_covered_in_order_within_the_window(
    text: list[str], tokens: int, data: st.DataObject
) -> None:
    document = marked("\n".join(text))
    overlap = data.draw(st.integers(0, tokens - 1))
    passages = list(HeadingWindow(offsets=words, tokens=tokens, overlap=overlap)(document))
    covered = 0
    for passage in passages:
        assert passage.text == document.text[passage.start : passage.end] == passage.text.strip() != ""
        assert not document.text[covered : passage.start].strip(), "characters in no passage"
        covered = max(covered, passage.end)
        assert len(words(passage.in_context)) <= tokens
    assert not document.text[covered:].strip(), "characters in no passage"
    assert all(one.start < other.start for one, other in pairwise(passages))


def test_headings_on_one_line_each_begin_a_section() -> None:
    document = Document("One Two words", headings=(Heading(1, 0, 3), Heading(1, 4, 7)))
    assert [(s.start, s.end) for s in sections(document)] == [(0, 4), (4, 13)]


def test_what_is_read_is_the_text_under_its_headings() -> None:
    assert Passage(0, 4, "Rain", context="A › B").in_context == "A › B\nRain"
    assert Passage(0, 4, "Rain").in_context == "Rain"


def test_a_window_that_cannot_advance_is_refused() -> None:
    with pytest.raises(BadInput):
        HeadingWindow(offsets=words, tokens=8, overlap=8)
