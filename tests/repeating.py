"""Reads files that say one thing again and again, under a limit of processor time. Run by
test_repeated_tokens.py, as `python -m tests.repeating PARSER SUFFIX BYTES`, in the folder to write to.

One line of JSON for each file: the token; "parsed", "refused" or what was raised; and what was said.
"""

from __future__ import annotations

import io
import json
import resource
import sys
import zipfile
from pathlib import Path

from searchkit.errors import Unreadable
from searchkit.parsers import capped
from searchkit.registry import parser_of
from tests.documents import SAMPLES, zipped

SECONDS = 120
"""For looking at what files hold, which is not done in the process that has budgets."""

PLAIN = (
    "a",
    " ",
    "\n",
    "\t",
    "\0",
    "é",
    "a ",
    "a\n",
    "\r",
    "\r\n",
    "- ",
    "[",
    "(",
    "{",
    "<",
    '"',
    "\\",
    "ab,",
)
XML = (
    "<a>",
    "<a/>",
    "</a>",
    "<!--",
    "<!---->",
    "<!-- -->",
    "<?xml ",
    "<?xml ?>",
    "<![CDATA[",
    "&",
    "&lt;",
    ' a="b"',
)
HTML = (
    *(
        "<p>",
        "<b>",
        "<a href=x>",
        "<div>",
        "<table>",
        "<td>",
        "<svg>",
        "<select><option>",
        "<script>",
        "<style/>",
    ),
    *(
        "<meta ",
        "<li><ul>",
        "<p class='cookie'>",
        "<nav>",
        "<h1>",
        "<pre>\n",
        "<template>",
        "<form>",
        "<!doctype",
    ),
)
IN_A_NAME = ("cookie", "consent-", "gdpr_", "cookiebanne", "banner")
TOKENS: dict[str, tuple[str, ...]] = {
    "TextParser": PLAIN,
    "CodeParser": PLAIN,
    "MarkdownParser": (
        *PLAIN,
        *(
            "# ",
            "# a\n",
            "> ",
            "* ",
            "1. ",
            "`",
            "```\n",
            "---\n",
            "---",
            "--- \n",
            "===\n",
            "a\n=\n",
            "    ",
            "| ",
        ),
        *("![", "[](", "[a](", "<a ", "&", "**", "_a_", "[a]: b\n", "- - ", "<!--", "# [a](\n", "-\n\n"),
    ),
    "HtmlParser": (*XML, *HTML),
    "EpubParser": (*XML, *HTML),
    "PdfParser": (
        *XML,
        *(
            "<<",
            "<</FlateDecode>>stream\n",
            "<</Length 9>>stream\n",
            "stream\n",
            "endstream\n",
            "<< /A ",
            ">>",
            "[",
        ),
        *(
            "1 0 obj\n",
            "1 0 obj <<>> endobj\n",
            "trailer <</Prev 9>>\n",
            "xref\n0 1\n",
            "startxref\n9\n",
            "%%EOF\n",
            "(",
        ),
    ),
    "DocxParser": (
        *XML,
        "<w:p>",
        "<w:p/>",
        "<w:tbl><w:tr><w:tc>",
        "<w:r><w:t>a</w:t></w:r>",
        "<w:p><w:r/></w:p>",
    ),
    "PptxParser": (
        *XML,
        "<p:sp>",
        "<p:sp/>",
        "<p:sp><p:txBody><a:p/></p:txBody></p:sp>",
        "<a:tr><a:tc/></a:tr>",
    ),
    "XlsxParser": (*XML, "<row/>", "<row><c/></row>", "<c><v>1</v></c>", '<row r="1048576"/>'),
    "OdfParser": (
        *XML,
        "<text:p>",
        "<text:p/>",
        "<text:p>a</text:p>",
        "<text:note>",
        "<table:table/>",
        "<text:s/>",
    ),
    "RtfParser": (
        *PLAIN,
        "}",
        "{}",
        "{a}",
        "{\\*",
        "\\'e9",
        "\\u233",
        "\\u233?",
        "\\par ",
        "\\uc9 ",
        "\\ansicpg1 ",
    ),
    "MailParser": (
        *(
            "=?",
            "=?a?q?",
            "=?utf-8?q?=41?= ",
            "\n ",
            "\n\n",
            ": ",
            "a@b, ",
            "--b\n",
            "--",
            "a;b=",
            ";a*1*=b",
            "b*0=a;",
        ),
        *("Subject: a\n", "Content-Type: a\n", "Content-Type: multipart/mixed; boundary=b\n\n--b\n"),
        "Content-Type: message/rfc822\n\n",
    ),
    "TableParser": (*PLAIN, ",", ";", '",', ',"\n', '""', "a,b\n", "1,2\n", ',\n"'),
    "NotebookParser": (
        *PLAIN,
        "{},",
        "[],",
        '"",',
        '{"a":',
        '{"cells":[',
        '{"source":"# a"},',
        '{"source":["a"]},',
    ),
}
MAIN = {
    "DocxParser": "word/document.xml",
    "PptxParser": "ppt/slides/slide1.xml",
    "XlsxParser": "xl/worksheets/sheet1.xml",
    "OdfParser": "content.xml",
    "EpubParser": "book/a.xhtml",
}


def files(name: str, token: str, size: int) -> list[bytes]:
    """The token alone, in the middle of a good file and, of names and headers, where those stand."""
    sample, run = SAMPLES[name], token.encode() * (size // len(token.encode()))
    if name in MAIN:
        with zipfile.ZipFile(io.BytesIO(sample)) as archive:
            members = {member: archive.read(member) for member in archive.namelist()}
        content = members[MAIN[name]]
        at = content.rfind(b"</", 0, content.rfind(b"</"))
        return [run, zipped({**members, MAIN[name]: content[:at] + run + content[at:]})]
    within = [run, sample + run, sample[: len(sample) // 2] + run + sample[len(sample) // 2 :]]
    if name == "MailParser":
        within += [b"Subject: " + run, b"Content-Type: text/plain; " + run[:5000] + b"\n\nkeeper"]
    if name == "NotebookParser":
        within.append(b'{"cells":[' + run + b"{}]}")
    if name == "RtfParser":
        within.append(b"{\\rtf1 " + run + b"}")
    return within


def main(name: str, suffix: str, size: int) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    path = Path(f"file{suffix}")
    cases = [(token, data) for token in TOKENS[name] for data in files(name, token, size)]
    if name == "HtmlParser":
        cases += [(n, b"<p class='%s'>keeper" % (n.encode() * (size // len(n)))) for n in IN_A_NAME]
    for token, data in cases:
        path.write_bytes(data)
        said = ""
        try:
            parser = parser_of(path)
            assert parser is not None
            capped.parse(parser, path)
            for _ in capped.pictures(parser, path):
                pass
            outcome = "parsed"
        except Unreadable as error:
            outcome, said = "refused", str(error)
        except BaseException as error:
            outcome, said = type(error).__name__, str(error)
        print(json.dumps([token, outcome, said]), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
