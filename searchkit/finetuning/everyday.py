"""Made-up captions of photos that anybody might have: an adapter leaves them alone while it learns a
subject."""

from __future__ import annotations

import random

WHO = (
    "a man", "a woman", "two children", "a boy in a red shirt", "a girl", "an old couple",
    "a crowd of people", "a brown dog", "two dogs", "a black and white cat", "a baby", "three friends",
    "a cyclist", "a horse",
    "a group of tourists", "a little girl in a pink dress", "a young man with a beard", "several players",
    "a white dog with a ball", "a mother and her son", "a bird", "a team in blue", "people in warm coats",
)  # fmt: skip
DOES = (
    "running", "jumping into the air", "sitting", "sleeping", "playing", "standing and looking at the camera",
    "laughing", "eating", "riding a bicycle", "climbing", "swimming", "dancing", "throwing a ball",
    "walking with an umbrella", "reading a book", "playing a guitar", "taking a photo", "catching a frisbee",
    "waiting", "splashing in the water", "skating", "pulling a sledge", "carrying a bag",
    "talking on the phone",
)  # fmt: skip
WHERE = (
    "on the beach", "in the snow", "on the grass", "in a city street", "in front of a shop", "in a kitchen",
    "at a table with food", "beside a lake", "on a mountain path", "in a swimming pool", "on a stage",
    "in the forest", "on a bench in the park", "by the sea at sunset", "at a party with a cake", "on a boat",
    "under a bridge", "on a skateboard ramp", "in a field of flowers", "near a river", "at a football match",
    "in a living room", "on a rocky hill", "in the rain", "at a market", "beside a red car", "at night",
)  # fmt: skip
THINGS = (
    "a plate of pasta", "a vase of flowers", "a cup of coffee and a cake", "an old church", "a tall building",
    "a sailing boat", "a train at a station", "a bowl of fruit", "a birthday cake with candles",
    "a waterfall",
    "a bicycle", "a yellow flower with a bee", "a snowy mountain", "a wooden house", "a castle", "a receipt",
    "a laptop on a desk", "a full moon", "a garden with roses", "a car in a street", "a sunset over the sea",
)  # fmt: skip
SORTS = ("{}", "a photo of {}", "{} seen from above", "{} on a sunny day", "a close-up of {}")


def everyday(count: int = 1000, seed: int = 0) -> list[str]:
    """`count` different captions, the same each time.

    >>> everyday(2) == everyday(3)[:2]
    True
    """
    random_ = random.Random(seed)
    captions: dict[str, None] = {}
    while len(captions) < count:
        if random_.random() < 0.2:
            captions[random_.choice(SORTS).format(random_.choice(THINGS))] = None
        else:
            captions[" ".join(random_.choice(part) for part in (WHO, DOES, WHERE))] = None
    return list(captions)
