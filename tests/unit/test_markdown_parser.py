from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from searchkit.parsers.markdown import MarkdownParser, headings, title_of


def test_the_text_is_the_source_byte_for_byte(tmp_path: Path) -> None:
    source = "---\r\ntitle: x\r\n---\r\n# A *title*\r\n\r\n- [link](u)\r\n"
    path = tmp_path / "page.md"
    path.write_bytes(source.encode())
    document = MarkdownParser().parse(path)
    assert (document.text, document.title, document.pages) == (source, "A title", ())


def first_heading(source: str) -> str | None:
    return title_of(source, headings(source))


@pytest.mark.parametrize(
    ("source", "title"),
    [
        ("intro\n\n## Second level\n\n# First level", "Second level"),
        ("Underlined\n==========\n", "Underlined"),
        ("Two lines\nof title\n===\n", "Two lines of title"),
        ("# A *b* `c` [d](e) ![seen](f.png) <b>g</b> &amp; \\*", "A b c d seen g & *"),
        ("# \n\n## Not empty", "Not empty"),
        ("> # Quoted", "Quoted"),
        ("```\n# a comment\n```\n", None),
        ("#hashtag and words", None),
        ("", None),
    ],
)
def test_the_title_is_the_first_heading_in_plain_words(source: str, title: str | None) -> None:
    assert first_heading(source) == title


@pytest.mark.parametrize("close", ["---", "..."])
def test_front_matter_is_not_mistaken_for_a_heading(close: str) -> None:
    front = f"---\ntitle: Config\ndate: today\n{close}\n"
    assert first_heading(front + "words\n") is None
    assert first_heading(front + "# Heading\n") == "Heading"


def test_a_rule_at_the_top_hides_no_heading() -> None:
    assert first_heading("---\n\n# Heading\n\n---\n") == "Heading"


@settings(max_examples=60)
@given(st.text("#-=>*_`[]()!<&\\ \n\tab1.:", max_size=200))
def test_no_markup_breaks_the_search_for_a_title(source: str) -> None:
    title = first_heading(source)
    assert title is None or title == " ".join(title.split()) != ""


def test_headings_are_places_in_the_source(tmp_path: Path) -> None:
    source = (
        "---\ntitle: x\n---\n# One *a* #\r\n\r\ntext\n\nTwo\nlines\n===\n\n> ## Quoted\n\n```\n# code\n```\n"
        "- item\n\n  ### Listed\n\n#\n\n> Under\n> lined\n> ---\n\n###### Last"
    )
    path = tmp_path / "a.md"
    path.write_bytes(source.encode())
    document = MarkdownParser().parse(path)
    assert [(h.level, document.text[h.start : h.end]) for h in document.headings] == [
        (1, "One *a*"),
        (1, "Two\nlines"),
        (2, "Quoted"),
        (3, "Listed"),
        (2, "> Under\n> lined"),
        (6, "Last"),
    ]


def test_an_endless_heading_gives_its_beginning_as_the_title() -> None:
    title = first_heading("# " + "><li>[](#" * 50_000)
    assert title is not None and len(title) <= 1000
