"""Text in pictures, read by the program tesseract, which is asked for by name and never comes along."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from itertools import groupby

from PIL import Image

from searchkit.errors import BadInput, Unreadable

PROGRAM = "tesseract"
LANGUAGES = "eng"
"""The languages by tesseract's names, with a plus sign between several."""
SECONDS = 60.0
"""Seconds that tesseract may take for one picture; a dense page takes three."""
MAX_PIXELS = 12_000_000
"""Pixels of a picture that tesseract gets, at most: a page of A4 at 300 dots an inch has nine million."""
PAGE_WIDTH = 2000
"""Pixels of the width in which a page is drawn."""
OCR_SIDE = 2000
"""Pixels of the shorter side of a photo that are enough to read."""
CONFIDENCE = 60.0
"""The confidence of tesseract, of 100, below which its reading is seldom a word."""
WORD = re.compile(r"[^\W\d_]{3}")
WORDS = 2
"""Words below which nothing counts as text: one alone is as often leaves or a fence."""


class Ocr:
    """Reads the text in pictures; any number of threads may call it."""

    def __init__(self, languages: str = LANGUAGES) -> None:
        """Raises `BadInput` with the remedy where the program or a language is missing."""
        folders = filter(os.path.isabs, os.environ.get("PATH", os.defpath).split(os.pathsep))
        program = shutil.which(PROGRAM, path=os.pathsep.join(folders))  # never that of the current folder
        if program is None:
            raise BadInput(
                f"text in pictures is read by the program {PROGRAM}, which is not here",
                hint="apt install tesseract-ocr (brew install tesseract), or index with --no-ocr",
            )
        self._program, self._languages = program, languages
        known = _known(program)
        missing = [language for language in languages.split("+") if language not in known]
        if missing:
            raise BadInput(
                f"{PROGRAM} does not know the language {missing[0]!r}",
                hint=f"apt install tesseract-ocr-{missing[0]}; it knows: {', '.join(known)}",
            )

    def __call__(self, image: Image.Image) -> str:
        """The text of a picture in its lines and paragraphs; "" where there is none. Raises `Unreadable`."""
        command = [self._program, "stdin", "stdout", "-l", self._languages, "-c", "tessedit_create_tsv=1"]
        try:
            done = subprocess.run(
                command,
                input=_file(image),
                capture_output=True,
                timeout=SECONDS,
                check=False,
                env={**os.environ, "OMP_THREAD_LIMIT": "1"},  # its threads wait for each other
            )
        except subprocess.TimeoutExpired:
            raise Unreadable(f"{PROGRAM} took more than {SECONDS:.0f} s for one picture") from None
        except OSError as error:
            raise Unreadable(f"{PROGRAM} cannot be run: {error.strerror}") from error
        if done.returncode:
            reason = done.stderr.decode("utf-8", "replace").strip().splitlines()
            raise Unreadable(f"{PROGRAM} failed: {reason[-1] if reason else done.returncode}")
        return _text(done.stdout.decode("utf-8", "replace"))


@cache
def _known(program: str) -> list[str]:
    listed = subprocess.run([program, "--list-langs"], capture_output=True, timeout=SECONDS, check=False)
    return sorted(listed.stdout.decode("utf-8", "replace").split("\n")[1:-1])  # below a title


def _file(image: Image.Image) -> bytes:
    """A PNG of the picture's grey values, smaller where it has too many pixels."""
    grey = image.convert("L")
    too_many = grey.width * grey.height / MAX_PIXELS
    if too_many > 1:
        share = too_many**-0.5
        grey = grey.resize((max(1, int(grey.width * share)), max(1, int(grey.height * share))))
    file = io.BytesIO()
    grey.save(file, "PNG", compress_level=1)
    return file.getvalue()


def _text(table: str) -> str:
    """The confident words of tesseract's table as text: a line end between lines, an empty line between
    paragraphs."""
    words = [row for row in map(_word, table.splitlines()) if row is not None]
    paragraphs = (
        "\n".join(" ".join(word for _, _, word in line) for _, line in groupby(paragraph, lambda w: w[1]))
        for _, paragraph in groupby(words, lambda w: w[0])
    )
    text = "\n\n".join(paragraphs)
    return text if sum(1 for _ in _readable(words)) >= WORDS else ""


Word = tuple[tuple[str, ...], str, str]
"""(block and paragraph, line, word)."""


def _readable(words: list[Word]) -> Iterator[str]:
    return (word for _, _, word in words if WORD.search(word))


def _word(row: str) -> Word | None:
    """A word of tesseract's table, from one row of it; None for other rows, and below `CONFIDENCE`.

    The cells are: level, page, block, paragraph, line, word, left, top, width, height, confidence, text.
    """
    cells = row.split("\t")
    if len(cells) != 12 or cells[0] != "5" or not cells[11].strip():
        return None
    if float(cells[10]) < CONFIDENCE:
        return None
    return (cells[2], cells[3]), cells[4], cells[11].strip()
