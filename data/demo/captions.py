"""What a scene shows, in words: phrases, and three captions made of them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


@dataclass(frozen=True)
class Seen:
    """What a scene shows, as phrases that a caption is put together from."""

    what: Sequence[str]
    where: Sequence[str]
    when: Sequence[str]
    detail: Sequence[str] = ()  # whole sentences, without the full stop


def a(phrase: str) -> str:
    """`phrase` with its article."""
    return f"an {phrase}" if phrase[0] in "aeiou" else f"a {phrase}"


def counted(count: int, one: str, many: str) -> str:
    return a(one) if count == 1 else f"{NUMBERS[count]} {many}"


def sentence(text: str) -> str:
    text = " ".join(text.split())
    return text[0].upper() + text[1:] + "."


def write_captions(seen: Seen, rng: random.Random) -> list[str]:
    """Three captions of one scene, no two worded alike."""
    what, where, when = (
        [rng.choice(words) for _ in range(3)] for words in (seen.what, seen.where, seen.when)
    )
    plain = [f"{what[0]} {where[0]} {when[0]}", f"{what[0]} {when[0]}, {where[0]}"]
    turned = [f"{when[1]}, {what[1]} {where[1]}", f"{what[1]} {where[1]}"]
    framed = [f"a picture of {what[2]} {where[2]}", f"a colourful drawing shows {what[2]} {where[2]}"]
    if seen.detail:
        framed.append(f"{what[2]} {where[2]}. {sentence(rng.choice(seen.detail))[:-1]}")
    framed.append(f"an illustration of {what[2]} {when[2]}")
    captions = [sentence(rng.choice(group)) for group in (plain, turned, framed)]
    rng.shuffle(captions)
    return captions
