"""Augmentations that can be repeated to the pixel: what is drawn is a handful of numbers, kept as such.

A random-resized crop, a mirror image, then RandAugment: two operations of fourteen, at magnitude 9 of 31.
Teachers and students see the same augmentation at their own sizes; at equal sizes, the same pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

AREA = (0.2, 1.0)
"""Least and greatest share of the picture that a crop keeps. Captions name what is at the edges too: 0.08, as
for classes, is too little."""
RATIO = (3 / 4, 4 / 3)
"""Least and greatest ratio of a crop's sides, relative to the picture's own."""
OPERATIONS = 2
STRENGTH = 9 / 30
GREY = (124, 116, 104)
"""The colour that comes in from outside when a picture is turned or moved: the mean of photos."""


@dataclass(frozen=True, slots=True)
class Augmentation:
    """One drawn augmentation, in float32 numbers, so that a stored one and a fresh one make the same
    pixels."""

    box: tuple[float, float, float, float]
    """Left, top, right and bottom, as parts of width and height."""
    mirrored: bool
    operations: tuple[tuple[int, float], ...]
    """The place of each operation in `NAMES`, with its magnitude."""

    def __call__(self, image: Image.Image, pixels: int) -> np.ndarray:
        """The augmented picture as (pixels, pixels, 3) uint8."""
        return np.asarray(self.picture(image, pixels))

    def picture(self, image: Image.Image, pixels: int) -> Image.Image:
        """The augmented picture, `pixels` wide and high."""
        left, top, right, bottom = self.box
        box = (left * image.width, top * image.height, right * image.width, bottom * image.height)
        made = image.resize((pixels, pixels), Image.Resampling.BICUBIC, box=box)
        if self.mirrored:
            made = ImageOps.mirror(made)
        for place, magnitude in self.operations:
            made = ACTS[place](made, magnitude)
        return made

    def numbers(self) -> np.ndarray:
        """The augmentation as (9,) float32: the box, mirrored or not, and (place, magnitude) of each
        operation."""
        flat = [x for operation in self.operations for x in operation]
        return np.array([*self.box, float(self.mirrored), *flat], np.float32)


NUMBERS = 5 + 2 * OPERATIONS


def from_numbers(numbers: np.ndarray) -> Augmentation:
    """The augmentation whose `numbers` these are."""
    left, top, right, bottom, mirrored, *flat = (float(x) for x in numbers)
    operations = tuple(
        (int(place), magnitude) for place, magnitude in zip(flat[::2], flat[1::2], strict=True)
    )
    return Augmentation((left, top, right, bottom), mirrored > 0.5, operations)


def draw(rng: np.random.Generator) -> Augmentation:
    """A random augmentation."""
    area = rng.uniform(*AREA)
    ratio = np.exp(rng.uniform(*np.log(RATIO)))
    width, height = min(1.0, np.sqrt(area * ratio)), min(1.0, np.sqrt(area / ratio))
    left, top = rng.uniform(0, 1 - width), rng.uniform(0, 1 - height)
    operations = []
    for place in rng.integers(len(NAMES), size=OPERATIONS):
        sign = -1.0 if rng.random() < 0.5 else 1.0
        operations.append((int(place), sign * GREATEST[place] * STRENGTH))
    numbers = [left, top, left + width, top + height, rng.random() < 0.5, *np.ravel(operations)]
    made = np.array(numbers, np.float32)
    made[:4] = np.clip(made[:4], 0, 1)
    return from_numbers(made)


def _affine(image: Image.Image, matrix: tuple[float, ...]) -> Image.Image:
    """The picture in which (x, y) shows what was at (a·x + b·y + c, d·x + e·y + f)."""
    return image.transform(
        image.size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR, fillcolor=GREY
    )


def _shear_x(image: Image.Image, by: float) -> Image.Image:
    return _affine(image, (1, by, -by * image.height / 2, 0, 1, 0))


def _shear_y(image: Image.Image, by: float) -> Image.Image:
    return _affine(image, (1, 0, 0, by, 1, -by * image.width / 2))


def _rotate(image: Image.Image, degrees: float) -> Image.Image:
    return image.rotate(degrees, Image.Resampling.BILINEAR, fillcolor=GREY)


def _enhance(kind: Callable[[Image.Image], ImageEnhance._Enhance]) -> Callable[..., Image.Image]:
    return lambda image, by: kind(image).enhance(1 + by)


ACTS: tuple[Callable[[Image.Image, float], Image.Image], ...]
NAMES: tuple[str, ...]
GREATEST: tuple[float, ...]
"""Magnitude of each operation at full strength, as RandAugment in torchvision has it."""
NAMES, GREATEST, ACTS = zip(
    ("identity", 0.0, lambda image, by: image),
    ("shear x", 0.3, _shear_x),
    ("shear y", 0.3, _shear_y),
    ("move x", 0.47, lambda image, by: _affine(image, (1, 0, by * image.width, 0, 1, 0))),
    ("move y", 0.47, lambda image, by: _affine(image, (1, 0, 0, 0, 1, by * image.height))),
    ("rotate", 30.0, _rotate),
    ("brightness", 0.9, _enhance(ImageEnhance.Brightness)),
    ("colour", 0.9, _enhance(ImageEnhance.Color)),
    ("contrast", 0.9, _enhance(ImageEnhance.Contrast)),
    ("sharpness", 0.9, _enhance(ImageEnhance.Sharpness)),
    ("posterise", 4.0, lambda image, by: ImageOps.posterize(image, 8 - round(abs(by)))),
    ("solarise", 255.0, lambda image, by: ImageOps.solarize(image, 255 - round(abs(by)))),
    ("autocontrast", 0.0, lambda image, by: ImageOps.autocontrast(image)),
    ("equalise", 0.0, lambda image, by: ImageOps.equalize(image)),
    strict=True,
)
