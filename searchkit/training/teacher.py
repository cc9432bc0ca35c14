"""The visual teacher: its features of every stored view, and a head that carries them into the text space."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch import nn

from searchkit.errors import BadInput
from searchkit.training.losses import info_nce
from searchkit.training.recipe import Teacher
from searchkit.training.rendered import Views

log = logging.getLogger(__name__)


class TFLiteTeacher:
    """Features of a quantised TFLite network, as it stores them: (width,) uint8."""

    def __init__(self, folder: Path, spec: Teacher, threads: int = 1) -> None:
        path = folder / spec.file
        if not path.is_file():
            raise BadInput(f"the teacher's file {path} is missing", hint="give its folder with --data")
        try:
            from ai_edge_litert.interpreter import Interpreter  # an extra, wanted only here
        except ImportError as error:
            raise BadInput(
                "the teacher needs the package ai-edge-litert", hint="pip install 'searchkit[train]'"
            ) from error
        self.spec = spec
        self.network = Interpreter(str(path), num_threads=threads, experimental_preserve_all_tensors=True)
        self.network.allocate_tensors()
        self.input = self.network.get_input_details()[0]["index"]

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        self.network.set_tensor(self.input, pixels[None])
        self.network.invoke()
        feature: np.ndarray = self.network.get_tensor(self.spec.tensor).reshape(-1).copy()
        return feature


def teacher_features(
    pictures: Views,
    make: Callable[[], TFLiteTeacher],
    store: Path,
) -> np.ndarray:
    """(n, views, width) uint8, computed once and kept in `store`; a killed run goes on where it was."""
    teacher = make()
    width, pixels = teacher.spec.width, teacher.spec.pixels
    shape = (len(pictures), pictures.views, width)
    done_file = store.with_suffix(".done")
    resume = store.is_file() and done_file.is_file()
    features = np.lib.format.open_memmap(store, mode="r+" if resume else "w+", dtype=np.uint8, shape=shape)
    done = int(done_file.read_text()) if resume else 0

    def one(row: int) -> list[np.ndarray]:
        return [pictures.view(row, view, pixels) for view in range(pictures.views)]

    with ThreadPoolExecutor(1) as decoder:
        pending = [decoder.submit(one, row) for row in range(done, min(done + 8, len(pictures)))]
        for row in range(done, len(pictures)):
            views = pending.pop(0).result()
            if row + 8 < len(pictures):
                pending.append(decoder.submit(one, row + 8))
            features[row] = [teacher(view) for view in views]
            if row % 1000 == 999:
                features.flush()
                done_file.write_text(str(row + 1))
                log.info("teacher: %s %d/%d", pictures.name, row + 1, len(pictures))
    features.flush()
    done_file.write_text(str(len(pictures)))
    return features


class Standardise:
    """Features to zero mean and unit variance per number: without it every cosine is near one."""

    def __init__(self, samples: np.ndarray) -> None:
        values = samples.reshape(-1, samples.shape[-1]).astype(np.float32)
        self.mean, self.scale = values.mean(0), values.std(0) + 1e-3

    def __call__(self, features: np.ndarray) -> torch.Tensor:
        return torch.from_numpy((features.astype(np.float32) - self.mean) / self.scale)


def space_head(width: int, dim: int) -> nn.Module:
    """(n, width) standardised features → (n, dim), not normalised."""
    return nn.Sequential(
        nn.Dropout(0.2), nn.Linear(width, 768), nn.GELU(), nn.Dropout(0.3), nn.Linear(768, dim)
    )


def fit_head(
    features: torch.Tensor,
    texts: torch.Tensor,
    choose: Callable[[np.random.Generator, np.ndarray], np.ndarray],
    *,
    steps: int,
    seed: int,
) -> nn.Module:
    """A `space_head` fitted by InfoNCE against the locked text vectors.

    `choose(rng, rows)` names one text row of `texts` for each picture row.
    """
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    head = space_head(features.shape[1], texts.shape[1])
    optimiser = torch.optim.AdamW(head.parameters(), lr=1e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for step in range(steps):
        rows = rng.integers(0, len(features), 512)
        target = texts[choose(rng, rows)]
        embedded = nn.functional.normalize(head(features[rows]), dim=-1)
        loss = info_nce(embedded, target, 1 / 0.05)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        if step % 250 == 0:
            log.info("head: step %d loss %.3f", step, loss.item())
    return head.eval()
