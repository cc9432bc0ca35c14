"""Words: the language of a text, told by its commonest words, and the words of a question that count."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable

AUTOMATIC, PLAIN = "auto", "none"
"""What stands in place of a language: the one that most texts are in, and words as they are."""
COMMON = {
    "arabic": "في من على إلى أن التي الذي هذا هذه كان مع عن ما لا بعد كما ذلك بين",
    "danish": "og det er en at på til af ikke der med for som den har jeg et blev også efter",
    "dutch": "de het een en van ik is dat niet op te zijn voor met die in maar om ook wordt",
    "english": "the and of to is in that it was for are with this you not on have be as they",
    "finnish": "ja on ei että se oli hän mutta ovat kun tai joka sen myös kuin mukaan ole jotka",
    "french": "le la les et des est une dans que du pour pas qui sur au avec ce sont il en",
    "german": "der die das und ist nicht ein eine zu mit den auf von für sich dem auch im es wird",
    "greek": "και το να του της η την στο για με από που τα είναι των δεν θα σε οι τον",
    "hungarian": "a az és hogy nem is egy ez volt meg csak de van már mint még vagy el ki",
    "italian": "il di che la e è un per non sono una con del della si le da più gli anche",
    "norwegian": "og det er en å på til av ikke som med for den har jeg et ble også etter hva",
    "portuguese": "o de que e do da em um para é com não uma os no na por mais as foi",
    "romanian": "și de în la cu este nu pe un că o din care pentru mai sunt fost această ce au",
    "russian": "и в не на что он с как это его по но из за то она был для так от",
    "spanish": "el de la que y en los se del las un por con una es no su para al lo",
    "swedish": "och det är en att på till av inte som med för den har jag ett var också efter om",
    "turkish": "ve bir bu için ile de da çok daha olarak gibi olan ne var değil sonra kadar her mi",
}
"""Some of the words that every text holds, by the language that it is in."""
ASKED = {
    "english": """
        what who whom whose which when where why how do does did has had have can could would should were been
        being he she his her him them we us our your my me i from about than so a an at but by if into no or
        such their then there these they will"""
}
"""More words, by language, that a question has and that say nothing of what it is about."""
STEMMED = (*COMMON, "tamil")
"""The languages of which stems are known."""
WORD = re.compile(r"[^\W\d_]+")
SEPARATORS = re.compile(r"[\W_]+")
AROUND = re.compile(r"^[\W_]+|[\W_]+$")
LEAST = 0.08
"""The least share of common words in a text for its language to be told: running text has 0.2 to 0.5."""
MOST = 0.5
"""The share of a collection's text from which its language decides the stems."""
STAYS = 0.4
"""The share down to which the language stays, so that one near the border is not changed to and fro."""

_LANGUAGES: dict[str, tuple[str, ...]] = {}
for _language, _words in COMMON.items():
    for _word in _words.split():
        _LANGUAGES[_word] = (*_LANGUAGES.get(_word, ()), _language)
_SILENT = {name: frozenset(f"{words} {ASKED.get(name, '')}".split()) for name, words in COMMON.items()}


def telling(words: str, language: str) -> str:
    """A question without the commonest words of a language, or as it is where nothing else is left.

    >>> telling("What did the keeper think about the bees?", "english")
    'keeper think bees?'
    >>> telling("To be, or not to be", "english")
    'To be, or not to be'
    """
    silent = _SILENT.get(language, frozenset())
    kept = [word for word in words.split() if AROUND.sub("", word).lower() not in silent]
    return " ".join(kept) if any(AROUND.sub("", word) for word in kept) else words


def language_of(text: str) -> str | None:
    """The language of `COMMON` in which most of a text is written; None for tables, code and other languages.

    >>> language_of("The bees are fed with syrup, and the door of the hive is closed for the winter.")
    'english'
    >>> language_of("Die Bienen werden mit Sirup gefüttert, und das Flugloch ist im Winter zu.")
    'german'
    >>> language_of("def f(x): return x + 1")
    """
    words = WORD.findall(text.lower())
    known = Counter(language for word in words for language in _LANGUAGES.get(word, ()))
    (first, most), (_, second) = [*known.most_common(2), ("", 0), ("", 0)][:2]
    return first if most > second and most >= LEAST * len(words) else None


def main_language(texts: Iterable[str], now: str = PLAIN) -> str:
    """The language of most of these texts by their length, or `PLAIN`; `now` is the one so far, which stays
    until another is clearly ahead."""
    lengths: Counter[str] = Counter()
    for text in texts:
        if (language := language_of(text)) is not None:
            lengths[language] += len(text)
    if lengths[now] >= STAYS * lengths.total():
        return now
    first, most = next(iter(lengths.most_common(1)), (PLAIN, 0))
    return first if most > MOST * lengths.total() else PLAIN


def name_words(path: str) -> str:
    """The words of a file's name, without its suffix.

    >>> name_words("/d/Annual-reports_2020.pdf")
    'Annual reports 2020'
    """
    return SEPARATORS.sub(" ", os.path.splitext(os.path.basename(path))[0]).strip()
