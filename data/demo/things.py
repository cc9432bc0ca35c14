"""Scenes of things on a table, on a wall, and on a floor."""

from __future__ import annotations

import math

from demo.captions import NUMBERS, Seen, a, counted
from demo.pen import BRIGHT, COLOURS, INK, WHITE, Pen, arc_points, dark, light
from demo.places import coin, draw_room, pick

# The drawings are long lists of points: wrapped by hand, they fit a screen.
# fmt: off


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
