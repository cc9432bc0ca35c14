from __future__ import annotations

from pathlib import Path

import pytest

from searchkit.errors import Unreadable
from searchkit.parsers.html import HtmlParser
from searchkit.types import Document


def parse(page: str | bytes, name: str = "page.html", *, folder: Path) -> Document:
    path = folder / name
    path.write_bytes(page if isinstance(page, bytes) else page.encode())
    return HtmlParser().parse(path)


@pytest.mark.parametrize(
    ("page", "shown"),
    [
        ("<p>un<b>believ</b>able</p>", "unbelievable"),
        ("<p>one <i> two</i>\n three</p>", "one two three"),
        ("<p>a<!-- note -->b</p>", "ab"),
        ("<div>a</div><div>b</div>c", "a\nb\nc"),
        ("<h1>T</h1>  <p>a</p>\n\n\n<p>b</p>", "T\n\na\n\nb"),
        ("a<br>b<br><br><br>c", "a\nb\n\nc"),
        ("<ul><li>a<ul><li>b</ul><li>c</ul>", "a\nb\nc"),
        ("<table><tr><td>1<td> 2 <tr><td>3</table>", "1\t2\n3"),
        ("<pre>\nif x:\n    y  <b>z</b> <i>w</i>\n</pre>a  b", "if x:\n    y  z w\n\n\na b"),
        ("soft\u00adly no&nbsp; break &lt;tag&gt;", "softly no\u00a0 break <tag>"),
        ("<p>open <p>tags <b>mend", "open\n\ntags mend"),
    ],
)
def test_the_text_is_what_a_browser_shows(page: str, shown: str, tmp_path: Path) -> None:
    assert parse(page, folder=tmp_path).text == shown


@pytest.mark.parametrize("tag", ["script", "style", "nav", "template", "noscript", "iframe", "video"])
def test_what_is_not_shown_is_left_out(tag: str, tmp_path: Path) -> None:
    page = f"<body>before <{tag}>secret <b>more</b></{tag}>after<p hidden>secret</p>"
    assert parse(page, folder=tmp_path).text == "before after"


@pytest.mark.parametrize(
    ("page", "title"),
    [
        ("<title> The\n page </title><h1>Heading</h1>", "The page"),
        ("<title> </title><h1>The <i>heading</i></h1>", "The heading"),
        ("<svg><title>icon</title></svg>text", None),
    ],
)
def test_the_title_is_the_pages_own_or_its_heading(page: str, title: str | None, tmp_path: Path) -> None:
    assert parse(page, folder=tmp_path).title == title


@pytest.mark.parametrize(
    ("head", "encoding"),
    [
        ("", "utf-8"),
        ("", "utf-8-sig"),
        ("", "utf-16"),
        ("", "cp1252"),
        ("<meta charset=windows-1252>", "cp1252"),
        ("<meta charset='iso-8859-2'>", "iso-8859-2"),
        ('<meta http-equiv="Content-Type" content="text/html; charset=utf-8">', "utf-8"),
    ],
)
def test_the_encoding_is_taken_from_mark_or_declaration_or_the_bytes(
    head: str, encoding: str, tmp_path: Path
) -> None:
    assert parse(f"{head}<p>Köln, Jäger".encode(encoding), folder=tmp_path).text == "Köln, Jäger"


def test_a_declared_cyrillic_page_is_read(tmp_path: Path) -> None:
    page = "<meta charset=windows-1251><p>Привет, мир".encode("cp1251")
    assert parse(page, folder=tmp_path).text == "Привет, мир"


def test_empty_xhtml_elements_do_not_swallow_the_page(tmp_path: Path) -> None:
    page = '<?xml version="1.0"?><html><head><title/><script src="a.js"/></head><body>Chapter</body></html>'
    assert parse(page, folder=tmp_path).text == "Chapter"
    assert parse(page.partition("?>")[2], "a.xhtml", folder=tmp_path).text == "Chapter"


def test_a_page_that_shows_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match=r"page\.html has no text"):
        parse("<title>App</title><div id=root></div><script>start()</script>", folder=tmp_path)


def test_deep_nesting_is_no_obstacle(tmp_path: Path) -> None:
    assert parse("<div>" * 3000 + "deep", folder=tmp_path).text == "deep"


@pytest.mark.parametrize(
    ("page", "shown"),
    [
        ("<div role=navigation>menu</div><p>text", "text"),
        ("<div role=banner>Site</div><p>text<div role=contentinfo>© us</div>", "text"),
        ("<div role=banner><h1>Article</h1></div><p>text", "Article\n\ntext"),
        ("<div class='site cookie-banner'>We use cookies</div><p>text", "text"),
        ("<div id=gdprConsentModal>Accept?</div><p>text", "text"),
        ("<div class=cookie-recipe>Bake them</div>", "Bake them"),
        ("<article class=cookie-notice-review><p>Read on", "Read on"),
        ("<div class=cookie-overlay><main>The app</main></div><p>text", "The app\n\ntext"),
        ("<div class=cookie-bar>" + "long " * 500 + "</div>", "long " * 499 + "long"),
        ("<header>Head</header><footer>Notes</footer>", "Head\n\nNotes"),
    ],
)
def test_what_stands_around_the_text_is_left_out_but_never_the_text(
    page: str, shown: str, tmp_path: Path
) -> None:
    assert parse(page, folder=tmp_path).text == shown


def test_a_page_of_nothing_but_surroundings_is_shown_whole(tmp_path: Path) -> None:
    assert parse("<div role=navigation>Home</div>", folder=tmp_path).text == "Home"


def test_headings_are_places_in_the_text(tmp_path: Path) -> None:
    page = "<pre>\n\n  x</pre><h1> The <b>first</b>\n one</h1>text<h3></h3><h2>Next<h2>Last</h2>end"
    document = parse(page, folder=tmp_path)
    named = [(heading.level, document.text[heading.start : heading.end]) for heading in document.headings]
    assert named == [(1, "The first one"), (2, "Next"), (2, "Last")]


@pytest.mark.parametrize(
    "page",
    [
        "<div>" * 50_000,
        "<dd>x<li>y<dt>z" * 20_000,
        "<select>" + "<option>x" * 100_000,
        "".join(f"<font a={n}><p>x" for n in range(2000)),
        "<p " + " ".join(f"a{n}" for n in range(50_000)) + ">x",
        "<svg><h1>" + "<x/>" * 20_000 + "</z>" * 20_000,
        "<i>x</i>" * 300_000,
    ],
    ids=["divs", "lists", "options", "fonts", "attributes", "drawing", "tags"],
)
def test_a_page_that_would_take_minutes_is_refused(page: str, tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match=r"page\.html (nests its elements|has more than 500,000 tags)"):
        parse(page, folder=tmp_path)


@pytest.mark.parametrize(
    "page",
    [
        "<table>" + "<tr><td>x</td><td>y</td></tr>" * 5000 + "</table>",
        "<ul>" + "<li>x" * 20_000,
        "<dl>" + "<dt>x<dd>y" * 10_000,
        ("<svg>" + "<path d='M0 0' />" * 30 + "</svg>x") * 1000,
        "<img src='data:" + "A" * 300_000 + "'>x",
        ("<p>x <b>y</b> <i>z</i> <br>") * 10_000,
    ],
    ids=["table", "list", "definitions", "drawings", "picture in the page", "running text"],
)
def test_a_long_page_is_not_taken_for_one(page: str, tmp_path: Path) -> None:
    assert "x" in parse(page, folder=tmp_path).text
