"""The student: the image tower that learns, and the linear maps by which it is compared with its teachers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from searchkit.encoders.vision import preprocess
from searchkit.errors import BadInput
from searchkit.models.image_towers import ImageConfig, image_network
from searchkit.models.inverted import InvertedConfig, InvertedTower
from searchkit.training.batches import Batch
from searchkit.training.corpus import Corpus, VisualTeacher
from searchkit.training.distillation import reinforced
from searchkit.training.ensemble import taught_batch
from searchkit.training.losses import cosine_distance
from searchkit.training.recipe import Optimisation, Teacher


class Student(nn.Module):
    """The tower, linear maps from its trunk and stages to the teacher's, and a learned scale 1/τ.

    Raises `BadInput` for a teacher with more maps than the tower has stages.
    """

    def __init__(self, config: ImageConfig, teacher: Teacher) -> None:
        super().__init__()
        self.tower = image_network(config)
        self.to_feature = nn.Linear(config.width, teacher.width)
        self.log_scale = nn.Parameter(torch.tensor(0.0))
        stages = config.channels if isinstance(config, InvertedConfig) else ()
        if len(teacher.maps) > len(stages):
            raise BadInput(
                f"the tower has no stages for {len(teacher.maps)} maps of the teacher",
                hint='take a tower of kind "inverted", or no [[teacher.maps]]',
            )
        like = zip(stages[len(stages) - len(teacher.maps) :], teacher.maps, strict=True)
        self.to_maps = nn.ModuleList(_to_map(width, seen.width) for width, seen in like)

    def sees(self, pixels: Tensor) -> tuple[Tensor, Sequence[Tensor]]:
        """The trunk's features (b, width) of pictures (b, 3, p, p), and a map (b, h, w, c) like each of the
        teacher's."""
        if not isinstance(self.tower, InvertedTower):
            return self.tower.features(pixels), ()
        maps = self.tower.maps(pixels)
        last = maps[len(maps) - len(self.to_maps) :]
        like = [to_map(stage.permute(0, 2, 3, 1)) for to_map, stage in zip(self.to_maps, last, strict=True)]
        return self.tower.pooled(maps[-1]), like


def student_loss(
    student: Student,
    batch: Batch,
    corpus: Corpus,
    teacher: VisualTeacher,
    options: Optimisation,
    step: int,
) -> tuple[Tensor, dict[str, float]]:
    """The loss of a batch, and its terms by name:

        L = Σ [(1 − λ)·InfoNCE + λ·KL], of real and of synthetic texts (see `distillation`),
            + λ_f·(1 − cos(W·trunk, teacher)) + λ_s·(1 − cos(embedding, head(teacher)))
            + λ_m·mean over maps and their places of (1 − cos(W'·map, teacher's map))

    `step` seeds what is drawn, dropout and bank, so that a resumed run draws as an uninterrupted one.
    """
    device = batch.pixels.device
    chooser = torch.Generator().manual_seed(step)
    with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
        trunk, maps = student.sees(preprocess(student.tower.config).normalise(batch.pixels))
        kept = torch.rand(trunk.shape, generator=chooser).to(device) >= options.dropout
        embedded = student.tower.head(trunk * kept / (1 - options.dropout))
        mapped = student.to_feature(trunk)
    embedded = nn.functional.normalize(embedded.float(), dim=-1)
    wanted = teacher.features(batch.features).to(device)
    with torch.no_grad():
        target = teacher.to_space(wanted)
    bank = torch.randint(len(corpus.texts), (options.bank,), generator=chooser).to(device)
    scale = (student.log_scale.exp() / options.temperature).clamp(max=100)
    contrast = embedded.new_zeros(())
    for has, rows in ((batch.has_text, batch.text), (batch.has_synthetic, batch.synthetic)):
        if len(rows):
            taught = taught_batch(
                corpus.teachers,
                corpus.texts,
                (target[has], [vectors[has] for vectors in batch.seen]),
                rows,
                bank,
                options,
            )
            contrast = contrast + reinforced(
                embedded[has],
                corpus.texts[rows],
                scale,
                taught,
                weight=options.distil,
                bank=corpus.texts[bank],
            )
    feature = cosine_distance(mapped.float(), wanted)
    space = cosine_distance(embedded, target)
    loss = contrast + options.feature_weight * feature + options.space_weight * space
    parts = {"nce": contrast, "feature": feature, "space": space, "scale": scale}
    if maps:
        far = [
            map_distance(own.float(), make_even(seen).to(device))
            for own, seen, make_even in zip(maps, batch.maps, teacher.maps, strict=True)
        ]
        parts["map"] = torch.stack(far).mean()
        loss = loss + options.map_weight * parts["map"]
    return loss, {name: term.item() for name, term in parts.items()}


def _to_map(width: int, wanted: int) -> nn.Linear:
    """A linear layer from a stage to a map; of the same width, it begins as the identity, so that what was
    learned blockwise stays."""
    layer = nn.Linear(width, wanted)
    if width == wanted:
        nn.init.eye_(layer.weight)
        nn.init.zeros_(layer.bias)
    return layer


def map_distance(student: Tensor, teacher: Tensor) -> Tensor:
    """The mean of 1 − cos over the places of two maps (b, h, w, c), the teacher's brought to the student's
    grid."""
    grid = F.interpolate(
        teacher.permute(0, 3, 1, 2), student.shape[1:3], mode="bilinear", antialias=True, align_corners=False
    )
    return cosine_distance(student.flatten(0, 2), grid.permute(0, 2, 3, 1).flatten(0, 2))
