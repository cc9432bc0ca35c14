"""Scenes of animals and plants, a snowman, and a football."""

from __future__ import annotations

import math

from demo.captions import Seen, a, counted
from demo.pen import COLOURS, INK, WHITE, Colour, Pen, Point, dark, hill, light
from demo.places import ANY, WHEN, coin, draw_field, draw_sky, draw_window, pick, pine, spread, tree

# The drawings are long lists of points: wrapped by hand, they fit a screen.
# fmt: off


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
