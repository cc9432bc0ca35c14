"""Scenes of buildings and tents."""

from __future__ import annotations

from demo.captions import NUMBERS, Seen, a, counted
from demo.pen import COLOURS, INK, WHITE, Colour, Pen, arc_points, dark, light, mix, ridge
from demo.places import ANY, WHEN, coin, draw_field, draw_sea, draw_sky, pick, pine, spread, tree

# The drawings are long lists of points: wrapped by hand, they fit a screen.
# fmt: off


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
