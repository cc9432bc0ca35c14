"""Scenes on water and in the open."""

from __future__ import annotations

import math

from demo.buildings import small_house
from demo.captions import Seen, a, counted
from demo.pen import BRIGHT, COLOURS, INK, WHITE, Pen, arc_points, dark, hill, light, mix, ridge, star_points
from demo.places import ANY, WHEN, coin, draw_field, draw_sea, draw_sky, draw_stars, pick, pine, spread, tree

# The drawings are long lists of points: wrapped by hand, they fit a screen.
# fmt: off


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
