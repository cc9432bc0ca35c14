"""Where and when a scene is: sky, weather, ground, rooms, and trees."""

from __future__ import annotations

from collections.abc import Sequence

from demo.captions import a
from demo.pen import BRIGHT, COLOURS, WHITE, Colour, Pen, dark, hill, light, mix

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
