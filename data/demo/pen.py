"""Colours, points, and the pen that draws them into a picture."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

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
WHITE, INK = (250, 250, 248), (44, 42, 50)


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
