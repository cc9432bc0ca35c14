"""Make the project's own demo data: drawn scenes with captions, a training set, and long papers.

    python data/make_demo.py album data/album                # 180 pictures, data/captions.jsonl beside them
    python data/make_demo.py parquet scenes.parquet --count 6000 --first-seed 100000
    python data/make_demo.py papers data/papers              # six long documents

Everything is drawn or written by this project, so it may be shipped, trained on and changed freely.
A scene depends on its seed alone. It is drawn in a world of 100 x 100 with y pointing down, at any size.
"""

from __future__ import annotations

import argparse
import html
import io
import json
import math
import random
import re
import textwrap
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
Point = tuple[float, float]
Matrix = tuple[float, float, float, float, float, float]  # x' = a x + b y + c; y' = d x + e y + f

COLOURS: dict[str, Colour] = {
    "red": (208, 44, 44),
    "orange": (240, 134, 36),
    "yellow": (246, 207, 60),
    "green": (62, 152, 74),
    "blue": (48, 104, 204),
    "purple": (128, 68, 170),
    "pink": (238, 134, 176),
    "brown": (132, 86, 50),
    "white": (244, 244, 240),
    "black": (38, 38, 44),
    "grey": (140, 146, 154),
    "turquoise": (50, 182, 180),
}
BRIGHT = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "turquoise")
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
WHITE, INK = (250, 250, 248), (44, 42, 50)


# --- drawing ------------------------------------------------------------------------------------------------


def mix(one: Colour, two: Colour, share: float) -> Colour:
    """Blend two colours; `share` in 0..1 is how much of `two`."""
    return (
        round(one[0] + (two[0] - one[0]) * share),
        round(one[1] + (two[1] - one[1]) * share),
        round(one[2] + (two[2] - one[2]) * share),
    )


def light(colour: Colour, share: float = 0.35) -> Colour:
    return mix(colour, (255, 255, 255), share)


def dark(colour: Colour, share: float = 0.3) -> Colour:
    return mix(colour, (16, 16, 30), share)


class Pen:
    """Draws shapes in a local frame of the picture; `at` gives a pen with a frame of its own."""

    def __init__(self, image: Image.Image, rng: random.Random, matrix: Matrix) -> None:
        self.image = image
        self.rng = rng
        self.matrix = matrix
        self.draw = ImageDraw.Draw(image)
        self.ambient: Colour = (255, 255, 255)  # the light of the hour, mixed into every colour
        self.ambience = 0.0
        self.outlined = False

    def at(self, x: float, y: float, scale: float = 1.0, *, angle: float = 0.0, flip: bool = False) -> Pen:
        """A pen whose origin lies at (x, y), turned by `angle` degrees clockwise and mirrored if `flip`."""
        cos, sin = math.cos(math.radians(angle)) * scale, math.sin(math.radians(angle)) * scale
        side = -1.0 if flip else 1.0
        a, b, c, d, e, f = self.matrix
        local = (cos * side, -sin, sin * side, cos)
        matrix = (
            a * local[0] + b * local[2],
            a * local[1] + b * local[3],
            a * x + b * y + c,
            d * local[0] + e * local[2],
            d * local[1] + e * local[3],
            d * x + e * y + f,
        )
        pen = Pen(self.image, self.rng, matrix)
        pen.ambient, pen.ambience, pen.outlined = self.ambient, self.ambience, self.outlined
        return pen

    def poly(self, points: Sequence[Point], fill: Colour, *, to: Colour | None = None) -> None:
        """A filled polygon; `to` makes it a gradient from `fill` at its top to `to` below."""
        placed = self._placed(points)
        if to is None:
            self.draw.polygon(placed, fill=self._lit(fill))
        else:
            self._gradient(placed, self._lit(fill), self._lit(to))
        if self.outlined:
            width = max(1, round(self.image.width / 320))
            self.draw.line([*placed, placed[0]], fill=self._lit(dark(fill, 0.7)), width=width)

    def oval(self, x: float, y: float, rx: float, ry: float | None = None, *, fill: Colour) -> None:
        self.poly(arc_points(x, y, rx, rx if ry is None else ry), fill)

    def box(self, left: float, top: float, right: float, bottom: float, fill: Colour) -> None:
        self.poly([(left, top), (right, top), (right, bottom), (left, bottom)], fill)

    def line(self, points: Sequence[Point], fill: Colour, width: float = 1.0) -> None:
        a, b, _, d, e, _ = self.matrix
        pixels = max(1, round(width * math.sqrt(abs(a * e - b * d))))
        self.draw.line(self._placed(points), fill=self._lit(fill), width=pixels, joint="curve")

    def ring(self, x: float, y: float, radius: float, fill: Colour, width: float = 1.0) -> None:
        self.line(arc_points(x, y, radius, radius), fill, width)

    def wash(self, colour: Colour, share: float) -> None:
        """Cover the whole picture with a veil of `colour`."""
        veil = Image.new("RGB", self.image.size, colour)
        self.image.paste(Image.blend(self.image, veil, share))

    def _placed(self, points: Sequence[Point]) -> list[Point]:
        a, b, c, d, e, f = self.matrix
        return [(a * x + b * y + c, d * x + e * y + f) for x, y in points]

    def _lit(self, colour: Colour) -> Colour:
        return mix(colour, self.ambient, self.ambience) if self.ambience else colour

    def _gradient(self, placed: list[Point], top: Colour, bottom: Colour) -> None:
        xs, ys = [x for x, _ in placed], [y for _, y in placed]
        left, up = max(0, math.floor(min(xs))), max(0, math.floor(min(ys)))
        right = min(self.image.width, math.ceil(max(xs)) + 1)
        down = min(self.image.height, math.ceil(max(ys)) + 1)
        if right <= left or down <= up:
            return
        steps = np.linspace(0.0, 1.0, down - up)[:, None]  # (rows, 1)
        rows = np.array(top) + (np.array(bottom) - np.array(top)) * steps  # (rows, 3)
        column = Image.fromarray(rows.round().astype(np.uint8)[:, None, :])
        mask = Image.new("1", (right - left, down - up))
        ImageDraw.Draw(mask).polygon([(x - left, y - up) for x, y in placed], fill=1)
        self.image.paste(column.resize(mask.size), (left, up), mask)


def arc_points(
    x: float, y: float, rx: float, ry: float, start: float = 0.0, end: float = 360.0
) -> list[Point]:
    """Points of an elliptic arc, angles in degrees clockwise from the right; a whole ellipse by default."""
    steps = 36 if end - start >= 180 else 18
    angles = [math.radians(start + (end - start) * i / steps) for i in range(steps + 1)]
    return [(x + rx * math.cos(angle), y + ry * math.sin(angle)) for angle in angles]


def star_points(x: float, y: float, radius: float, *, tips: int = 5, inner: float = 0.42) -> list[Point]:
    angles = [math.pi * i / tips - math.pi / 2 for i in range(2 * tips)]
    reach = [radius if i % 2 == 0 else radius * inner for i in range(2 * tips)]
    return [(x + r * math.cos(a), y + r * math.sin(a)) for r, a in zip(reach, angles, strict=True)]


def ridge(rng: random.Random, level: float, height: float, steps: int = 9) -> list[Point]:
    """A rolling or jagged ground line across the picture, closed along its lower edge."""
    tops = [(i * 110 / steps - 5, level - rng.uniform(0, height)) for i in range(steps + 1)]
    return [*tops, (105, 105), (-5, 105)]


def hill(rng: random.Random, level: float, height: float) -> list[Point]:
    """A smooth ground line made of two sine waves, closed along its lower edge."""
    first, second = rng.uniform(0, 6.3), rng.uniform(0, 6.3)
    tops = [
        (float(x), level + height * (math.sin(x / 23 + first) + 0.5 * math.sin(x / 11 + second)) / 1.5)
        for x in range(-2, 104, 3)
    ]
    return [*tops, (105, 105), (-5, 105)]


# --- words --------------------------------------------------------------------------------------------------


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


# --- places -------------------------------------------------------------------------------------------------

SKIES: dict[str, tuple[Colour, Colour]] = {
    "day": ((72, 152, 226), (196, 228, 248)),
    "cloudy": ((146, 160, 176), (208, 214, 220)),
    "sunset": ((106, 62, 128), (255, 168, 84)),
    "dawn": ((136, 160, 214), (252, 204, 210)),
    "night": ((12, 18, 52), (42, 58, 108)),
    "rain": ((92, 104, 124), (152, 164, 178)),
    "snow": ((160, 176, 198), (226, 232, 240)),
    "fog": ((176, 184, 188), (222, 226, 226)),
}
WHEN: dict[str, tuple[str, ...]] = {
    "day": ("on a sunny day", "under a clear blue sky", "in bright sunshine"),
    "cloudy": ("on a cloudy day", "under a grey cloudy sky", "beneath grey clouds"),
    "sunset": ("at sunset", "under an orange evening sky", "as the sun goes down"),
    "dawn": ("at dawn", "early in the morning", "under a soft pink morning sky"),
    "night": ("at night", "under a dark sky with stars", "by moonlight"),
    "rain": ("in the rain", "on a rainy day", "while rain is falling"),
    "snow": ("in falling snow", "on a snowy winter day", "while it is snowing"),
    "fog": ("in thick fog", "on a foggy day", "in the mist"),
}
AMBIENT: dict[str, tuple[Colour, float]] = {
    "sunset": ((255, 140, 80), 0.14),
    "night": ((16, 24, 70), 0.34),
    "rain": ((90, 100, 120), 0.14),
    "cloudy": ((150, 156, 166), 0.1),
    "dawn": ((250, 200, 210), 0.1),
}
ANY = ("day", "day", "cloudy", "sunset", "night", "rain", "fog", "snow")


def draw_sky(pen: Pen, kinds: Sequence[str], horizon: float = 100.0) -> str:
    """Paint the sky down to `horizon`, set the light of the hour on `pen`, and say which sky it is."""
    kind = pen.rng.choice(kinds)
    top, bottom = SKIES[kind]
    pen.ambience = 0.0
    outlined, pen.outlined = pen.outlined, False
    pen.poly([(-1, -1), (101, -1), (101, horizon + 3), (-1, horizon + 3)], top, to=bottom)
    x, y = pen.rng.uniform(12, 88), pen.rng.uniform(9, 22)
    if kind == "night":
        draw_stars(pen, 40, horizon)
        pen.oval(x, y, 6, fill=(248, 244, 214))
        pen.oval(x + 2.6, y - 1.4, 5, fill=mix(top, bottom, y / 100))
    elif kind in ("sunset", "dawn"):
        low = horizon - pen.rng.uniform(2, 14)
        pen.oval(x, low, 11, fill=mix(bottom, (255, 240, 180), 0.3))
        pen.oval(x, low, 8, fill=(255, 226, 130) if kind == "sunset" else (255, 236, 214))
    elif kind == "day":
        pen.oval(x, y, 8.5, fill=(180, 220, 238))
        pen.oval(x, y, 6.5, fill=(255, 226, 84))
    pale = {"day": WHITE, "cloudy": (188, 196, 204), "rain": (112, 122, 138), "sunset": (240, 150, 130)}
    clouds = {"day": pen.rng.randint(0, 3), "cloudy": 7, "rain": 6, "sunset": 2}.get(kind, 0)
    for _ in range(clouds):
        size = pen.rng.uniform(0.7, 1.4)
        draw_cloud(pen.at(pen.rng.uniform(0, 100), pen.rng.uniform(5, horizon * 0.5), size), pale[kind])
    pen.outlined = outlined
    pen.ambient, pen.ambience = AMBIENT.get(kind, (WHITE, 0.0))
    return kind


def draw_cloud(pen: Pen, colour: Colour) -> None:
    for x, y, r in ((-8, 1, 4), (-3, -2, 5.5), (3, -1, 5), (8, 1.5, 3.5)):
        pen.oval(x, y, r, fill=colour)
    pen.box(-9, 0, 9, 4.8, colour)


def draw_stars(pen: Pen, count: int, bottom: float) -> None:
    for _ in range(count):
        shine = pen.rng.choice(((255, 255, 255), (255, 244, 200), (190, 204, 255)))
        pen.oval(pen.rng.uniform(0, 100), pen.rng.uniform(0, bottom), pen.rng.uniform(0.25, 0.6), fill=shine)


def draw_weather(pen: Pen, kind: str) -> None:
    """What falls or hangs in front of everything: rain, snow, fog."""
    pen.ambience, pen.outlined = 0.0, False
    if kind == "rain":
        for _ in range(90):
            x, y = pen.rng.uniform(0, 104), pen.rng.uniform(-4, 100)
            pen.line([(x, y), (x - 1.6, y + 5)], (190, 208, 228), 0.4)
    elif kind == "snow":
        for _ in range(90):
            pen.oval(
                pen.rng.uniform(0, 100),
                pen.rng.uniform(0, 100),
                pen.rng.uniform(0.4, 1.0),
                fill=(255, 255, 255),
            )
    elif kind == "fog":
        pen.wash((222, 226, 228), 0.42)


def draw_field(pen: Pen, sky: str, level: float) -> str:
    """A meadow, or snow when it snows, below `level`; returns where that is."""
    if sky == "snow":
        pen.poly(hill(pen.rng, level, 2), (236, 242, 250), to=(198, 210, 228))
        return "on snowy ground"
    green = pen.rng.choice(((110, 176, 78), (146, 182, 74), (84, 156, 92)))
    pen.poly(hill(pen.rng, level - 4, 3), dark(green, 0.12), to=green)
    pen.poly(hill(pen.rng, level + 2, 1.5), green, to=dark(green, 0.25))
    return pen.rng.choice(("on a green meadow", "on the grass", "in a green field"))


