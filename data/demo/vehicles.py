"""Scenes of things that move."""

from __future__ import annotations

import math

from demo.buildings import draw_tower
from demo.captions import NUMBERS, Seen, a, counted
from demo.pen import BRIGHT, COLOURS, INK, Pen, arc_points, dark, hill, light, ridge
from demo.places import ANY, WHEN, coin, draw_field, draw_sea, draw_sky, draw_stars, pick, spread, tree

# The drawings are long lists of points: wrapped by hand, they fit a screen.
# fmt: off


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
