"""The visual teacher: its features and maps of every stored view, and a head from its features into the text
space."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
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

STORED = 3
"""Format of the files that features are kept in; files of another are made anew."""

ChooseText = Callable[[np.random.Generator, np.ndarray], np.ndarray]
"""Gives (n,) rows of texts that describe the pictures in (n,) rows, drawn by the generator."""


class TFLiteTeacher:
    """A quantised TFLite network that gives a feature of a picture, (width,) uint8, and maps.

    It reads pictures of the recipe's side, or of `pixels`. Raises `BadInput` without its file or package.
    """

    def __init__(self, folder: Path, spec: Teacher, threads: int = 1, pixels: int = 0) -> None:
        path = folder / spec.file
        if not path.is_file():
            raise BadInput(f"the teacher's file {path} is missing", hint="put it into the folder of --data")
        try:
            from ai_edge_litert.interpreter import Interpreter  # an extra, wanted only here
        except ImportError as error:
            raise BadInput(
                "the teacher needs the package ai-edge-litert", hint="pip install 'searchkit[train]'"
            ) from error
        self.spec = spec
        self.network = Interpreter(str(path), num_threads=threads, experimental_preserve_all_tensors=True)
        self.input = self.network.get_input_details()[0]["index"]
        if pixels:
            self.network.resize_tensor_input(self.input, [1, pixels, pixels, 3])
        self.network.allocate_tensors()
        self.units = {tensor["index"]: tensor["quantization"] for tensor in self.network.get_tensor_details()}

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        """The feature, (width,) uint8, of a picture (p, p, 3) uint8."""
        return self.sees(pixels)[0]

    def sees(self, pixels: np.ndarray) -> list[np.ndarray]:
        """The feature, then each map of the recipe, (side, side, width) uint8."""
        self._look(pixels)
        feature = unsigned(self.network.get_tensor(self.spec.tensor)).reshape(-1)
        return [feature, *(unsigned(self.network.get_tensor(map_.tensor))[0] for map_ in self.spec.maps)]

    def values(self, pixels: np.ndarray, tensors: Sequence[int]) -> tuple[np.ndarray, list[np.ndarray]]:
        """The feature, (width,) float32, and the maps `tensors`, (side, side, channels) each, as the numbers
        that the quantised ones stand for. Raises `BadInput` for a tensor that it does not have."""
        self._look(pixels)
        feature, *maps = (self._value(tensor) for tensor in (self.spec.tensor, *tensors))
        return feature.reshape(-1), maps

    def _look(self, pixels: np.ndarray) -> None:
        self.network.set_tensor(self.input, pixels[None])
        self.network.invoke()

    def _value(self, tensor: int) -> np.ndarray:
        if tensor not in self.units:
            raise BadInput(
                f"the teacher has no tensor {tensor}", hint="look its tensors up in the TFLite file"
            )
        scale, zero = self.units[tensor]
        if not scale:
            raise BadInput(
                f"the teacher's tensor {tensor} is not quantised", hint="name one of int8 or uint8"
            )
        value: np.ndarray = (self.network.get_tensor(tensor)[0].astype(np.float32) - zero) * np.float32(scale)
        return value


def unsigned(quantised: np.ndarray) -> np.ndarray:
    """Quantised numbers, int8 or uint8, as uint8 in the same order: −128 becomes 0. Raises `BadInput` for
    others."""
    if quantised.dtype == np.int8:
        return (quantised.astype(np.int16) + 128).astype(np.uint8)
    if quantised.dtype != np.uint8:
        raise BadInput(
            f"the teacher's tensor has numbers of {quantised.dtype}", hint="name a tensor of int8 or uint8"
        )
    return quantised.copy()


def teacher_features(
    pictures: Views,
    make: Callable[[], TFLiteTeacher],
    store: Path,
) -> list[np.ndarray]:
    """The teacher's features, (n, views, width) uint8, and maps, (n, views, side, side, width) uint8 each.

    They are computed once and kept in `store` and beside it; a killed run goes on where it was.
    """
    teacher = make()
    spec, pixels = teacher.spec, teacher.spec.pixels
    done_file = store.with_suffix(f".{STORED}.done")
    shapes: dict[Path, tuple[int, ...]] = {store: (spec.width,)}
    for one_map in spec.maps:
        path = store.with_suffix(f".{one_map.tensor}.npy")
        shapes[path] = (one_map.side, one_map.side, one_map.width)
    digest = hashlib.sha256(b"".join(hashlib.sha256(image).digest() for image in pictures.images)).hexdigest()
    known, _, of = done_file.read_text().partition(" ") if done_file.is_file() else ("0", "", "")
    resume = of == digest and all(path.is_file() for path in shapes)
    kept = [
        np.lib.format.open_memmap(
            path,
            mode="r+" if resume else "w+",
            dtype=np.uint8,
            shape=None if resume else (len(pictures), pictures.views, *shape),
        )
        for path, shape in shapes.items()
    ]
    done = int(known) if resume else 0

    def views_of(row: int) -> list[np.ndarray]:
        return [pictures.view(row, view, pixels) for view in range(pictures.views)]

    with ThreadPoolExecutor(1) as decoder:
        pending = [decoder.submit(views_of, row) for row in range(done, min(done + 8, len(pictures)))]
        for row in range(done, len(pictures)):
            views = pending.pop(0).result()
            if row + 8 < len(pictures):
                pending.append(decoder.submit(views_of, row + 8))
            for view, shown in enumerate(views):
                for stored, seen in zip(kept, teacher.sees(shown), strict=True):
                    stored[row, view] = seen
            if row % 1000 == 999:
                _flush(kept, done_file, row + 1, digest)
                log.info("teacher: %s %d/%d", pictures.name, row + 1, len(pictures))
    _flush(kept, done_file, len(pictures), digest)
    return list(kept)


def _flush(kept: Sequence[np.memmap], done_file: Path, done: int, digest: str) -> None:
    for stored in kept:
        stored.flush()
    done_file.write_text(f"{done} {digest}")


class Standardise:
    """Brings features to zero mean and unit variance per number: without that every cosine is near one."""

    def __init__(self, samples: np.ndarray) -> None:
        values = samples.reshape(-1, samples.shape[-1]).astype(np.float32)
        self.mean, self.scale = values.mean(0), values.std(0) + 1e-3

    def __call__(self, features: np.ndarray) -> torch.Tensor:
        return torch.from_numpy((features.astype(np.float32) - self.mean) / self.scale)


def space_head(width: int, dim: int) -> nn.Module:
    """A two-layer head from standardised features, (n, width), to the text space, (n, dim), not
    normalised."""
    return nn.Sequential(
        nn.Dropout(0.2), nn.Linear(width, 2 * dim), nn.GELU(), nn.Dropout(0.3), nn.Linear(2 * dim, dim)
    )


def fit_head(
    features: torch.Tensor,
    texts: torch.Tensor,
    choose: ChooseText,
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
