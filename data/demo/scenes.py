"""Every subject by its name, and the scene that a seed draws."""

from __future__ import annotations

import random
from collections.abc import Callable

from demo.buildings import castle, city, house, tent, windmill
from demo.captions import Seen, write_captions
from demo.living import bird, butterfly, cat, dog, football, snowman, sunflowers
from demo.outdoors import (
    beach,
    desert,
    fish,
    lighthouse,
    mountain,
    night_sky,
    pine_forest,
    rainbow,
    sailing_boat,
    umbrella,
)
from demo.pen import WHITE, Pen
from demo.places import WHEN, draw_weather
from demo.things import birthday_cake, books, clock, coffee, flower_vase, fruit_bowl, guitar, pizza
from demo.vehicles import balloons, bicycle, car, kite, rocket, train
from PIL import Image

# fmt: off
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