def draw_sea(pen: Pen, level: float, sky: str) -> str:
    """The sea below `level`; returns its colour."""
    name, water = pen.rng.choice(
        (("blue", (38, 108, 178)), ("green", (40, 134, 128)), ("dark blue", (24, 70, 136)))
    )
    outlined, pen.outlined = pen.outlined, False
    pen.poly([(-1, level), (101, level), (101, 101), (-1, 101)], light(water, 0.3), to=dark(water, 0.2))
    for _ in range(34):
        x, y = pen.rng.uniform(-5, 100), level + 2 + (98 - level) * pen.rng.random() ** 1.4
        pen.line([(x, y), (x + 3 + (y - level) / 8, y)], light(water, 0.45), 0.4)
    pen.outlined = outlined
    return name


def draw_room(pen: Pen, table: float) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """A wall and, from y = `table` down, a table; returns (where phrases, setting phrases)."""
    rng = pen.rng
    name = rng.choice(("yellow", "blue", "green", "pink", "grey", "white", "turquoise", "purple"))
    wall = light(COLOURS[name], 0.42) if name != "white" else (240, 238, 232)
    pen.outlined, outlined = False, pen.outlined
    pen.poly([(-1, -1), (101, -1), (101, 101), (-1, 101)], light(wall, 0.15), to=dark(wall, 0.1))
    setting: tuple[str, ...] = (
        f"in front of {a(name)} wall",
        f"against {a(name)} wall",
        f"in a room with {name} walls",
    )
    look = rng.choice(("plain", "striped", "dotted", "window", "window"))
    if look == "striped":
        for x in range(0, 104, 12):
            pen.box(x, 0, x + 5, table, light(wall, 0.3))
        setting = (f"in front of {a(name)} striped wall", f"against {name} striped wallpaper")
    elif look == "dotted":
        for i in range(40):
            pen.oval(i % 8 * 14 + (i // 8 % 2) * 7, i // 8 * 14 + 5, 1.6, fill=light(wall, 0.4))
        setting = (f"in front of {a(name)} dotted wall", f"against {name} wallpaper with dots")
    elif look == "window":
        setting = draw_window(pen, rng.choice((4.0, 60.0)), name)
    tops = {"a wooden table": (164, 108, 62), "a white table": (232, 228, 220), "a dark table": (78, 54, 44)}
    cloths = {f"a {name} tablecloth": COLOURS[name] for name in ("red", "blue", "green")}
    top, colour = rng.choice(list((tops | cloths).items()))
    pen.poly([(-1, table), (101, table), (101, 101), (-1, 101)], light(colour, 0.12), to=dark(colour, 0.2))
    if top == "a wooden table":
        for y in range(int(table) + 5, 100, 7):
            pen.line([(0, y), (100, y)], dark(colour, 0.15), 0.5)
    elif "tablecloth" in top:
        for x in range(0, 100, 12):
            pen.poly([(x, table), (x + 6, table), (x + 4, 101), (x - 2, 101)], light(colour, 0.25))
    pen.outlined = outlined
    return (f"on {top}", f"standing on {top}"), setting


def draw_window(pen: Pen, left: float, wall: str) -> tuple[str, ...]:
    kind = pen.rng.choice(("day", "night", "sunset", "rain"))
    top, bottom = SKIES[kind]
    pen.box(left - 2, 6, left + 38, 46, WHITE)
    pen.poly([(left, 8), (left + 36, 8), (left + 36, 44), (left, 44)], top, to=bottom)
    if kind == "night":
        pen.oval(left + 24, 17, 4, fill=(248, 244, 214))
    elif kind == "day":
        draw_cloud(pen.at(left + 12, 20, 0.8), WHITE)
    elif kind == "rain":
        for i in range(14):
            pen.line(
                [(left + 3 + i * 2.3, 12 + i * 7 % 26), (left + 2 + i * 2.3, 16 + i * 7 % 26)],
                (210, 222, 236),
                0.5,
            )
    else:
        pen.oval(left + 18, 38, 5, fill=(255, 226, 130))
    pen.box(left + 17, 8, left + 19, 44, WHITE)
    pen.box(left, 25, left + 36, 27, WHITE)
    outside = {"day": "by day", "night": "at night", "sunset": "at sunset", "rain": "on a rainy day"}[kind]
    return (
        f"by a window {outside}",
        f"next to a window {outside}",
        f"in front of {a(wall)} wall with a window",
    )


def pick(pen: Pen, names: Sequence[str] = BRIGHT) -> tuple[str, Colour]:
    name = pen.rng.choice(names)
    return name, COLOURS[name]


def spread(pen: Pen, count: int, left: float = 18, right: float = 82) -> list[float]:
    """`count` places from left to right, a little uneven."""
    step = (right - left) / count
    return [left + step * (i + 0.5) + pen.rng.uniform(-0.12, 0.12) * step for i in range(count)]


def coin(pen: Pen) -> bool:
    return pen.rng.random() < 0.5


def tree(pen: Pen, leaf: Colour, trunk: Colour = (110, 74, 46)) -> None:
    """A round tree, 24 high, its foot at the origin."""
    pen.box(-1.4, -10, 1.4, 0, trunk)
    for x, y, r in ((-4, -12, 5), (4, -12, 5), (0, -18, 6)):
        pen.oval(x, y, r, fill=leaf)
    pen.oval(-2, -19, 2.4, fill=light(leaf, 0.2))


def pine(pen: Pen, leaf: Colour, snowy: bool) -> None:
    """A pine, 30 high, its foot at the origin."""
    pen.box(-1.2, -5, 1.2, 0, (96, 64, 42))
    for top, width in ((-18, 8.5), (-24, 7), (-30, 5)):
        pen.poly([(-width, top + 14), (0, top), (width, top + 14)], leaf)
        pen.poly([(0, top), (width, top + 14), (width * 0.3, top + 14)], dark(leaf, 0.18))
        if snowy:
            pen.poly([(-width * 0.4, top + 5.5), (0, top), (width * 0.4, top + 5.5), (0, top + 4)], WHITE)


# The drawings are long lists of points: wrapped by hand, they fit a screen.
# fmt: off

# --- subjects: on water and in the open ---------------------------------------------------------------------


def sailing_boat(pen: Pen) -> Seen:
    level = pen.rng.uniform(46, 64)
    sky = draw_sky(pen, ANY, level)
    sea = draw_sea(pen, level, sky)
    hull_name, hull = pick(pen, (*BRIGHT, "brown", "white"))
    sail_name, sail = pick(pen, ("white", "white", "red", "yellow", "orange", "pink"))
    count = pen.rng.choice((1, 1, 2, 3))
    for x in spread(pen, count):
        boat = pen.at(x, level + pen.rng.uniform(10, 24), pen.rng.uniform(0.8, 1.25) / count**0.4,
                      flip=coin(pen))
        boat.box(-0.6, -38, 0.6, 0, (92, 62, 40))
        boat.poly([(1.4, -37), (19, -5), (1.4, -5)], light(sail, 0.15), to=dark(sail, 0.1))
        boat.poly([(-1.4, -33), (-15, -5), (-1.4, -5)], dark(sail, 0.12))
        boat.poly([(-21, -3), (23, -3), (15, 7), (-14, 7)], hull, to=dark(hull, 0.35))
        boat.line([(-20, -1.4), (21.5, -1.4)], light(hull, 0.6), 0.8)
    one = f"{hull_name} sailing boat with {sail_name} sails"
    many = f"{hull_name} sailing boats with {sail_name} sails"
    short = counted(count, f"{hull_name} sailing boat", f"{hull_name} sailing boats")
    return Seen((counted(count, one, many), short),
                (f"on the {sea} sea", f"sailing on the {sea} water", "out at sea"),
                WHEN[sky], (f"The hull is {hull_name} and the sail is {sail_name}",))


def lighthouse(pen: Pen) -> Seen:
    level = pen.rng.uniform(58, 70)
    sky = draw_sky(pen, ("day", "sunset", "night", "night", "cloudy", "rain", "fog"), level)
    draw_sea(pen, level, sky)
    name, colour = pick(pen, ("red", "blue", "black", "green", "orange"))
    x = pen.rng.uniform(28, 72)
    rock = (96, 90, 88)
    pen.poly([(x - 34, 101), (x - 20, level + 5), (x - 8, level - 3), (x + 10, level - 2),
              (x + 24, level + 8),
              (x + 36, 101)], light(rock, 0.15), to=dark(rock, 0.3))
    tower = pen.at(x, level, pen.rng.uniform(0.85, 1.15))
    if sky in ("night", "fog", "rain"):
        glow = (255, 240, 160) if sky != "night" else (112, 114, 118)
        for side in (-1, 1):
            tower.poly([(0, -43), (side * 80, -58), (side * 80, -34)], glow)
    for i in range(5):
        low, high = 7 - i * 0.6, 6.4 - i * 0.6
        band = colour if i % 2 == 0 else WHITE
        tower.poly([(-low, -i * 7.6), (-high, -i * 7.6 - 7.6), (high, -i * 7.6 - 7.6), (low, -i * 7.6)], band)
    tower.box(-5.4, -39.5, 5.4, -38, INK)
    tower.box(-3, -46, 3, -39.5, (255, 236, 130))
    tower.poly([(-4.4, -46), (0, -51), (4.4, -46)], dark(colour))
    tower.box(-1.6, -6, 1.6, 0, (70, 48, 40))
    return Seen((f"{a(name)} and white lighthouse", f"a lighthouse with {name} stripes"),
                ("on a rock by the sea", "on the rocky coast", "above the sea"), WHEN[sky],
                ("It stands on dark rocks",))


def beach(pen: Pen) -> Seen:
    level = pen.rng.uniform(44, 56)
    sky = draw_sky(pen, ("day", "day", "sunset", "dawn", "night", "cloudy"), level)
    draw_sea(pen, level, sky)
    sand = (238, 212, 150)
    pen.poly(hill(pen.rng, level + 22, 2.5), light(sand, 0.2), to=dark(sand, 0.12))
    count = pen.rng.choice((1, 1, 2, 3))
    for x in spread(pen, count, 12, 66):
        palm = pen.at(x, level + pen.rng.uniform(28, 40),
                      pen.rng.uniform(0.9, 1.2) * (1.1 if count == 1 else 0.85))
        lean = pen.rng.uniform(-10, 12)
        trunk = [(lean * t * t, -44 * t) for t in (0, 0.25, 0.5, 0.75, 1)]
        palm.line(trunk, (142, 98, 58), 3)
        for angle in (-170, -140, -100, -60, -25, 5):
            leaf = palm.at(lean, -44, angle=angle)
            leaf.poly([(0, 0), (9, -3), (20, 3), (10, 1)], (54, 140, 62))
        palm.oval(lean - 1.6, -42, 1.6, fill=(92, 58, 36))
        palm.oval(lean + 1.6, -42, 1.6, fill=(92, 58, 36))
    name, colour = pick(pen)
    thing = pen.rng.choice(("ball", "parasol", "towel"))
    spot = pen.at(80, 92, 1.2)
    if thing == "ball":
        spot.oval(0, -5, 6, fill=colour)
        spot.poly([(0, -11), (2.6, -5), (0, 1), (-2.6, -5)], WHITE)
    elif thing == "parasol":
        spot.box(-0.6, -22, 0.6, 0, WHITE)
        spot.poly(arc_points(0, -17, 15, 11, 180, 360), colour)
        spot.poly([(-5, -17), (0, -28), (5, -17)], WHITE)
    else:
        spot.poly([(-12, 0), (8, 0), (12, -6), (-8, -6)], colour)
        spot.line([(-10, -2), (10, -4)], WHITE, 1)
    palms = counted(count, "palm tree", "palm trees")
    return Seen((palms, f"tall {palms}" if count > 1 else "a tall palm tree",
                 f"{palms} and {a(name)} {thing}"),
                ("on the beach", "by the sea",
                 "on a tropical shore"), WHEN[sky], (f"{a(name)} {thing} lies on the sand",)
                if thing != "parasol" else (f"{a(name)} parasol stands in the sand",))


def fish(pen: Pen) -> Seen:
    name, water = pen.rng.choice((("blue", (30, 112, 190)), ("green", (34, 132, 122)),
                                  ("dark blue", (22, 52, 122))))
    pen.poly([(-1, -1), (101, -1), (101, 101), (-1, 101)], light(water, 0.35), to=dark(water, 0.4))
    pen.poly(hill(pen.rng, 88, 3), (214, 192, 138), to=(160, 138, 96))
    plant_name, plant = pick(pen, ("green", "red", "purple"))
    for _ in range(7):
        x, tall = pen.rng.uniform(0, 100), pen.rng.uniform(16, 40)
        pen.line([(x + 2.4 * math.sin(t), 94 - tall * t / 8) for t in range(9)], dark(plant, 0.15), 1.8)
    for _ in range(14):
        pen.ring(pen.rng.uniform(0, 100), pen.rng.uniform(0, 80), pen.rng.uniform(0.8, 2), light(water, 0.6),
                 0.5)
    body_name, body = pick(pen, ("red", "orange", "orange", "yellow", "purple", "pink", "white"))
    count, striped = pen.rng.choice((1, 1, 2, 3, 5)), coin(pen)
    for x in spread(pen, count, 10, 90):
        one = pen.at(x, pen.rng.uniform(28, 70), pen.rng.uniform(0.85, 1.15) * 1.5 / count**0.55,
                     flip=coin(pen))
        one.poly([(-14, 0), (-25, -9), (-22, 0), (-25, 9)], dark(body))
        one.poly([(-4, -8), (2, -15), (8, -7)], dark(body))
        one.oval(0, 0, 17, 10, fill=body)
        if striped:
            for stripe in (-6, 2):
                one.poly([(stripe - 2, -9), (stripe + 2, -9), (stripe + 3, 0), (stripe + 2, 9),
                          (stripe - 2, 9)], WHITE)
        one.poly([(-2, 2), (-9, 8), (2, 7)], dark(body, 0.2))
        one.oval(11, -2.5, 2.6, fill=WHITE)
        one.oval(11.7, -2.5, 1.4, fill=INK)
    kind = f"{body_name} striped fish" if striped else f"{body_name} fish"
    return Seen((counted(count, kind, kind), counted(count, f"{body_name} fish", f"{body_name} fish")),
                ("under water", f"swimming in {name} water", "swimming in the sea"),
                (f"among {plant_name} water plants", f"above the sandy ground with {plant_name} seaweed",
                 "between bubbles"))


def mountain(pen: Pen) -> Seen:
    sky = draw_sky(pen, ("day", "sunset", "dawn", "night", "cloudy", "fog"), 80)
    name, rock = pen.rng.choice((("grey", (118, 122, 134)), ("blue", (84, 104, 150)),
                                 ("brown", (136, 104, 84))))
    count = pen.rng.choice((1, 2, 3))
    for x in spread(pen, count, 5, 95):
        high, wide = pen.rng.uniform(38, 58), pen.rng.uniform(30, 44)
        peak = pen.at(x, 80)
        peak.poly([(-wide, 0), (0, -high), (wide, 0)], light(rock, 0.1), to=dark(rock, 0.2))
        peak.poly([(0, -high), (wide, 0), (wide * 0.3, 0), (wide * 0.1, -high * 0.5)], dark(rock, 0.3))
        snow = 0.36
        peak.poly([(-wide * snow, -high * (1 - snow)), (0, -high), (wide * snow, -high * (1 - snow)),
                   (wide * 0.2, -high * 0.72), (wide * 0.05, -high * 0.56), (-wide * 0.13,
                                                                             -high * 0.72)], WHITE)
    front = pen.rng.choice(("lake", "meadow", "forest"))
    if front == "lake":
        draw_sea(pen, 76, sky)
    else:
        draw_field(pen, sky, 78)
    if front == "forest":
        for x in range(2, 100, 9):
            pine(pen.at(x + pen.rng.uniform(-2, 2), 92, pen.rng.uniform(0.6, 0.9)), (36, 92, 62), False)
    where = {"lake": ("behind a lake", "above the water of a lake"),
             "meadow": ("behind a green meadow", "above the valley"),
             "forest": ("behind a pine forest", "rising over the trees")}[front]
    return Seen((counted(count, f"snowy {name} mountain", f"snowy {name} mountains"),
                 counted(count, "high mountain with a snow-covered peak",
                         "mountains with snow-covered peaks")),
                where, WHEN[sky])


def pine_forest(pen: Pen) -> Seen:
    sky = draw_sky(pen, ("day", "sunset", "night", "snow", "snow", "fog", "rain"), 70)
    pen.poly(ridge(pen.rng, 62, 14), (112, 142, 146), to=(92, 124, 112))
    place = draw_field(pen, sky, 66)
    snowy = sky == "snow"
    green = pen.rng.choice(((38, 100, 66), (28, 82, 74), (66, 116, 52)))
    for row, (level, size) in enumerate(((70, 0.8), (82, 1.15), (96, 1.5))):
        xs = [x + pen.rng.uniform(-4, 4) for x in range(row * 5, 104, 11 + row * 5)]
        for x in xs:
            pine(pen.at(x, level, size * pen.rng.uniform(0.85, 1.2)), light(green, 0.22 - 0.11 * row), snowy)
    extra = ("The trees are covered with snow",) if snowy else ("The trees stand close together",)
    what: tuple[str, ...] = ("a forest of green pine trees", "a dark pine forest", "many fir trees")
    if snowy:
        what = ("a forest of snow-covered pine trees", "snowy fir trees")
    return Seen(what, (place, "in the countryside"), WHEN[sky], extra)


def desert(pen: Pen) -> Seen:
    sky = draw_sky(pen, ("day", "day", "sunset", "night", "dawn"), 66)
    name, sand = pen.rng.choice((("yellow", (232, 192, 112)), ("orange", (222, 146, 84)),
                                 ("red", (196, 106, 72))))
    pen.poly(hill(pen.rng, 58, 5), dark(sand, 0.15), to=sand)
    pen.poly(hill(pen.rng, 70, 4), light(sand, 0.15), to=dark(sand, 0.15))
    count = pen.rng.choice((1, 2, 3, 4))
    bloom = coin(pen)
    for x in spread(pen, count):
        plant = pen.at(x, pen.rng.uniform(80, 93), pen.rng.uniform(0.9, 1.4) / count**0.25, flip=coin(pen))
        green = (64, 138, 78)
        plant.line([(-11, -14), (-11, -20), (-11, -26)], green, 5)
        plant.line([(-11, -15), (0, -15)], green, 5)
        plant.line([(0, -20), (12, -20)], green, 5)
        plant.line([(12, -18), (12, -34)], green, 5)
        for cx, cy in ((-11, -26), (12, -34), (-11, -15), (12, -19.6)):
            plant.oval(cx, cy, 2.5, fill=green)
        plant.box(-4, -40, 4, 0, green)
        plant.oval(0, -40, 4, fill=green)
        for line in (-2, 0, 2):
            plant.line([(line, -41), (line, -1)], dark(green, 0.25), 0.5)
        if bloom:
            plant.oval(0, -44, 2.4, fill=COLOURS["pink"])
            plant.oval(12, -37, 2, fill=COLOURS["pink"])
    cactus = "green cactus with pink flowers" if bloom else "green cactus"
    return Seen((counted(count, cactus, cactus.replace("cactus", "cactuses")),
                 counted(count, "tall cactus", "tall cactuses")),
                (f"in the {name} desert", f"on {name} sand dunes", "in a dry desert"), WHEN[sky])


def rainbow(pen: Pen) -> Seen:
    sky = draw_sky(pen, ("day", "cloudy", "dawn"), 76)
    x, radius = pen.rng.uniform(30, 70), pen.rng.uniform(42, 56)
    outlined, pen.outlined = pen.outlined, False
    stripes = ("red", "orange", "yellow", "green", "blue", "purple")
    for i, name in enumerate(stripes):
        r = radius - i * 2.6
        pen.line(arc_points(x, 80, r, r, 180, 360), COLOURS[name], 3)
    pen.outlined = outlined
    place = draw_field(pen, sky, 76)
    what = pen.rng.choice(("hills", "house", "trees"))
    if what == "house":
        name, colour = pick(pen, ("red", "white", "yellow", "blue"))
        small_house(pen.at(pen.rng.uniform(25, 75), 88, 0.55), colour, COLOURS["brown"])
        where = (f"over {a(name)} house", f"behind a small {name} house")
    elif what == "trees":
        for tx in spread(pen, 4, 4, 96):
            tree(pen.at(tx, pen.rng.uniform(84, 94), 0.9), COLOURS["green"])
        where = ("over four trees", "above the trees")
    else:
        where = ("over green hills", "above the fields")
    return Seen(("a bright rainbow", "a wide rainbow", "a rainbow with many colours"), where, WHEN[sky],
                (f"The rainbow ends {place}",))


def night_sky(pen: Pen) -> Seen:
    top, bottom = pen.rng.choice((((8, 12, 42), (40, 52, 110)), ((26, 12, 56), (96, 52, 120)),
                                  ((6, 24, 40), (24, 86, 104))))
    pen.poly([(-1, -1), (101, -1), (101, 101), (-1, 101)], top, to=bottom)
    tint = {8: "dark blue", 26: "purple", 6: "green-blue"}[top[0]]
    draw_stars(pen, 70, 90)
    for _ in range(pen.rng.randint(4, 9)):
        pen.poly(star_points(pen.rng.uniform(4, 96), pen.rng.uniform(4, 76), pen.rng.uniform(1.6, 3.4)),
                 (255, 232, 130))
    x, y, size = pen.rng.uniform(26, 74), pen.rng.uniform(22, 50), pen.rng.uniform(11, 19)
    phase = pen.rng.choice(("full moon", "crescent moon", "crescent moon"))
    moon = pen.rng.choice(((250, 240, 200), (255, 220, 120), (226, 232, 240)))
    if phase == "full moon":
        pen.oval(x, y, size, fill=moon)
        for dx, dy, r in ((-0.4, -0.2, 0.2), (0.35, 0.3, 0.26), (0.2, -0.5, 0.13), (-0.3, 0.5, 0.15)):
            pen.oval(x + dx * size, y + dy * size, r * size, fill=dark(moon, 0.14))
    else:
        outer = arc_points(x, y, size, size, 60, 300)
        inner = arc_points(x + size * 0.5, y, size * 0.8, size * 0.87, 300, 60 + 0)
        pen.poly([*outer, *inner], moon)
    ground = pen.rng.choice(("hills", "sea", "mountains"))
    black = (10, 14, 30)
    if ground == "sea":
        pen.box(-1, 86, 101, 101, (18, 34, 76))
        for i in range(6):
            pen.line([(x - 7 + i, 88 + 2.4 * i), (x + 7 - i, 88 + 2.4 * i)], moon, 0.7)
    else:
        pen.poly(hill(pen.rng, 90, 4) if ground == "hills" else ridge(pen.rng, 94, 20), black)
    place = "the sea" if ground == "sea" else f"dark {ground}"
    return Seen((f"a bright {phase} and yellow stars", f"{a(phase)} among many stars"),
                (f"over {place}", f"above {place}"), ("at night", f"in a {tint} night sky",
                                                      "in the night sky"))


def umbrella(pen: Pen) -> Seen:
    sky = draw_sky(pen, ("rain",), 70)
    ground = pen.rng.choice(("street", "park"))
    for _ in range(8):
        if ground == "street":
            x, tall = pen.rng.uniform(0, 92), pen.rng.uniform(20, 46)
            pen.box(x, 72 - tall, x + 13, 74,
                    pen.rng.choice(((108, 110, 128), (126, 116, 118), (92, 102, 120))))
            for wx in (2, 8):
                for wy in range(4, int(tall) - 4, 8):
                    pen.box(x + wx, 72 - tall + wy, x + wx + 3, 76 - tall + wy, (228, 206, 130))
        else:
            tree(pen.at(pen.rng.uniform(0, 100), 74, pen.rng.uniform(1, 1.6)), (74, 128, 78))
    floor = (106, 110, 122) if ground == "street" else (96, 148, 90)
    pen.poly([(-1, 73), (101, 73), (101, 101), (-1, 101)], floor, to=dark(floor, 0.25))
    count, (name, colour) = pen.rng.choice((1, 1, 2)), pick(pen)
    coat_name, coat = pick(pen, ("yellow", "red", "blue", "green", "purple"))
    for x in spread(pen, count, 22, 78):
        person = pen.at(x, 95, pen.rng.uniform(1.0, 1.25) / count**0.25, flip=coin(pen))
        person.oval(0, 1, 10, 1.6, fill=light(floor, 0.25))
        for leg in (-4, 1):
            person.box(leg, -10, leg + 3, 0, INK)
        person.poly([(-4, -34), (4, -34), (9, -8), (-9, -8)], coat, to=dark(coat, 0.25))
        person.oval(0, -38, 5, fill=(236, 194, 160))
        person.poly(arc_points(0, -39, 5.2, 5, 180, 360), (84, 54, 40))
        person.line([(2, -28), (8, -28)], coat, 3)
        person.line([(9, -27), (9, -60), (9, -64)], INK, 0.9)
        dome = arc_points(9, -47, 21, 17, 180, 360)
        person.poly(dome, light(colour, 0.12), to=dark(colour, 0.15))
        person.poly(arc_points(9, -47, 7, 17, 180, 360), light(colour, 0.3))
        for i in range(4):
            person.poly(arc_points(-6.7 + i * 10.5, -46.8, 5.25, 2.4, 180, 360),
                        mix((110, 122, 138), colour, 0.3))
    who = counted(count, f"person with {a(name)} umbrella", f"people with {name} umbrellas")
    coats = f"{a(coat_name)} coat" if count == 1 else f"{coat_name} coats"
    return Seen((who, f"{who} and {coats}", counted(count, f"{name} umbrella", f"{name} umbrellas")),
                (f"in {a(ground)}" if ground == "park" else "in a city street",
                 f"out in the {ground}"), WHEN[sky])


# --- subjects: buildings ------------------------------------------------------------------------------------


def small_house(pen: Pen, wall: Colour, roof: Colour) -> None:
    """A house 52 wide and 50 high, its foot at the origin."""
    pen.box(12, -48, 18, -32, (150, 84, 70))
    pen.box(-22, -28, 22, 0, wall)
    pen.box(10, -28, 22, 0, dark(wall, 0.1))
    pen.poly([(-27, -27), (0, -50), (27, -27)], light(roof, 0.1), to=dark(roof, 0.2))
    pen.box(-5, -17, 4, 0, dark(roof, 0.35))
    pen.oval(2.4, -8, 0.8, fill=(240, 206, 90))
    for x in (-18, 9):
        pen.box(x - 0.8, -22.8, x + 9.8, -11.2, WHITE)
        pen.box(x, -22, x + 9, -12, (252, 226, 130) if pen.ambience > 0.2 else (150, 204, 232))
        pen.line([(x + 4.5, -22), (x + 4.5, -12)], WHITE, 0.9)
        pen.line([(x, -17), (x + 9, -17)], WHITE, 0.9)


def house(pen: Pen) -> Seen:
    sky = draw_sky(pen, ANY, 70)
    draw_field(pen, sky, 70)
    wall_name, wall = pick(pen, ("white", "yellow", "pink", "blue", "green", "orange"))
    roof_name, roof = pick(pen, ("red", "brown", "black", "blue", "purple"))
    x = pen.rng.uniform(36, 64)
    for tx in (x - 36, x + 36):
        if coin(pen):
            tree(pen.at(tx, 78, pen.rng.uniform(1.1, 1.7)),
                 (230, 236, 246) if sky == "snow" else (58, 132, 66))
    small_house(pen.at(x, 82, pen.rng.uniform(0.85, 1.2), flip=coin(pen)), wall, roof)
    garden = pen.rng.choice(("flowers", "fence"))
    flower_name, flower = pick(pen, ("red", "yellow", "pink", "purple", "white"))
    if garden == "flowers" and sky != "snow":
        for _ in range(26):
            fx, fy = pen.rng.uniform(2, 98), pen.rng.uniform(86, 98)
            pen.line([(fx, fy), (fx, fy + 3)], (46, 112, 52), 0.5)
            pen.oval(fx, fy, 1.5, fill=flower)
        where = (f"with {flower_name} flowers in the garden", f"behind a garden of {flower_name} flowers")
    else:
        for fx in range(-2, 104, 6):
            pen.poly([(fx, 98), (fx, 89), (fx + 1.6, 87), (fx + 3.2, 89), (fx + 3.2, 98)], WHITE)
        pen.box(-1, 91, 101, 92.6, WHITE)
        where = ("behind a white fence", "with a white garden fence")
    return Seen((f"{a(wall_name)} house with {a(roof_name)} roof", f"a small {wall_name} house"), where,
                WHEN[sky],
                (f"The roof is {roof_name} and the walls are {wall_name}",))


def city(pen: Pen) -> Seen:
    sky = draw_sky(pen, ("night", "night", "sunset", "day", "rain", "fog"), 84)
    lit = sky in ("night", "sunset", "rain")
    base = pen.rng.choice(((52, 58, 90), (76, 70, 84), (58, 84, 100)))
    pen.ambience = 0.0
    if sky in ("day", "fog"):
        base = light(base, 0.4)
    for row, level in enumerate((78, 88)):
        x = pen.rng.uniform(-10, 0)
        while x < 100:
            wide, tall = pen.rng.uniform(8, 17), pen.rng.uniform(16, 50) + (14 if row == 0 else 0)
            wall = mix(dark(base, 0.45 * row), COLOURS["brown"], pen.rng.uniform(0, 0.25))
            draw_tower(pen.at(x, level), wide, tall, (wall, lit))
            x += wide + pen.rng.uniform(0, 2)
    river = coin(pen)
    if river:
        draw_sea(pen, 86, sky)
        if lit:
            for _ in range(30):
                x, y = pen.rng.uniform(0, 98), pen.rng.uniform(88, 99)
                pen.line([(x, y), (x + 4, y)], (232, 190, 96), 0.5)
    else:
        pen.box(-1, 86, 101, 101, (58, 60, 70))
        for x in range(2, 100, 14):
            pen.box(x, 93, x + 7, 94.4, (232, 222, 180))
    where = ("beside a river", "by the water") if river else ("along a road", "behind a wide street")
    extra = ("Many windows are lit",) if lit else ("The tall buildings stand close together",)
    return Seen(("a city skyline", "tall city buildings", "a skyline of skyscrapers"), where, WHEN[sky],
                extra)


def draw_tower(pen: Pen, wide: float, tall: float, look: tuple[Colour, bool]) -> None:
    """A high-rise standing on the origin; `look` is its wall and whether windows are lit."""
    wall, lit = look
    pen.box(0, -tall, wide, 12, wall)
    if pen.rng.random() < 0.3:
        pen.line([(wide / 2, -tall), (wide / 2, -tall - 8)], wall, 0.8)
    for row in range(int(tall // 5)):
        for column in range(int(wide // 3.4)):
            glow = pen.rng.choice(((255, 222, 120), (255, 240, 180),
                                   dark(wall, 0.3))) if lit else light(wall, 0.45)
            x, y = 1.2 + column * 3.4, -tall + 2 + row * 5
            pen.box(x, y, x + 1.8, y + 2.6, glow)


def castle(pen: Pen) -> Seen:
    sky = draw_sky(pen, ANY, 74)
    place = draw_field(pen, sky, 76)
    name, stone = pen.rng.choice((("grey", (150, 152, 160)), ("white", (228, 226, 220)),
                                  ("brown", (168, 134, 100)),
                                  ("pink", (226, 168, 180))))
    flag_name, flag = pick(pen, ("red", "blue", "yellow", "green", "purple"))
    keep = pen.at(pen.rng.uniform(40, 60), 84, pen.rng.uniform(0.85, 1.15))
    keep.box(-26, -28, 26, 0, stone)
    for x in range(-26, 26, 6):
        keep.box(x, -32, x + 3.4, -28, stone)
    towers = pen.rng.choice((2, 3, 4))
    for x in {2: (-28, 28), 3: (-28, 0, 28), 4: (-30, -11, 11, 30)}[towers]:
        tall = 44 if abs(x) > 20 else 56
        keep.box(x - 6, -tall, x + 6, 0, light(stone, 0.14))
        keep.box(x + 2, -tall, x + 6, 0, dark(stone, 0.12))
        keep.poly([(x - 8, -tall), (x, -tall - 15), (x + 8, -tall)], flag, to=dark(flag, 0.3))
        keep.line([(x, -tall - 15), (x, -tall - 23)], INK, 0.6)
        keep.poly([(x, -tall - 23), (x + 7, -tall - 21), (x, -tall - 19)], flag)
        keep.box(x - 1.3, -tall + 8, x + 1.3, -tall + 14, INK)
    keep.poly([*arc_points(0, -12, 6, 7, 180, 360), (6, 0), (-6, 0)], (84, 56, 38))
    return Seen((f"{a(name)} castle with {NUMBERS[towers]} towers", f"an old {name} stone castle",
                 f"{a(name)} castle with {flag_name} roofs"), (place, "on a hill"), WHEN[sky],
                (f"{flag_name} flags fly on the towers",))


def windmill(pen: Pen) -> Seen:
    sky = draw_sky(pen, ANY, 72)
    place = draw_field(pen, sky, 72)
    name, wall = pick(pen, ("white", "red", "brown", "blue", "yellow"))
    flower_name, flower = pick(pen, ("red", "yellow", "pink", "purple"))
    if sky != "snow":
        for row in range(4):
            for x in range(-2, 102, 4):
                pen.oval(x + row % 2 * 2, 86 + row * 4, 1.3, fill=flower)
    mill = pen.at(pen.rng.uniform(32, 68), 84, pen.rng.uniform(0.9, 1.2))
    mill.poly([(-12, 0), (-8, -40), (8, -40), (12, 0)], light(wall, 0.15), to=dark(wall, 0.2))
    mill.poly([(-10, -40), (0, -51), (10, -40)], dark(wall, 0.55))
    mill.box(-3.4, -10, 3.4, 0, (74, 50, 38))
    mill.box(-2.6, -28, 2.6, -22, (160, 208, 232))
    turn = pen.rng.uniform(5, 85)
    for i in range(4):
        sail = mill.at(0, -42, angle=turn + 90 * i)
        sail.box(-0.7, -34, 0.7, 0, (92, 64, 44))
        sail.box(0.7, -33, 7, -7, (238, 232, 216))
        for y in range(-30, -8, 6):
            sail.line([(0, y), (7, y)], (150, 120, 92), 0.5)
    mill.oval(0, -42, 2, fill=INK)
    where: tuple[str, ...] = (place, "in the countryside")
    if sky != "snow":
        where = (f"in a field of {flower_name} flowers", f"behind rows of {flower_name} flowers", place)
    return Seen((f"{a(name)} windmill", f"{a(name)} windmill with four sails", "an old windmill"), where,
                WHEN[sky])


def tent(pen: Pen) -> Seen:
    sky = draw_sky(pen, ("day", "sunset", "night", "night", "dawn", "rain", "fog"), 56)
    pen.poly(ridge(pen.rng, 56, 20, 7), (104, 126, 146), to=(84, 112, 116))
    draw_sea(pen, 56, sky)
    draw_field(pen, sky, 76)
    name, cloth = pick(pen)
    count, fire = pen.rng.choice((1, 1, 2)), sky in ("night", "sunset") or coin(pen)
    for x in spread(pen, count, 14, 70):
        camp = pen.at(x, pen.rng.uniform(84, 92), 1.05 / count**0.35, flip=coin(pen))
        camp.poly([(-20, 0), (-4, -28), (14, 0)], light(cloth, 0.1), to=dark(cloth, 0.1))
        camp.poly([(14, 0), (-4, -28), (10, -26), (27, -4)], dark(cloth, 0.3))
        camp.poly([(-10, 0), (-4, -18), (4, 0)], (255, 222, 130) if sky == "night" else (60, 46, 50))
    pine(pen.at(pen.rng.uniform(86, 97), 82, 1.3), (38, 96, 64), False)
    if fire and sky != "rain":
        flame = pen.at(78, 94, 0.9)
        flame.ambience = 0.0
        flame.line([(-6, 0), (6, -3)], (96, 62, 40), 2)
        flame.line([(-6, -3), (6, 0)], (96, 62, 40), 2)
        flame.poly([(-5, -3), (-3, -9), (-1, -7), (1, -14), (3, -8), (5, -9), (5, -3)], COLOURS["orange"])
        flame.poly([(-2.4, -3), (0, -9), (2.6, -3)], COLOURS["yellow"])
    extra = "A pine tree stands on the shore"
    if fire and sky != "rain":
        extra = "A camp fire is burning beside it"
    return Seen((counted(count, f"{name} tent", f"{name} tents"),
                 counted(count, f"{name} camping tent", f"{name} camping tents")),
                ("by a lake", "on the shore of a lake",
                 "beside the lake with mountains behind"), WHEN[sky], (extra,))


# --- subjects: things that move -----------------------------------------------------------------------------


def balloons(pen: Pen) -> Seen:
    sky = draw_sky(pen, ("day", "day", "sunset", "dawn", "cloudy"), 86)
    ground = pen.rng.choice(("hills", "mountains", "sea"))
    if ground == "sea":
        draw_sea(pen, 82, sky)
    elif ground == "mountains":
        pen.poly(ridge(pen.rng, 90, 18), (120, 134, 158), to=(94, 112, 134))
    else:
        draw_field(pen, sky, 86)
    count = pen.rng.choice((1, 1, 2, 3, 4))
    names = [pick(pen)[0] for _ in range(count)]
    second_name, second = pick(pen, ("white", "yellow", "blue"))
    for x, name in zip(spread(pen, count, 8, 92), names, strict=True):
        one = pen.at(x, pen.rng.uniform(26, 46), pen.rng.uniform(0.85, 1.1) * 1.25 / count**0.45)
        colour = COLOURS[name] if name != second_name else COLOURS["red"]
        for side in (-1, 1):
            one.line([(side * 6, 17), (side * 3, 29)], (92, 70, 52), 0.5)
        for i, width in enumerate((20, 13.5, 6.5)):
            stripe = colour if i % 2 == 0 else second
            low = 21 - i * 0.5
            one.poly([*arc_points(0, -4, width, 20, 180, 360), (width * 0.35, low), (-width * 0.35, low)],
                     stripe)
        one.poly([(-4, 28), (4, 28), (3.2, 35), (-3.2, 35)], (150, 104, 60))
    named = [name if name != second_name else "red" for name in names]
    if count == 1:
        what: tuple[str, ...] = (f"{a(named[0])} and {second_name} hot air balloon",
                                 "a striped hot air balloon",
                                 f"{a(named[0])} hot air balloon")
    elif count == 2:
        what = (f"{a(named[0])} and {a(named[1])} hot air balloon", "two hot air balloons")
    else:
        what = (f"{NUMBERS[count]} colourful hot air balloons", f"{NUMBERS[count]} hot air balloons")
    return Seen(what, (f"over the {ground}", f"flying above the {ground}", "floating in the sky"), WHEN[sky])


def bicycle(pen: Pen) -> Seen:
    name, frame = pick(pen)
    place = pen.rng.choice(("wall", "park"))
    if place == "wall":
        wall_name, wall = pick(pen, ("yellow", "white", "brown", "grey", "pink"))
        wall = light(wall, 0.25)
        pen.poly([(-1, -1), (101, -1), (101, 80), (-1, 80)], wall, to=dark(wall, 0.08))
        for row in range(0, 78, 9):
            for x in range(-10 + row % 2 * 8, 104, 16):
                pen.line([(x, row), (x + 12, row)], dark(wall, 0.12), 0.5)
        pen.box(-1, 78, 101, 101, (150, 150, 156))
        where: tuple[str, ...] = (f"in front of {a(wall_name)} brick wall",
                                  f"leaning against {a(wall_name)} wall")
        when: tuple[str, ...] = ("in a street", "on the pavement", "in the city")
    else:
        sky = draw_sky(pen, ("day", "sunset", "cloudy", "night", "dawn"), 66)
        draw_field(pen, sky, 64)
        for tx in spread(pen, 3, 2, 98):
            tree(pen.at(tx, 70, pen.rng.uniform(1.2, 1.8)), (70, 140, 70))
        pen.poly([(-1, 80), (101, 80), (101, 92), (-1, 92)], (206, 184, 146))
        where, when = ("in the park", "on a path between trees"), WHEN[sky]
    bike = pen.at(pen.rng.uniform(40, 60), 74, pen.rng.uniform(0.95, 1.25), flip=coin(pen))
    for x in (-20, 20):
        for i in range(6):
            spoke = bike.at(x, 0, angle=30 * i)
            spoke.line([(-12, 0), (12, 0)], (150, 152, 158), 0.3)
        bike.ring(x, 0, 12.5, INK, 1.7)
        bike.oval(x, 0, 1.6, fill=INK)
    bike.line([(-20, 0), (-8, -20), (14, -20), (-1, 2), (-20, 0)], frame, 2)
    bike.line([(-1, 2), (-9, -25)], frame, 2)
    bike.line([(20, 0), (13, -26)], frame, 2)
    bike.line([(13, -26), (19, -29), (22, -26)], INK, 1.6)
    bike.box(-14, -28, -4, -25.4, INK)
    bike.ring(-1, 2, 3.6, (90, 92, 98), 1)
    basket = coin(pen)
    if basket:
        bike.poly([(17, -25), (29, -25), (27, -15), (19, -15)], (182, 130, 74))
    what = f"{a(name)} bicycle with a basket" if basket else f"{a(name)} bicycle"
    return Seen((what, f"{a(name)} bike"), where, when)


def car(pen: Pen) -> Seen:
    sky = draw_sky(pen, ANY, 62)
    behind = pen.rng.choice(("hills", "city", "trees"))
    if behind == "hills":
        pen.poly(hill(pen.rng, 54, 7), (98, 150, 108), to=(120, 170, 100))
    elif behind == "city":
        for x in range(-4, 100, 12):
            draw_tower(pen.at(x, 62), 11, pen.rng.uniform(18, 44), ((112, 118, 136), sky == "night"))
    draw_field(pen, sky, 64)
    if behind == "trees":
        for x in range(4, 100, 15):
            tree(pen.at(x + pen.rng.uniform(-3, 3), 70, 1.3), (66, 134, 70))
    pen.box(-1, 74, 101, 96, (84, 86, 94))
    for x in range(-4, 104, 16):
        pen.box(x, 84.4, x + 9, 86, (240, 226, 150))
    name, paint = pick(pen, (*BRIGHT, "white", "black"))
    kind = pen.rng.choice(("car", "car", "van", "taxi"))
    if kind == "taxi":
        name, paint = "yellow", COLOURS["yellow"]
    one = pen.at(pen.rng.uniform(34, 66), 84, pen.rng.uniform(1.0, 1.3), flip=coin(pen))
    glass = (176, 216, 236)
    if kind == "van":
        one.poly([(-28, -2), (-28, -28), (16, -28), (25, -14), (29, -12), (29, -2)], light(paint, 0.1),
                 to=dark(paint, 0.2))
        one.poly([(8, -25), (15, -25), (22, -14), (8, -14)], glass)
        one.box(-6, -25, 5, -14, glass)
    else:
        one.poly([(-15, -13), (-9, -24), (8, -24), (17, -13)], dark(paint, 0.1))
        one.poly([(-12, -13), (-8, -22), (-1, -22), (-1, -13)], glass)
        one.poly([(1, -13), (1, -22), (7, -22), (14, -13)], glass)
        one.poly([(-28, -2), (-28, -12), (17, -14), (28, -10), (29, -2)], light(paint, 0.1),
                 to=dark(paint, 0.25))
    if kind == "taxi":
        one.box(-4, -28, 4, -24, INK)
        for x in range(-24, 24, 4):
            one.box(x, -9, x + 2, -7, INK)
    one.oval(27, -8, 1.6, 2, fill=(255, 244, 180))
    for x in (-17, 17):
        one.oval(x, -1, 6, fill=INK)
        one.oval(x, -1, 3, fill=(190, 194, 200))
    where = {"hills": ("on a road between green hills", "on a country road"),
             "city": ("on a city street", "on a road in the city"),
             "trees": ("on a road lined with trees", "on a road")}[behind]
    return Seen((f"{a(name)} {kind}", f"{a(name)} {kind} seen from the side"),
                (*where, f"driving {where[0]}"), WHEN[sky])


def train(pen: Pen) -> Seen:
    sky = draw_sky(pen, ANY, 64)
    pen.poly(ridge(pen.rng, 62, 26, 6), (128, 144, 166), to=(108, 132, 132))
    place = draw_field(pen, sky, 64)
    name, paint = pick(pen)
    steam = coin(pen)
    pen.box(-1, 82, 101, 84, (92, 82, 76))
    for x in range(-2, 104, 5):
        pen.box(x, 84, x + 2.4, 86.4, (104, 74, 52))
    line, wagons = pen.at(50, 82, pen.rng.uniform(0.85, 1.0), flip=coin(pen)), pen.rng.choice((2, 3))
    for i in range(wagons):
        wagon = line.at(-2 - i * 31, 0)
        wagon.box(-14, -22, 14, -3, paint)
        wagon.box(-15, -24, 15, -21, dark(paint, 0.45))
        wagon.box(-14, -7, 14, -5.4, light(paint, 0.6))
        for left in (-10, -2.5, 5):
            wagon.box(left, -18, left + 5, -11, (255, 232, 150) if sky == "night" else (190, 222, 238))
        for x in (-9, 9):
            wagon.oval(x, -1.6, 3, fill=INK)
    if steam:
        line.box(16, -26, 26, -3, dark(paint, 0.2))
        line.box(18, -22, 24, -15, (190, 222, 238))
        line.box(26, -16, 44, -3, INK)
        line.poly([(38, -16), (36, -25), (43, -25), (41, -16)], INK)
        for i in range(4):
            line.oval(38 - i * 7, -30 - i * 4, 3.4 + i * 1.2, fill=(226, 228, 232))
        for x in (20, 30, 39):
            line.oval(x, -2.6, 4, fill=(150, 40, 40))
    else:
        line.poly([(15, -24), (34, -24), (44, -12), (46, -3), (15, -3)], light(paint, 0.1),
                  to=dark(paint, 0.2))
        line.poly([(30, -21), (34, -21), (40, -13), (30, -13)], (176, 216, 236))
        line.box(18, -7, 45, -5.4, light(paint, 0.6))
        for x in (21, 38):
            line.oval(x, -1.6, 3, fill=INK)
    kind = "steam train" if steam else "train"
    return Seen((f"{a(name)} {kind}", f"{a(name)} {kind} with {NUMBERS[wagons]} wagons"),
                ("on the railway in front of mountains", f"running past mountains {place}",
                 "on its tracks"), WHEN[sky])


def rocket(pen: Pen) -> Seen:
    name, paint = pick(pen, ("red", "blue", "green", "orange", "purple", "yellow"))
    place = pen.rng.choice(("space", "space", "launch"))
    angle = pen.rng.uniform(-40, 40)
    if place == "space":
        pen.poly([(-1, -1), (101, -1), (101, 101), (-1, 101)], (10, 10, 36), to=(46, 28, 84))
        draw_stars(pen, 80, 100)
        planet_name, planet = pick(pen, ("orange", "blue", "pink", "green"))
        px, size = pen.rng.choice((18, 82)), pen.rng.uniform(10, 16)
        pen.oval(px, 22, size, fill=planet)
        pen.oval(px - size * 0.25, 22 - size * 0.25, size * 0.55, fill=light(planet, 0.2))
        ring = coin(pen)
        if ring:
            pen.line(arc_points(px, 22, size * 1.6, size * 0.4, 20, 160), (240, 220, 170), 1.4)
        where: tuple[str, ...] = (f"flying past {a(planet_name)} planet",
                                  f"in space near {a(planet_name)} planet")
        when: tuple[str, ...] = ("among the stars", "in the black sky", "with stars all around")
    else:
        sky, angle = draw_sky(pen, ("day", "night", "sunset", "dawn"), 90), pen.rng.uniform(-8, 8)
        for _ in range(16):
            pen.oval(pen.rng.uniform(14, 86), pen.rng.uniform(84, 98), pen.rng.uniform(5, 10),
                     fill=(222, 220, 220))
        where, when = ("lifting off", "taking off from the ground", "above clouds of smoke"), WHEN[sky]
    ship = pen.at(50, 50, pen.rng.uniform(0.95, 1.25), angle=angle)
    body_name, body = pick(pen, ("white", "grey"))
    ship.poly([(-6, 20), (0, 42), (6, 20)], COLOURS["orange"])
    ship.poly([(-3, 20), (0, 33), (3, 20)], COLOURS["yellow"])
    for side in (-1, 1):
        ship.poly([(side * 8, 4), (side * 18, 22), (side * 8, 18)], paint)
    ship.poly([(-9, 20), (-10, -8), (-7, -20), (0, -34), (7, -20), (10, -8), (9, 20)], body)
    ship.poly([(3, 20), (4, -8), (2, -28), (7, -20), (10, -8), (9, 20)], dark(body, 0.15))
    ship.poly([(-7.4, -19), (0, -34), (7.4, -19)], paint)
    ship.oval(0, -7, 5, fill=dark(paint, 0.2))
    ship.oval(0, -7, 3.6, fill=(170, 220, 240))
    ship.box(-9.4, 11, 9.4, 15, paint)
    return Seen((f"{a(body_name)} and {name} rocket", f"a rocket with {name} fins"), where, when,
                ("Bright flames come out of its engine",))


def kite(pen: Pen) -> Seen:
    sky = draw_sky(pen, ("day", "day", "cloudy", "sunset", "dawn"), 82)
    ground = pen.rng.choice(("meadow", "beach"))
    if ground == "beach":
        draw_sea(pen, 76, sky)
        pen.poly(hill(pen.rng, 88, 1.5), (240, 216, 156), to=(220, 190, 128))
    else:
        draw_field(pen, sky, 82)
    count, (name, cloth) = pen.rng.choice((1, 1, 2, 3)), pick(pen)
    tail_name, tail = pick(pen, ("yellow", "blue", "red", "white", "green"))
    for x in spread(pen, count):
        y, size = pen.rng.uniform(24, 44), pen.rng.uniform(0.9, 1.15) * 1.2 / count**0.35
        pen.line([(x, y), (x * 0.6 + 24, y + 30), (50, 96)], (250, 250, 250), 0.4)
        one = pen.at(x, y, size, angle=pen.rng.uniform(-35, 35))
        one.line([(3 * math.sin(t * 1.3), 20 + 4 * t) for t in range(7)], INK, 0.6)
        for t in (1, 3, 5):
            one.poly([(-4, 18 + 4 * t), (4, 22 + 4 * t), (4, 18 + 4 * t), (-4, 22 + 4 * t)], tail)
        one.poly([(0, -20), (14, -4), (0, 20), (-14, -4)], cloth)
        one.poly([(0, -20), (14, -4), (0, -4)], light(cloth, 0.4))
        one.poly([(0, 20), (-14, -4), (0, -4)], dark(cloth, 0.25))
        one.line([(0, -20), (0, 20)], INK, 0.5)
        one.line([(-14, -4), (14, -4)], INK, 0.5)
    return Seen((counted(count, f"{name} kite", f"{name} kites"),
                 counted(count, f"{name} kite with {a(tail_name)} tail",
                         f"{name} kites with {tail_name} tails")),
                (f"flying over the {ground}", f"high above the {ground}", "flying in the wind"), WHEN[sky])


# --- subjects: animals and plants ---------------------------------------------------------------------------


def draw_pet_place(pen: Pen) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Indoors on a rug, or outdoors on grass; returns (where phrases, when phrases)."""
    if coin(pen):
        sky = draw_sky(pen, ("day", "sunset", "cloudy", "night", "snow"), 62)
        for x in (8, 92):
            tree(pen.at(x, 68, 1.5), (66, 132, 72))
        place = draw_field(pen, sky, 68)
        return (f"sitting {place}", place), WHEN[sky]
    rng = pen.rng
    wall_name = rng.choice(("blue", "green", "pink", "yellow", "purple", "grey"))
    wall = light(COLOURS[wall_name], 0.45)
    pen.poly([(-1, -1), (101, -1), (101, 76), (-1, 76)], light(wall, 0.2), to=wall)
    pen.box(-1, 74, 101, 101, (176, 126, 82))
    pen.box(-1, 72, 101, 75, WHITE)
    rug_name, rug = pick(pen, ("red", "blue", "green", "orange", "purple"))
    pen.oval(50, 90, 42, 9, fill=rug)
    pen.oval(50, 90, 36, 6.6, fill=light(rug, 0.2))
    setting: tuple[str, ...] = (f"in a room with {wall_name} walls", "indoors",
                                f"in front of {a(wall_name)} wall")
    if coin(pen):
        setting = (draw_window(pen, rng.choice((6.0, 58.0)), wall_name)[0], *setting)
    return (f"on {a(rug_name)} rug", f"sitting on {a(rug_name)} carpet"), setting


FUR: dict[str, Colour] = {"black": (52, 50, 56), "white": (240, 238, 232), "grey": (142, 146, 152),
                          "orange": (232, 142, 60), "brown": (140, 94, 60)}


def cat(pen: Pen) -> Seen:
    where, when = draw_pet_place(pen)
    name = pen.rng.choice(tuple(FUR))
    fur, count = FUR[name], pen.rng.choice((1, 1, 2))
    striped = name in ("orange", "grey") and coin(pen)
    for x in spread(pen, count, 20, 80):
        one = pen.at(x, 92, pen.rng.uniform(1.0, 1.25) / count**0.25, flip=coin(pen))
        one.line([(12, -4), (23, -5), (26, -16), (22, -26), (25, -32)], dark(fur, 0.1), 4)
        one.oval(0, -15, 15, 17, fill=fur)
        one.oval(0, -12, 8, 11, fill=light(fur, 0.25))
        for side in (-1, 1):
            one.poly([(side * 5, -46), (side * 13, -58), (side * 14, -40)], fur)
            one.poly([(side * 7.4, -47), (side * 11.8, -53), (side * 12, -43)], (236, 160, 160))
            one.oval(side * 6, -1.5, 4.4, 2.8, fill=light(fur, 0.12))
        one.oval(0, -38, 14.5, 12, fill=fur)
        if striped:
            for stripe in (-4, 0, 4):
                one.line([(stripe, -49), (stripe * 0.8, -44)], dark(fur, 0.4), 1.3)
            for side in (-1, 1):
                for y in (-20, -15, -10):
                    one.line([(side * 14, y), (side * 8, y + 1)], dark(fur, 0.4), 1.3)
        for side in (-1, 1):
            one.oval(side * 5.6, -39, 3, 3.4, fill=(168, 210, 96))
            one.oval(side * 5.6, -39, 1.1, 3, fill=INK)
            for y in (-34, -32):
                one.line([(side * 5, y), (side * 19, y - 1 + (y + 34))],
                         light(fur, 0.7) if name == "black" else INK, 0.35)
        one.poly([(-1.8, -35), (1.8, -35), (0, -33)], (226, 120, 130))
        one.line([(-4, -32), (-2, -30.6), (0, -33), (2, -30.6), (4, -32)], INK, 0.6)
    one_name = f"striped {name} cat" if striped else f"{name} cat"
    return Seen((counted(count, one_name, one_name + "s"), counted(count, f"{name} cat", f"{name} cats")),
                where, when,
                ("It has green eyes",) if count == 1 else ("They have green eyes",))


def dog(pen: Pen) -> Seen:
    where, when = draw_pet_place(pen)
    where = tuple(phrase.replace("sitting", "standing") for phrase in where)
    name = pen.rng.choice(("brown", "white", "black", "orange", "grey"))
    fur, spotted = FUR[name], name == "white" and coin(pen)
    collar_name, collar = pick(pen, ("red", "blue", "green", "yellow"))
    count = pen.rng.choice((1, 1, 2))
    for x in spread(pen, count, 16, 84):
        one = pen.at(x, 92, pen.rng.uniform(1.0, 1.25) / count**0.65, flip=coin(pen))
        one.line([(-19, -24), (-27, -33), (-28, -39)], fur, 3.6)
        for leg in (-18, -11, 8, 14):
            one.box(leg, -16, leg + 5, 0, dark(fur, 0.12) if leg in (-11, 8) else fur)
        one.oval(-1, -21, 21, 9.6, fill=fur)
        if spotted:
            for dx, dy, r in ((-12, -23, 3.6), (-3, -19, 2.6), (6, -25, 3)):
                one.oval(dx, dy, r, fill=INK)
        one.poly([(10, -22), (14, -40), (24, -36), (20, -18)], fur)
        one.poly([(11, -30), (22, -25), (21, -22), (10, -27)], collar)
        one.oval(21, -42, 10.5, 9, fill=fur)
        one.oval(31, -39, 7.4, 5, fill=light(fur, 0.15))
        one.oval(37, -41, 2.2, 1.8, fill=INK)
        one.oval(24, -45, 1.8, fill=WHITE if name in ("black", "brown") else INK)
        one.oval(24.4, -45, 1.1, fill=INK)
        one.poly([(14, -49), (19, -48), (17, -32), (10, -34)], dark(fur, 0.45))
        one.poly([(30, -35), (34, -35), (32.5, -30)], (232, 110, 124))
    kind = f"{name} spotted dog" if spotted else f"{name} dog"
    return Seen((counted(count, f"{kind} with {a(collar_name)} collar",
                         f"{kind}s with {collar_name} collars"),
                 counted(count, kind, kind + "s")), where, when)


def bird(pen: Pen) -> Seen:
    sky = draw_sky(pen, ANY, 100)
    branch = (104, 72, 50)
    y = pen.rng.uniform(60, 74)
    pen.line([(-4, y + 8), (30, y + 2), (70, y + 1), (104, y - 6)], branch, 4)
    pen.line([(70, y + 1), (88, y + 14)], branch, 2.2)
    leaf_name, leaf = pick(pen, ("green", "green", "orange", "pink"))
    for _ in range(24):
        x = pen.rng.uniform(0, 100)
        twig = pen.at(x, y + 4 - x * 0.08 + pen.rng.choice((-4, 4)), pen.rng.uniform(0.8, 1.4),
                      angle=pen.rng.uniform(0, 360))
        twig.poly([(-4, 0), (0, -2), (4, 0), (0, 2)], leaf if sky != "snow" else (232, 240, 248))
    name, feather = pick(pen)
    breast_name, breast = pick(pen, ("white", "yellow", "orange"))
    if breast_name == name:
        breast_name, breast = "white", COLOURS["white"]
    count = pen.rng.choice((1, 1, 2, 3))
    for x in spread(pen, count, 16, 84):
        one = pen.at(x, y + 3 - x * 0.08, pen.rng.uniform(1.15, 1.4) / count**0.4, flip=coin(pen))
        for leg in (-2, 3):
            one.line([(leg, -8), (leg, 0)], (222, 150, 60), 1)
        one.poly([(-12, -16), (-30, -6), (-27, -13), (-12, -24)], dark(feather, 0.3))
        one.oval(0, -18, 15, 12, fill=feather)
        one.oval(5, -15, 9, 8.4, fill=breast)
        one.oval(11, -30, 9, fill=feather)
        one.poly([(18, -33), (27, -29), (18, -27)], (244, 176, 50))
        one.oval(13.6, -32, 2, fill=WHITE)
        one.oval(14, -32, 1.2, fill=INK)
        one.poly([(-14, -15), (-3, -26), (6, -20), (-2, -12)], dark(feather, 0.3))
    leaves = "snowy leaves" if sky == "snow" else f"{leaf_name} leaves"
    return Seen((counted(count, f"{name} bird with {a(breast_name)} breast", f"{name} birds"),
                 counted(count, f"little {name} bird", f"little {name} birds")),
                ("on a branch", f"sitting on a branch with {leaves}", "on the branch of a tree"), WHEN[sky])


def butterfly(pen: Pen) -> Seen:
    sky = draw_sky(pen, ("day", "day", "sunset", "cloudy", "dawn"), 90)
    draw_field(pen, sky, 74)
    flower_name, flower = pick(pen, ("red", "yellow", "pink", "white", "purple"))
    for _ in range(12):
        x, y = pen.rng.uniform(2, 98), pen.rng.uniform(72, 94)
        pen.line([(x, y), (x, y + 12)], (46, 116, 54), 0.9)
        for i in range(5):
            pen.oval(x + 2.6 * math.cos(i * 1.257), y + 2.6 * math.sin(i * 1.257), 2, fill=flower)
        pen.oval(x, y, 1.5, fill=COLOURS["yellow"] if flower_name != "yellow" else COLOURS["brown"])
    name, wing = pick(pen)
    count = pen.rng.choice((1, 1, 2, 3))
    spots = coin(pen)
    for x in spread(pen, count):
        one = pen.at(x, pen.rng.uniform(34, 54), pen.rng.uniform(0.95, 1.2) * 1.2 / count**0.45,
                     angle=pen.rng.uniform(-30, 30))
        for side in (-1, 1):
            one.poly([(0, 0), (side * 10, -20), (side * 23, -22), (side * 25, -10), (side * 14, 1)], wing,
                     to=dark(wing, 0.2))
            one.poly([(0, 0), (side * 14, 2), (side * 19, 10), (side * 14, 19), (side * 6, 15)],
                     light(wing, 0.25))
            one.line([(0, -8), (side * 5, -18)], INK, 0.5)
            if spots:
                one.oval(side * 17, -13, 3, fill=WHITE)
                one.oval(side * 12, 10, 2.2, fill=INK)
            else:
                one.line([(side * 2, -2), (side * 21, -16)], dark(wing, 0.5), 0.8)
                one.line([(side * 2, 1), (side * 13, 13)], dark(wing, 0.5), 0.8)
        one.oval(0, 1, 1.8, 11, fill=INK)
    kind = f"{name} butterfly" if not spots else f"{name} spotted butterfly"
    return Seen((counted(count, kind, kind.replace("butterfly", "butterflies")),
                 counted(count, f"{name} butterfly", f"{name} butterflies")),
                (f"above {flower_name} flowers",
                 f"flying over a meadow with {flower_name} flowers"), WHEN[sky])


def sunflowers(pen: Pen) -> Seen:
    sky = draw_sky(pen, ("day", "day", "sunset", "cloudy", "rain", "dawn"), 76)
    pen.poly(hill(pen.rng, 70, 4), (150, 176, 84), to=(86, 140, 64))
    count = pen.rng.choice((1, 2, 3, 5))
    name, petal = pen.rng.choice((("yellow", (250, 204, 48)), ("orange", (242, 150, 40))))
    for x in spread(pen, count, 8, 92):
        size = pen.rng.uniform(0.9, 1.1) * 1.25 / count**0.35
        y = pen.rng.uniform(30, 48)
        pen.line([(x, y), (x + 1, 101)], (60, 132, 58), 2.6 * size)
        for side in (-1, 1):
            leaf = pen.at(x, y + 34 * size, size)
            leaf.poly([(0, 0), (side * 9, -9), (side * 20, -7), (side * 10, 1)], (72, 152, 66))
        head = pen.at(x, y, size)
        for ring, colour in ((0, dark(petal, 0.15)), (10, petal)):
            for i in range(18):
                one = head.at(0, 0, angle=20 * i + ring)
                one.poly([(-3, -9), (0, -21), (3, -9)], colour)
        head.oval(0, 0, 10.5, fill=(96, 62, 36))
        head.oval(0, 0, 6.4, fill=(72, 44, 28))
    return Seen((counted(count, f"tall {name} sunflower", f"tall {name} sunflowers"),
                 counted(count, f"{name} sunflower", f"{name} sunflowers")),
                ("in a green field", "growing in the field", "in front of a green hill"), WHEN[sky])


def snowman(pen: Pen) -> Seen:
    sky = draw_sky(pen, ("snow", "snow", "day", "night", "sunset"), 70)
    pen.poly(hill(pen.rng, 72, 4), (222, 232, 244), to=(244, 248, 252))
    for edge in (6, 94):
        pine(pen.at(edge, 74, pen.rng.uniform(1, 1.5)), (44, 104, 78), True)
    hat_name, hat = pick(pen, ("black", "red", "blue", "green", "purple"))
    scarf_name, scarf = pick(pen, ("red", "blue", "green", "yellow", "orange", "pink"))
    count = pen.rng.choice((1, 1, 2))
    for x in spread(pen, count, 22, 78):
        one = pen.at(x, 94, pen.rng.uniform(0.95, 1.2) / count**0.3, flip=coin(pen))
        for side in (-1, 1):
            one.line([(side * 9, -32), (side * 24, -42), (side * 28, -41)], (96, 66, 46), 1.4)
        for y, r in ((-14, 17), (-35, 12.5), (-52, 9.5)):
            one.oval(0, y, r, fill=(212, 222, 236))
            one.oval(-1, y - 0.8, r * 0.92, fill=(252, 252, 254))
        one.poly([(-10, -46), (10, -46), (10, -42), (-10, -42)], scarf)
        one.poly([(4, -43), (9, -43), (11, -28), (5, -28)], dark(scarf, 0.15))
        one.box(-12, -61, 12, -58.6, hat)
        one.box(-7.6, -72, 7.6, -60, hat)
        one.box(-7.6, -64, 7.6, -61, light(hat, 0.5))
        for eye in (-3.4, 3.4):
            one.oval(eye, -54, 1.2, fill=INK)
        one.poly([(0, -52.6), (12, -50.6), (0, -49.6)], (240, 130, 40))
        for y in (-38, -33, -28):
            one.oval(0, y, 1.2, fill=INK)
    when = WHEN[sky] if sky != "day" else ("on a sunny winter day", "under a blue winter sky")
    return Seen((counted(count, f"snowman with {a(hat_name)} hat and {a(scarf_name)} scarf",
                         f"snowmen with {hat_name} hats and {scarf_name} scarves"),
                 counted(count, f"snowman with {a(scarf_name)} scarf", f"snowmen with {scarf_name} scarves")),
                ("in the snow", "on a snowy field", "between snowy trees"), when)


def football(pen: Pen) -> Seen:
    sky = draw_sky(pen, ("day", "day", "cloudy", "rain", "night", "snow", "sunset"), 56)
    place = draw_field(pen, sky, 58)
    goal = coin(pen)
    if goal:
        net = pen.at(pen.rng.uniform(36, 64), 68, 1.0)
        for mesh in range(-26, 27, 4):
            net.line([(mesh, -30), (mesh, 0)], (226, 230, 234), 0.3)
        for y in range(-30, 1, 4):
            net.line([(-26, y), (26, y)], (226, 230, 234), 0.3)
        net.line([(-27, 0), (-27, -31), (27, -31), (27, 0)], WHITE, 1.6)
    name, patch = pick(pen, ("black", "black", "red", "blue"))
    count = pen.rng.choice((1, 1, 1, 2, 3))
    for x in spread(pen, count):
        one = pen.at(x, pen.rng.uniform(76, 84), pen.rng.uniform(0.9, 1.3) / count**0.45,
                     angle=pen.rng.uniform(0, 70))
        one.oval(0, 0, 15, fill=(206, 210, 214))
        one.oval(-0.6, -0.8, 14, fill=WHITE)
        one.poly(pentagon(0, 0, 5.4), patch)
        for i in range(5):
            arm = one.at(0, 0, angle=72 * i)
            arm.line([(0, -5), (0, -10)], patch, 0.7)
            arm.poly([(-4.2, -13.6), (-2.6, -10), (2.6, -10), (4.2, -13.6), (0, -14.8)], patch)
    where = ("in front of a goal", "lying before the goal") if goal else (place, f"lying {place}")
    return Seen((counted(count, f"white and {name} football", f"white and {name} footballs"),
                 counted(count, "football", "footballs")), where, WHEN[sky])


def pentagon(x: float, y: float, radius: float) -> list[Point]:
    angles = [math.radians(72 * i - 90) for i in range(5)]
    return [(x + radius * math.cos(angle), y + radius * math.sin(angle)) for angle in angles]


# --- subjects: on a table -----------------------------------------------------------------------------------


def flower_vase(pen: Pen) -> Seen:
    where, setting = draw_room(pen, pen.rng.uniform(68, 76))
    vase_name, vase = pick(pen, ("blue", "white", "green", "turquoise", "black", "yellow"))
    flower_name, petal = pick(pen, ("red", "yellow", "pink", "purple", "orange", "white"))
    count, kind = pen.rng.choice((1, 3, 5, 7)), pen.rng.choice(("flower", "tulip"))
    pot = pen.at(pen.rng.uniform(38, 62), 86, pen.rng.uniform(1.0, 1.2))
    for i in range(count):
        angle = (i - (count - 1) / 2) * 60 / count
        stem = pot.at(0, -24, angle=angle)
        tall = 24 + (i % 2) * 7
        stem.line([(0, 0), (0, -tall)], (58, 128, 62), 1.1)
        stem.poly([(0, -8), (5, -15), (1, -14)], (70, 146, 70))
        if kind == "tulip":
            stem.poly([(-5, -tall - 9), (-2.4, -tall - 5), (0, -tall - 10), (2.4, -tall - 5), (5, -tall - 9),
                       (4, -tall + 2),
                       (0, -tall + 4), (-4, -tall + 2)], petal, to=dark(petal, 0.2))
        else:
            for j in range(6):
                stem.oval(4 * math.cos(j * 1.047), -tall + 4 * math.sin(j * 1.047), 3, fill=petal)
            stem.oval(0, -tall, 2.6, fill=(250, 220, 90) if flower_name != "yellow" else (130, 80, 40))
    pot.poly([(-6, -26), (6, -26), (5, -21), (11, -10), (8, 0), (-8, 0), (-11, -10), (-5, -21)],
             light(vase, 0.15),
             to=dark(vase, 0.25))
    pot.poly([(-6, -14), (-4, -18), (-4, -6), (-7, -8)], light(vase, 0.5))
    bunch = counted(count, f"{flower_name} {kind}", f"{flower_name} {kind}s")
    held = f"{flower_name} {kind}s" if count > 1 else f"one {flower_name} {kind}"
    return Seen((f"{bunch} in {a(vase_name)} vase", f"{a(vase_name)} vase with {held}"), where, setting)


def coffee(pen: Pen) -> Seen:
    where, setting = draw_room(pen, pen.rng.uniform(56, 66))
    name, cup = pick(pen, (*BRIGHT, "white", "black"))
    extra = pen.rng.choice(("nothing", "cookie", "spoon"))
    mug = pen.at(pen.rng.uniform(40, 60), 84, pen.rng.uniform(1.15, 1.45), flip=coin(pen))
    mug.oval(0, -1, 25, 5, fill=light(cup, 0.7))
    mug.oval(0, -1.6, 16, 3, fill=dark(light(cup, 0.7), 0.1))
    mug.line(arc_points(15, -15, 8, 7, -90, 90), dark(cup, 0.15), 3)
    mug.poly([(-16, -25), (16, -25), (13, -5), (7, -1), (-7, -1), (-13, -5)], light(cup, 0.12),
             to=dark(cup, 0.22))
    mug.oval(0, -25, 16, 4, fill=light(cup, 0.45))
    mug.oval(0, -24.6, 14, 3, fill=(84, 52, 34))
    for x in (-6, 0, 6):
        mug.line([(x + 1.8 * math.sin(t * 1.2), -29 - 2.6 * t) for t in range(7)], (246, 246, 246), 1)
    if extra == "cookie":
        mug.oval(-20, -3, 6.4, 2.6, fill=(196, 142, 82))
        for dx in (-3, 0, 3):
            mug.oval(-20 + dx, -3.4, 0.9, fill=(84, 52, 34))
    elif extra == "spoon":
        mug.line([(-24, 1), (-6, 4)], (196, 200, 206), 1.1)
        mug.oval(-25, 1, 3, 1.6, fill=(196, 200, 206))
    also = {"nothing": "", "cookie": " and a cookie", "spoon": " and a spoon"}[extra]
    return Seen((f"{a(name)} cup of coffee{also}", f"a steaming cup of coffee in {a(name)} cup{also}",
                 f"hot coffee in {a(name)} cup"), where, setting)


def fruit_bowl(pen: Pen) -> Seen:
    where, setting = draw_room(pen, pen.rng.uniform(62, 70))
    name, bowl = pick(pen, ("blue", "white", "brown", "turquoise", "purple", "green"))
    fruits = pen.rng.sample(("apples", "oranges", "bananas", "grapes", "pears", "lemons"), 2)
    dish = pen.at(pen.rng.uniform(42, 58), 86, pen.rng.uniform(1.15, 1.4))
    spots = ((-14, -25), (-3, -29), (8, -27), (16, -24), (-8, -22), (4, -21))
    if "bananas" in fruits:
        for lift in (0, 4):
            outer = arc_points(4, -40 + lift, 21, 19, 15, 165)
            inner = arc_points(4, -43 + lift, 20, 13, 165, 15)
            dish.poly([*outer, *inner], (250, 214, 66))
            dish.oval(-16.4, -35.6 + lift, 1.3, fill=(110, 78, 44))
    for i, (x, y) in enumerate(spots):
        draw_fruit(dish.at(x, y), fruits[i % 2])
    dish.poly(arc_points(0, -19, 26, 18, 0, 180), light(bowl, 0.2), to=dark(bowl, 0.25))
    dish.box(-9, -3, 9, 0, dark(bowl, 0.3))
    dish.line([(-26, -19), (26, -19)], light(bowl, 0.4), 1.6)
    both = f"{fruits[0]} and {fruits[1]}"
    return Seen((f"{a(name)} bowl of {both}", f"{a(name)} fruit bowl with {both}",
                 f"{both} in {a(name)} bowl"), where, setting)


def draw_fruit(pen: Pen, kind: str) -> None:
    if kind == "apples":
        pen.oval(0, 0, 7, fill=(204, 48, 48))
        pen.oval(-2.4, -2.6, 1.8, fill=(240, 150, 140))
        pen.line([(0, -6), (1, -9.6)], (92, 62, 40), 0.9)
        pen.poly([(1, -8), (5, -10), (4, -7)], (72, 150, 70))
    elif kind == "oranges":
        pen.oval(0, 0, 7, fill=(242, 142, 40))
        pen.oval(-2.4, -2.6, 1.8, fill=(252, 196, 120))
        pen.oval(1.6, -5.4, 0.8, fill=(72, 130, 60))
    elif kind == "grapes":
        for x, y in ((-4, -3), (0, -4), (4, -3), (-2.4, 0.6), (2.4, 0.6), (0, 4)):
            pen.oval(x, y, 2.8, fill=(110, 58, 146))
            pen.oval(x - 0.8, y - 0.9, 0.8, fill=(176, 136, 204))
    elif kind == "pears":
        pen.oval(0, 1, 6.4, fill=(168, 196, 70))
        pen.poly([(-5, -1), (-2.4, -10), (2.4, -10), (5, -1)], (168, 196, 70))
        pen.line([(0, -10), (1.4, -13.4)], (92, 62, 40), 0.9)
    elif kind == "lemons":
        pen.oval(0, 0, 7.4, 5.6, fill=(250, 226, 70))
        pen.oval(7, 0, 1.6, fill=(244, 208, 60))


def pizza(pen: Pen) -> Seen:
    name, cloth = pick(pen, ("red", "blue", "green", "grey", "brown", "yellow"))
    checked = coin(pen)
    pen.poly([(-1, -1), (101, -1), (101, 101), (-1, 101)], light(cloth, 0.3), to=cloth)
    if checked:
        for i in range(10):
            for j in range(10):
                if (i + j) % 2:
                    pen.box(i * 10, j * 10, i * 10 + 10, j * 10 + 10, WHITE)
    x, y, size = pen.rng.uniform(46, 54), pen.rng.uniform(46, 54), pen.rng.uniform(0.85, 1.08)
    pie = pen.at(x, y, size, angle=pen.rng.uniform(0, 90))
    pie.oval(0, 0, 44, fill=(232, 232, 230))
    slice_gone = coin(pen)
    start, end = (0, 315) if slice_gone else (0, 360)
    for radius, colour in ((39, (206, 148, 78)), (35, (190, 64, 40)), (33, (246, 204, 98))):
        pie.poly([(0, 0), *arc_points(0, 0, radius, radius, start, end)], colour)
    topping, colours = pen.rng.choice((("salami", ((176, 44, 40),)), ("mushrooms", ((172, 140, 108),)),
                                       ("olives and tomatoes", ((44, 46, 52), (220, 60, 44))),
                                       ("basil and tomatoes", ((54, 134, 60), (220, 60, 44)))))
    for ring, number in ((13, 4), (25, 9)):
        for i in range(number):
            angle = math.radians((end - 20) * i / number + 18)
            tx, ty = ring * math.cos(angle), ring * math.sin(angle)
            colour = colours[(i + ring) % len(colours)]
            if topping != "mushrooms":
                pie.oval(tx, ty, 4.2 if topping == "salami" else 3.2, fill=colour)
            if topping == "mushrooms":
                pie.poly(arc_points(tx, ty, 4, 3.6, 180, 360), dark(colour, 0.2))
                pie.box(tx - 1.2, ty, tx + 1.2, ty + 4, light(colour, 0.5))
            elif "olives" in topping and colour[0] < 60:
                pie.oval(tx, ty, 1.3, fill=(246, 204, 98))
            else:
                pie.oval(tx - 1, ty - 1, 1.2, fill=light(colour, 0.3))
    for i in range(4):
        cut = pie.at(0, 0, angle=45 * i)
        cut.line([(-38 if not slice_gone or i else 0, 0), (38, 0)], (172, 112, 56), 0.7)
    gone = " with one slice missing" if slice_gone else ""
    cloths = f"on {a(name)} and white checked tablecloth" if checked else f"on {a(name)} table"
    return Seen((f"a pizza with {topping}{gone}", f"a round pizza topped with {topping}", f"a pizza{gone}"),
                (cloths, f"on a plate {cloths}"), ("seen from above", "from above", "looking down on it"))


def birthday_cake(pen: Pen) -> Seen:
    where, setting = draw_room(pen, pen.rng.uniform(62, 70))
    name, icing = pick(pen, ("pink", "blue", "yellow", "green", "purple", "white", "turquoise"))
    base_name, base = pen.rng.choice((("chocolate", (104, 66, 44)), ("vanilla", (244, 222, 168)),
                                      ("strawberry", (236, 152, 168))))
    candles, tiers = pen.rng.randint(1, 7), pen.rng.choice((1, 2))
    cake = pen.at(pen.rng.uniform(44, 56), 90, pen.rng.uniform(1.0, 1.2))
    cake.oval(0, -2, 38, 5, fill=(226, 230, 234))
    top = 0.0
    for tier in range(tiers):
        wide, tall = 30 - 10 * tier, 22 if tiers == 1 else 17
        foot = -2 - tier * 17
        top = foot - tall
        cake.poly([(-wide, foot), (-wide, top), (wide, top), (wide, foot)], base, to=dark(base, 0.2))
        cake.box(-wide, top - 1, wide, top + 5, icing)
        for i in range(6):
            x = -wide + (i + 0.5) * wide / 3
            cake.oval(x, top + 5, wide / 6, 3 + 2 * (i % 2), fill=icing)
        cake.oval(0, top - 1, wide, 3.4, fill=light(icing, 0.3))
    for i in range(candles):
        x = (i - (candles - 1) / 2) * (34 if tiers == 2 else 48) / max(candles, 3)
        stick = COLOURS[BRIGHT[(i * 3) % len(BRIGHT)]]
        cake.box(x - 1, top - 13, x + 1, top - 1, stick)
        cake.oval(x, top - 16, 1.7, 3, fill=(255, 170, 50))
        cake.oval(x, top - 15.4, 0.8, 1.7, fill=(255, 240, 160))
    wax = counted(candles, "candle", "candles").replace("a candle", "one candle")
    return Seen((f"a birthday cake with {name} icing and {wax}", f"a {base_name} birthday cake with {wax}",
                 f"a birthday cake with {wax}",
                 f"a birthday cake with {name} icing"), where, setting,
                ("The candles are burning",) if candles > 1 else ("The candle is burning",))


def guitar(pen: Pen) -> Seen:
    name, body = pick(pen, ("brown", "brown", "orange", "red", "blue", "black", "white"))
    kind = pen.rng.choice(("acoustic guitar", "electric guitar"))
    where, setting = draw_wall_and_floor(pen)
    one = pen.at(pen.rng.uniform(42, 58), 66, pen.rng.uniform(0.78, 0.92), angle=pen.rng.uniform(-28, 28))
    one.box(-2.4, -58, 2.4, 0, (92, 62, 42))
    one.poly([(-3.6, -66), (3.6, -66), (4.4, -56), (-4.4, -56)], dark(body, 0.4))
    for y in (-64, -61, -58):
        for side in (-1, 1):
            one.oval(side * 5, y, 1.2, fill=(206, 206, 210))
    if kind == "acoustic guitar":
        for shrink, colour in ((0, dark(body, 0.4)), (1.3, light(body, 0.15))):
            one.oval(0, 12, 19 - shrink, 15 - shrink, fill=colour)
            one.oval(0, -8, 14 - shrink, 12 - shrink, fill=colour)
        one.oval(0, -2, 6, fill=dark(body, 0.3))
        one.oval(0, -2, 4.8, fill=(40, 28, 24))
        one.box(-7, 14, 7, 17, dark(body, 0.6))
    else:
        one.poly([(-6, -10), (-19, -22), (-17, -4), (-14, 4), (-20, 16), (-12, 26), (10, 26), (19, 16),
                  (13, 4), (14, -14),
                  (6, -6)], light(body, 0.1), to=dark(body, 0.2))
        one.poly([(-9, -2), (8, -4), (11, 14), (-6, 12)], WHITE)
        for y in (0, 7):
            one.box(-4.6, y, 4.6, y + 2.6, INK)
        one.box(-5, 16, 5, 18, (190, 192, 198))
    one.box(-2.2, -56, 2.2, -8, (92, 62, 42))
    for y in range(-54, -8, 6):
        one.line([(-2.2, y), (2.2, y)], (210, 206, 196), 0.4)
    for string in (-1.4, -0.5, 0.5, 1.4):
        one.line([(string, -62), (string, 16)], (236, 232, 220), 0.25)
    return Seen((f"{a(name)} {kind}", f"{a(name)} guitar"), where, setting)


def draw_wall_and_floor(pen: Pen) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """A coloured wall over a floor, a picture on it sometimes; returns (where phrases, setting phrases)."""
    name = pen.rng.choice(("yellow", "blue", "green", "pink", "grey", "turquoise", "purple", "red"))
    wall = light(COLOURS[name], 0.3)
    pen.poly([(-1, -1), (101, -1), (101, 86), (-1, 86)], light(wall, 0.2), to=wall)
    floor_name, floor = pen.rng.choice((("wooden", (170, 120, 76)), ("grey", (136, 140, 146)),
                                        ("dark", (74, 60, 58))))
    pen.poly([(-1, 84), (101, 84), (101, 101), (-1, 101)], floor, to=dark(floor, 0.2))
    if coin(pen):
        x = pen.rng.choice((6, 74))
        pen.box(x, 12, x + 20, 36, (120, 84, 56))
        pen.box(x + 2, 14, x + 18, 34, (196, 222, 240))
        pen.poly([(x + 2, 34), (x + 8, 22), (x + 13, 29), (x + 18, 34)], (104, 150, 110))
    where = (f"against {a(name)} wall", f"in front of {a(name)} wall")
    return where, (f"in a room with {a(floor_name)} floor", f"on a {floor_name} floor")


def books(pen: Pen) -> Seen:
    where, setting = draw_room(pen, pen.rng.uniform(66, 74))
    count = pen.rng.randint(2, 6)
    names = pen.rng.sample(BRIGHT, count)
    pile = pen.at(pen.rng.uniform(42, 58), 88, pen.rng.uniform(1.0, 1.2))
    thick = 9.5 if count > 4 else 12
    for i, name in enumerate(names):
        one, colour = pile.at(pen.rng.uniform(-4, 4), -i * thick, flip=coin(pen)), COLOURS[name]
        wide = pen.rng.uniform(23, 30)
        one.box(-wide, -thick, wide, 0, colour)
        one.box(-wide + 4, -thick + 1.6, wide + 0.6, -1.6, (246, 240, 222))
        for y in (-thick * 0.35, -thick * 0.65):
            one.line([(-wide + 5, y), (wide, y)], (212, 204, 184), 0.4)
        one.poly([*arc_points(-wide + 3, -thick / 2, 4, thick / 2, 90, 270)], dark(colour, 0.2))
        one.box(-wide + 2, -thick, -wide + 4, 0, dark(colour, 0.2))
    top = pen.rng.choice(("nothing", "apple", "glasses"))
    peak = pile.at(0, -count * thick)
    if top == "apple":
        draw_fruit(peak.at(0, -6.6), "apples")
    elif top == "glasses":
        for x in (-6, 6):
            peak.ring(x, -4.4, 4.4, INK, 1)
        peak.line([(-1.6, -5), (1.6, -5)], INK, 1)
    also = {"nothing": "", "apple": " with an apple on top", "glasses": " with glasses on top"}[top]
    return Seen((f"a stack of {NUMBERS[count]} books{also}", f"a pile of {NUMBERS[count]} colourful books",
                 f"{NUMBERS[count]} books{also}"), where, setting,
                (f"The book on top is {names[-1]} and the lowest is {names[0]}",))


def clock(pen: Pen) -> Seen:
    name, rim = pick(pen, (*BRIGHT, "black", "brown"))
    hour = pen.rng.randint(1, 12)
    alarm = coin(pen)
    if alarm:
        where, setting = draw_room(pen, pen.rng.uniform(70, 78))
        face = pen.at(pen.rng.uniform(40, 60), 58, pen.rng.uniform(0.85, 1.1))
        for side in (-1, 1):
            face.line([(side * 14, 20), (side * 22, 32)], dark(rim, 0.3), 3.4)
            bell = face.at(side * 16, -27, angle=side * 32)
            bell.poly(arc_points(0, 2, 10, 9, 180, 360), light(rim, 0.15))
        face.box(-1.4, -38, 1.4, -28, INK)
    else:
        where, setting = draw_wall_and_floor(pen)
        where = ("hanging on the wall", *where)
        face = pen.at(pen.rng.uniform(42, 58), 46, pen.rng.uniform(0.95, 1.2))
    face.oval(0, 0, 29, fill=rim)
    face.oval(0, 0, 25, fill=(250, 248, 238))
    for i in range(12):
        mark = face.at(0, 0, angle=30 * i)
        mark.box(-0.9 if i % 3 == 0 else -0.5, -23.4, 0.9 if i % 3 == 0 else 0.5, -19, INK)
    for angle, reach, width in ((30 * hour, 12, 2.4), (0, 19, 1.6)):
        hand = face.at(0, 0, angle=angle)
        hand.poly([(-width / 2, 3), (-width / 2, -reach + 2), (0, -reach), (width / 2, -reach + 2),
                   (width / 2, 3)], INK)
    face.oval(0, 0, 2, fill=COLOURS["red"])
    kind = "alarm clock" if alarm else "wall clock"
    return Seen((f"{a(name)} {kind}", f"a round {name} clock",
                 f"{a(name)} {kind} showing {hour_name(hour)} o'clock"),
                where, setting, (f"It is {hour_name(hour)} o'clock",))


def hour_name(hour: int) -> str:
    return (*NUMBERS, "eleven", "twelve")[hour]


SCENES: dict[str, Callable[[Pen], Seen]] = {
    "sailing boat": sailing_boat, "lighthouse": lighthouse, "palm beach": beach, "fish": fish,
    "mountain": mountain, "forest": pine_forest, "cactus": desert, "rainbow": rainbow, "moon": night_sky,
    "umbrella": umbrella, "house": house, "city": city, "castle": castle, "windmill": windmill,
    "tent": tent, "hot air balloon": balloons, "bicycle": bicycle, "car": car, "train": train,
    "rocket": rocket, "kite": kite, "cat": cat, "dog": dog, "bird": bird, "butterfly": butterfly,
    "sunflower": sunflowers, "snowman": snowman, "football": football, "flower vase": flower_vase,
    "coffee": coffee, "fruit bowl": fruit_bowl, "pizza": pizza, "birthday cake": birthday_cake,
    "guitar": guitar, "books": books, "clock": clock,
}
# fmt: on
SUBJECTS: tuple[str, ...] = tuple(SCENES)


def subject_of(seed: int) -> str:
    """The subject that `seed` draws: seeds one after another go through all of them."""
    return SUBJECTS[(seed - 1) % len(SUBJECTS)]


def draw_scene(seed: int, size: int = 320) -> tuple[Image.Image, list[str]]:
    """One scene as a (size, size) RGB picture and three captions; one seed always gives one scene."""
    rng = random.Random(seed)
    large = Image.new("RGB", (2 * size, 2 * size), WHITE)
    step = 2 * size / 100
    pen = Pen(large, rng, (step, 0.0, 0.0, 0.0, step, 0.0))
    pen.outlined = rng.random() < 0.3
    seen = SCENES[subject_of(seed)](pen)
    for kind in ("rain", "snow", "fog"):
        if seen.when == WHEN[kind]:
            draw_weather(pen, kind)
    return large.resize((size, size), Image.Resampling.BOX), write_captions(seen, rng)


# --- papers -------------------------------------------------------------------------------------------------

DATA = Path(__file__).resolve().parent
PAPERS = {  # paper: the text it is made from; a paper that is its own source is copied
    "keeping-bees.md": "papers/keeping-bees.md",
    "bread-baking.md": "papers/bread-baking.md",
    "gannet-stack-lighthouse.txt": "papers/gannet-stack-lighthouse.txt",
    "council-minutes.txt": "papers/council-minutes.txt",
    "coffee-machine.html": "sources/coffee-machine.md",
    "expedition-diary.pdf": "sources/expedition-diary.md",
}
PAGE_WIDTH, PAGE_HEIGHT, MARGIN = 420, 595, 54  # points: A5
LINE_LENGTH = 62  # characters that fit between the margins at 11 points


def write_papers(folder: Path) -> None:
    """Write the six papers into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, source in PAPERS.items():
        text = (DATA / source).read_text(encoding="utf-8")
        if name.endswith(".html"):
            (folder / name).write_text(as_html(text), encoding="utf-8")
        elif name.endswith(".pdf"):
            (folder / name).write_bytes(as_pdf(text))
        else:
            (folder / name).write_text(text, encoding="utf-8")


def blocks_of(text: str) -> Iterator[tuple[str, str]]:
    """The blocks of a text as (kind, words): kind is h1, h2, ul, ol or p; a list keeps one item a line."""
    for block in re.split(r"\n\s*\n", text.strip()):
        if heading := re.match(r"(#+) ", block):
            yield f"h{len(heading[1])}", block[heading.end() :]
        elif block.startswith("- "):
            yield "ul", re.sub(r"(?m)^- ", "", block)
        elif re.match(r"\d+\. ", block):
            yield "ol", re.sub(r"(?m)^\d+\. ", "", block)
        else:
            yield "p", " ".join(block.split())


def as_html(text: str) -> str:
    """The text as one HTML page; its first heading is the title."""
    parts = []
    for kind, words in blocks_of(text):
        safe = html.escape(words, quote=False)
        if kind in ("ul", "ol"):
            safe = "".join(f"\n<li>{item}</li>" for item in safe.splitlines()) + "\n"
        parts.append(f"<{kind}>{safe}</{kind}>")
    title = html.escape(next(blocks_of(text))[1], quote=False)
    head = f'<meta charset="utf-8">\n<title>{title}</title>'
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n{head}\n</head>\n<body>\n'
        + "\n".join(parts)
        + "\n</body>\n</html>\n"
    )


def as_pdf(text: str) -> bytes:
    """The text as a PDF in which every second-level heading begins a page."""
    pages: list[list[tuple[str, str]]] = [[]]
    for kind, words in blocks_of(text):
        if kind == "h2":
            pages.append([])
        pages[-1].append((kind, words))
    contents = [page_content(page, number) for number, page in enumerate(pages, start=1)]
    return assemble_pdf(contents, title=next(blocks_of(text))[1])


def page_content(page: Sequence[tuple[str, str]], number: int) -> bytes:
    """The drawing commands of one PDF page: its blocks from the top down, its number at the foot."""
    lines, y = [], PAGE_HEIGHT - MARGIN
    for kind, words in page:
        font, size = ("/F2", 15) if kind.startswith("h") else ("/F1", 11)
        for line in textwrap.wrap(words, LINE_LENGTH if size == 11 else 40, break_on_hyphens=False):
            lines.append(pdf_line(line, MARGIN, y, f"{font} {size} Tf"))
            y -= round(size * 1.4)
        y -= 8
    if y < MARGIN:
        raise ValueError(f"the text of page {number} is too long for a page")
    lines.append(pdf_line(str(number), PAGE_WIDTH // 2, MARGIN // 2, "/F1 9 Tf"))
    return "\n".join(lines).encode("cp1252")


def pdf_line(words: str, x: int, y: int, font: str) -> str:
    return f"BT {font} {x} {y} Td ({pdf_text(words)}) Tj ET"


def pdf_text(words: str) -> str:
    """`words` fit to stand between the brackets of a PDF string."""
    return re.sub(r"([\\()])", r"\\\1", words)


def assemble_pdf(contents: Sequence[bytes], *, title: str) -> bytes:
    """A whole PDF file: catalog, page tree, two fonts and title are objects 1 to 5, then come the pages."""
    kids = " ".join(f"{6 + 2 * i} 0 R" for i in range(len(contents)))
    font = "<< /Type /Font /Subtype /Type1 /BaseFont /{} /Encoding /WinAnsiEncoding >>"
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(contents)} >>".encode(),
        font.format("Helvetica").encode(),
        font.format("Helvetica-Bold").encode(),
        f"<< /Title ({pdf_text(title)}) >>".encode("cp1252"),
    ]
    for i, content in enumerate(contents):
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /Contents {7 + 2 * i} 0 R "
            f"/MediaBox [0 0 {PAGE_WIDTH} {PAGE_HEIGHT}] "
            "/Resources << /Font << /F1 3 0 R /F2 4 0 R >> >> >>".encode()
        )
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content))
    pdf, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(pdf))
        pdf += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    size = len(objects) + 1
    trailer = b"trailer\n<< /Size %d /Root 1 0 R /Info 5 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (size, len(pdf))
    return pdf + b"xref\n0 %d\n0000000000 65535 f \n%s%s" % (size, table, trailer)


# --- files --------------------------------------------------------------------------------------------------

ALBUM_SEEDS = range(1, 181)  # five of each subject
ALBUM_SIZE = 320
FORMATS = {0: "png", 5: "webp", 7: "gif", 10: "avif"}  # by seed % 15; all others are JPEG
QUALITY = {"jpg": 82, "webp": 80, "avif": 70}


def album_name(seed: int) -> str:
    """The file name of a scene in the album: it tells nothing about the picture."""
    return f"scene-{seed:03d}.{FORMATS.get(seed % 15, 'jpg')}"


def write_album(folder: Path) -> None:
    """Draw the album into `folder`, and `captions.jsonl` next to it."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for seed in ALBUM_SEEDS:
        scene, captions = draw_scene(seed, ALBUM_SIZE)
        name = album_name(seed)
        suffix = name.rpartition(".")[2]
        options = {"quality": QUALITY[suffix]} if suffix in QUALITY else {"optimize": True}
        scene.quantize(128).save(folder / name) if suffix == "gif" else scene.save(folder / name, **options)
        lines.append(json.dumps({"file": name, "captions": captions}, ensure_ascii=False))
    (folder.parent / "captions.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def encode_scene(seed: int, size: int) -> tuple[bytes, list[str]]:
    """The scene of `seed` as WebP bytes, with its captions."""
    scene, captions = draw_scene(seed, size)
    buffer = io.BytesIO()
    scene.save(buffer, "WEBP", quality=QUALITY["webp"])
    return buffer.getvalue(), captions


def write_parquet(path: Path, *, count: int, first_seed: int, size: int = 192) -> None:
    """A training set: columns image (WebP bytes), captions (list of str) and split ("train" in all rows)."""
    import pyarrow as pa  # type: ignore[import-untyped]  # only this command needs it
    import pyarrow.parquet as pq  # type: ignore[import-untyped]

    with ProcessPoolExecutor(max_workers=2) as pool:
        seeds = range(first_seed, first_seed + count)
        rows = list(pool.map(partial(encode_scene, size=size), seeds, chunksize=100))
    table = pa.table(
        {
            "image": pa.array([image for image, _ in rows], pa.binary()),
            "captions": pa.array([captions for _, captions in rows], pa.list_(pa.string())),
            "split": pa.array(["train"] * count, pa.string()),
        }
    )
    pq.write_table(table, path)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Make the project's own demo data.")
    commands = parser.add_subparsers(dest="command", required=True)
    album = commands.add_parser("album", help="180 pictures in OUT and captions.jsonl beside OUT")
    parquet = commands.add_parser("parquet", help="a training set of pictures and captions")
    parquet.add_argument("--count", type=int, default=6000, help="how many scenes")
    parquet.add_argument("--first-seed", type=int, default=100_000, help="the seed of the first scene")
    papers = commands.add_parser("papers", help="six long documents in OUT")
    for command in (album, parquet, papers):
        command.add_argument("out", type=Path, metavar="OUT")
    options = parser.parse_args(arguments)
    if options.command == "album":
        write_album(options.out)
    elif options.command == "parquet":
        write_parquet(options.out, count=options.count, first_seed=options.first_seed)
    else:
        write_papers(options.out)


if __name__ == "__main__":
    main()
