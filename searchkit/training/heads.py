"""A head from what a tower sees into the text space, fitted on features that are computed once."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from searchkit.models.head import two_layer_head
from searchkit.training.lessons import Lessons
from searchkit.training.losses import info_nce
from searchkit.training.started import HeadFit

log = logging.getLogger(__name__)

RISE = 0.3
"""Part of the steps in which the rate rises; then half a cosine to nothing."""
SHARPEST = 100.0


class Fitted(nn.Module):
    """(n, width) features → (n, dim), not normalised; features are brought to zero mean and unit variance."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, width: int, dim: int, hidden: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("deviation", torch.ones(width))
        self.first, self.last = nn.Linear(width, hidden), nn.Linear(hidden, dim)
        self.log_scale = nn.Parameter(torch.tensor(3.0))
        self.class_scale = nn.Parameter(torch.tensor(3.0))

    def forward(self, features: Tensor, dropout: float = 0.0) -> Tensor:
        seen = F.dropout((features - self.mean) / self.deviation, dropout)
        out: Tensor = self.last(F.dropout(F.gelu(self.first(seen)), dropout))
        return out

    @property
    def scale(self) -> Tensor:
        """1/τ."""
        return self.log_scale.exp().clamp(max=SHARPEST)

    def named(self, embedded: Tensor, vectors: Tensor, wanted: Tensor) -> Tensor:
        """Cross entropy to the probabilities `wanted` (n, classes) of names with these vectors."""
        scores = self.class_scale.exp().clamp(max=SHARPEST) * embedded @ vectors.T
        return -(wanted * F.log_softmax(scores, dim=1)).sum(1).mean()


@dataclass(frozen=True, slots=True)
class Seen:
    """What a tower sees in each data set's views, (n·views, width), and what heads learn of it."""

    features: Sequence[Tensor]
    before: Sequence[Tensor]
    """The features of the tower as it came, whose classifier says what is to be seen."""
    lessons: Lessons
    classifier: nn.Linear
    names: Tensor
    """(classes, dim), unit rows."""

    def drawn(self, places: Sequence[tuple[int, int, int]]) -> tuple[Tensor, Tensor]:
        """(b, width) features of (data set, picture, view), and (b, classes) what the classifier says."""
        rows = [(s, row * self.lessons.sets[s].views + view) for s, row, view in places]
        with torch.no_grad():
            before = torch.stack([self.before[s][n] for s, n in rows])
            return torch.stack([self.features[s][n] for s, n in rows]), self.classifier(before).softmax(dim=1)


def fit(seen: Seen, options: HeadFit, seed: int) -> Fitted:
    """Fits one head."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    lessons, first = seen.lessons, seen.features[0]
    head = Fitted(first.shape[1], lessons.texts.shape[1], options.hidden)
    head.mean.copy_(first.mean(0))
    head.deviation.copy_(first.std(0) + 1e-3)
    optimiser = torch.optim.AdamW(head.parameters(), lr=options.rate, weight_decay=options.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, options.rate, options.steps, pct_start=RISE)
    for step in range(options.steps):
        drawn = lessons.draw(rng, options.batch, options.mixed)
        features, wanted = seen.drawn(drawn.places)
        embedded = F.normalize(head(features, options.dropout), dim=-1)
        bank = lessons.others(rng, options.bank)
        loss = info_nce(embedded[drawn.described], drawn.texts, head.scale, bank)
        loss = loss + options.classes * head.named(embedded, seen.names, wanted)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        if step % 100 == 99:
            log.info("head of seed %d: step %d/%d loss %.3f", seed, step + 1, options.steps, loss.item())
    return head.eval()


def fitted(seen: Seen, options: HeadFit, work: Path, seed: int) -> Fitted:
    """Returns the head that `fit` gives, which is kept in `work` when it is done."""
    store = work / "head.pt"
    if not store.is_file():
        scratch = store.with_suffix(".tmp")
        torch.save(fit(seen, options, seed).state_dict(), scratch)
        scratch.replace(store)
    head = Fitted(seen.features[0].shape[1], seen.names.shape[1], options.hidden)
    head.load_state_dict(torch.load(store, weights_only=True))
    return head.eval()


@torch.no_grad()
def plain(head: Fitted) -> nn.Sequential:
    """Returns the same map of features as they are, in two layers."""
    rows = head.first.weight / head.deviation
    weights = {
        "0.weight": rows,
        "0.bias": head.first.bias - rows @ head.mean,
        "2.weight": head.last.weight,
        "2.bias": head.last.bias,
    }
    one = two_layer_head(rows.shape[1], len(head.last.bias), len(rows))
    one.load_state_dict(weights)
    return one
