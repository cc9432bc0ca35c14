"""The training loop, to be read from top to bottom: data, teacher, texts, steps, checkpoint, export."""

from __future__ import annotations

import hashlib
import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from searchkit.encoders.device import keep_freed_memory
from searchkit.encoders.vision import preprocess
from searchkit.models.image_towers import ImageConfig, image_network, read_config
from searchkit.training.data import load_pictures
from searchkit.training.distillation import reinforced
from searchkit.training.ensemble import TextTeacher, taught_batch, text_teachers
from searchkit.training.events import events
from searchkit.training.export import write_encoder
from searchkit.training.leaks import guard, read_sentences
from searchkit.training.losses import cosine_distance
from searchkit.training.recipe import Optimisation, Recipe
from searchkit.training.rendered import RenderedViews, Views
from searchkit.training.store import ReinforcedPictures, Seen, reinforced_pictures, stored_features
from searchkit.training.teacher import Standardise, TFLiteTeacher, fit_head, space_head, teacher_features
from searchkit.types import Vectors

log = logging.getLogger(__name__)

SAVE_EVERY = 50
"""Steps between checkpoints."""

EncodeText = Callable[[Sequence[str]], Vectors]


@dataclass(frozen=True, slots=True)
class Corpus:
    """All data sets as one: row r of the corpus is (data set, picture)."""

    sets: Sequence[Views]
    features: Sequence[np.ndarray | Seen]
    """Of each set: (n, views, width) from the teacher."""
    text_rows: Sequence[Sequence[np.ndarray]]
    """Of each set and picture: the rows of `texts` that describe it."""
    texts: Tensor
    """(m, dim), unit rows from the locked text tower."""
    synthetic_rows: Sequence[Sequence[np.ndarray]] = ()
    """As `text_rows`, of the sentences that a captioner wrote."""
    teachers: Sequence[TextTeacher] = ()
    """Those that read text, from reinforced data sets."""

    def to(self, device: torch.device) -> Corpus:
        """With all that steps multiply there."""
        return replace(self, texts=self.texts.to(device), teachers=[one.to(device) for one in self.teachers])


@dataclass(frozen=True, slots=True)
class Batch:
    pixels: Tensor  # (b, p, p, 3) uint8
    features: np.ndarray  # (b, width) uint8
    text: Tensor  # (c,) rows of Corpus.texts, for the pictures that have a text
    has_text: Tensor  # (b,) bool
    synthetic: Tensor  # (s,) rows of Corpus.texts, for the pictures that a captioner described
    has_synthetic: Tensor  # (b,) bool
    seen: Sequence[Tensor] = ()  # (b, dim) of each text teacher

    def to(self, device: torch.device) -> Batch:
        moved = {f.name: getattr(self, f.name) for f in fields(self)}
        moved |= {name: one.to(device) for name, one in moved.items() if isinstance(one, Tensor)}
        return Batch(**{**moved, "seen": [one.to(device) for one in self.seen]})


def train(
    recipe: Recipe,
    data: Path,
    work: Path,
    out: Path,
    encode_text: EncodeText,
    *,
    steps: int | None = None,
    device: str = "cpu",
    processes: int = 0,
) -> Path:
    """Run a recipe to its end, or go on from the checkpoint in `work`; write the encoder into `out`.

    `steps` overrides the recipe's number. On "cuda" the tower multiplies in bfloat16. With `processes` all
    views are rendered once, by so many, before the first step. On the CPU deterministic for one machine and
    thread count: a run that was killed and resumed gives the weights of one that was not.
    """
    keep_freed_memory()
    work.mkdir(parents=True, exist_ok=True)
    corpus = load_corpus(recipe, data, work, encode_text)
    to_space, standardise = space_teacher(recipe, corpus, work)
    shown = [
        RenderedViews(one, recipe.tower.pixels, work, processes=processes) for one in corpus.sets if processes
    ]
    place = torch.device(device)
    corpus, to_space = corpus.to(place), to_space.to(place)
    options = recipe.optimisation
    total = steps or options.steps

    torch.manual_seed(recipe.seed)
    config = read_config({**asdict(recipe.tower), "dim": corpus.texts.shape[1]})
    student = Student(config, recipe.teacher.width).to(place)
    average = torch.optim.swa_utils.AveragedModel(
        student.tower,
        multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(options.average),  # type: ignore[no-untyped-call]
        use_buffers=True,
    )
    optimiser = torch.optim.AdamW(_decayed(student, options.weight_decay), lr=options.rate, betas=(0.9, 0.98))
    state = Checkpoint(work / "checkpoint.pt", student, average, optimiser)
    first = state.load()
    log.info("training %s from step %d to %d", recipe.name, first, total)

    began = time.monotonic()
    student.train()
    with events(work, first) as write:
        for step, batch in batches(
            recipe, corpus, range(first, total), shown=shown, threads=max(2, processes)
        ):
            rate = learning_rate(step, total, options)
            for group in optimiser.param_groups:
                group["lr"] = rate
            loss, parts = student_loss(student, batch.to(place), corpus, to_space, standardise, options, step)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(student.parameters(), 1.0)
            optimiser.step()
            average.update_parameters(student.tower)
            speed = (step + 1 - first) * options.batch / (time.monotonic() - began)
            write(step + 1, {"loss": loss.item(), "rate": rate, "pictures_per_second": speed, **parts})
            if step % 50 == 49:
                said = " ".join(f"{name} {number:.3f}" for name, number in parts.items())
                log.info("step %d/%d %s %.0f pictures/s", step + 1, total, said, speed)
            if (step + 1) % SAVE_EVERY == 0 or step + 1 == total:
                state.save(step + 1, recipe)
    return write_encoder(average.module, recipe.name, out)


class Student(nn.Module):
    """The tower, a linear map from its trunk to the teacher's features, and a learned scale 1/τ."""

    def __init__(self, config: ImageConfig, teacher_width: int) -> None:
        super().__init__()
        self.tower = image_network(config)
        self.to_feature = nn.Linear(config.width, teacher_width)
        self.log_scale = nn.Parameter(torch.tensor(0.0))


def student_loss(
    student: Student,
    batch: Batch,
    corpus: Corpus,
    to_space: nn.Module,
    standardise: Standardise,
    options: Optimisation,
    step: int,
) -> tuple[Tensor, dict[str, float]]:
    """L = Σ [(1 − λ)·InfoNCE + λ·KL], of real and of synthetic texts (see `distillation`),
    + λ_f·(1 − cos(W·trunk, teacher)) + λ_s·(1 − cos(embedding, head(teacher)))."""
    device = batch.pixels.device
    with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
        trunk = student.tower.features(preprocess(student.tower.config).normalise(batch.pixels))
        embedded, mapped = student.tower.head(trunk), student.to_feature(trunk)
    embedded = nn.functional.normalize(embedded.float(), dim=-1)
    wanted = standardise(batch.features).to(device)
    with torch.no_grad():
        target = to_space(wanted)
    chooser = torch.Generator().manual_seed(step)
    bank = torch.randint(len(corpus.texts), (options.bank,), generator=chooser).to(device)
    scale = (student.log_scale.exp() / options.temperature).clamp(max=100)
    contrast = embedded.new_zeros(())
    for has, rows in ((batch.has_text, batch.text), (batch.has_synthetic, batch.synthetic)):
        if len(rows):
            taught = taught_batch(
                corpus.teachers,
                corpus.texts,
                (target[has], [one[has] for one in batch.seen]),
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
    return loss, {name: one.item() for name, one in parts.items()}


def load_corpus(recipe: Recipe, data: Path, work: Path, encode_text: EncodeText) -> Corpus:
    """Read every data set, the teacher's features of it, and the vectors of its texts."""
    sets: list[Views] = []
    measured = guard(recipe.withheld, data)
    for spec in recipe.data:
        if spec.optional and not (data / spec.file).is_file() and not (work / spec.file).is_file():
            log.warning("%s is not there and the recipe says it may be missing", spec.file)
            continue
        pictures = load_pictures(work if (work / spec.file).is_file() else data, spec, recipe.templates)
        pictures = measured.without(pictures, work) if measured else pictures
        sets.append(reinforced_pictures(pictures, spec, data, work))

    def teacher() -> TFLiteTeacher:
        return TFLiteTeacher(data, recipe.teacher, threads=2)

    features = [
        stored_features(one) or teacher_features(one, teacher, work / f"{one.name}.npy") for one in sets
    ]
    numbers: dict[str, int] = {}

    def numbered(texts: Sequence[Sequence[str]]) -> list[np.ndarray]:
        return [np.array([numbers.setdefault(t, len(numbers)) for t in some], np.int64) for some in texts]

    text_rows = [numbered(one.texts) for one in sets]
    synthetic = [numbered(getattr(one, "synthetic", None) or [()] * len(one)) for one in sets]
    numbered([read_sentences(recipe, data, measured)])
    vectors = _text_vectors(list(numbers), work, encode_text)
    return Corpus(sets, features, text_rows, vectors, synthetic, text_teachers(sets, numbers))


def _text_vectors(texts: list[str], work: Path, encode_text: EncodeText) -> Tensor:
    digest = hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]
    store = work / f"texts-{digest}.npy"
    if not store.is_file():
        log.info("encoding %d texts", len(texts))
        np.save(store, encode_text(texts))
    return torch.from_numpy(np.load(store))


def space_teacher(recipe: Recipe, corpus: Corpus, work: Path) -> tuple[nn.Module, Standardise]:
    """The head that carries the teacher's features into the text space, fitted once and kept in `work`."""
    rows = [(s, r) for s, one in enumerate(corpus.text_rows) for r, t in enumerate(one) if len(t)]
    flat = np.stack([corpus.features[s][r, 0] for s, r in rows])
    standardise = Standardise(flat)
    spec = recipe.teacher
    store = work / f"head-{len(flat)}-{len(corpus.texts)}-{spec.head_steps}.pt"
    if store.is_file():
        known = space_head(spec.width, corpus.texts.shape[1])
        known.load_state_dict(torch.load(store, weights_only=True))
        return known.eval(), standardise

    def choose(rng: np.random.Generator, picked: np.ndarray) -> np.ndarray:
        return np.array([rng.choice(corpus.text_rows[rows[i][0]][rows[i][1]]) for i in picked])

    head = fit_head(standardise(flat), corpus.texts, choose, steps=spec.head_steps, seed=recipe.seed)
    torch.save(head.state_dict(), store)
    return head, standardise


def batches(
    recipe: Recipe, corpus: Corpus, steps: range, *, shown: Sequence[RenderedViews] = (), threads: int = 2
) -> Iterator[tuple[int, Batch]]:
    """(step, batch) for each step, made by threads a few steps ahead. A step's batch depends on
    (seed, step) alone, so that a resumed run sees what an uninterrupted one would have."""
    ahead = 2 * threads
    with ThreadPoolExecutor(threads) as pool:
        waiting: list[Future[Batch]] = []
        queued = iter(steps)
        for step in steps:
            while len(waiting) < ahead and (upcoming := next(queued, None)) is not None:
                waiting.append(pool.submit(make_batch, recipe, corpus, upcoming, shown))
            yield step, waiting.pop(0).result()


def make_batch(recipe: Recipe, corpus: Corpus, step: int, shown: Sequence[RenderedViews] = ()) -> Batch:
    rng = np.random.default_rng([recipe.seed, step])
    shares = [spec.share for spec in recipe.data if any(s.name == Path(spec.file).stem for s in corpus.sets)]
    counts = np.maximum(1, np.round(np.array(shares) / sum(shares) * recipe.optimisation.batch)).astype(int)
    pixels, features, texts, has_text = [], [], [], []
    synthetic: list[int] = []
    has_synthetic: list[bool] = []
    places: list[tuple[int, int, int]] = []
    for number, (one, stored, text_rows, count) in enumerate(
        zip(corpus.sets, corpus.features, corpus.text_rows, counts, strict=True)
    ):
        for row in rng.integers(0, len(one), count):
            view = int(rng.integers(one.views))
            image = shown[number](int(row), view) if shown else one.view(int(row), view, recipe.tower.pixels)
            # a stored augmentation is a mirror image or not: teachers saw it as it is
            turned = rng.random() < 0.5 and not isinstance(one, ReinforcedPictures)
            pixels.append(image[:, ::-1] if turned else image)
            features.append(stored[row, view])
            places.append((number, int(row), view))
            choices = text_rows[row]
            has_text.append(len(choices) > 0)
            if len(choices):
                texts.append(rng.choice(choices))
            written = corpus.synthetic_rows[number][row] if corpus.synthetic_rows else ()
            has_synthetic.append(len(written) > 0)
            if len(written):
                synthetic.append(int(rng.choice(written)))
    return Batch(
        torch.from_numpy(np.stack(pixels)),
        np.stack(features),
        torch.from_numpy(np.array(texts)),
        torch.tensor(has_text),
        torch.tensor(synthetic, dtype=torch.int64),
        torch.tensor(has_synthetic),
        [teacher.of_pictures(places) for teacher in corpus.teachers],
    )


def learning_rate(step: int, total: int, options: Optimisation) -> float:
    """Linear to `rate` over `warmup` steps, then half a cosine to zero."""
    if step < options.warmup:
        return options.rate * (step + 1) / options.warmup
    done = (step - options.warmup) / max(1, total - options.warmup)
    return options.rate * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def _decayed(student: Student, weight_decay: float) -> list[dict[str, Any]]:
    """Weight decay on matrices only: not on biases, norms, positions and the scale."""
    named = list(student.named_parameters())
    matrices = [p for n, p in named if p.ndim >= 2 and "position" not in n]
    others = [p for n, p in named if not (p.ndim >= 2 and "position" not in n)]
    return [{"params": matrices, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]


class Checkpoint:
    """Everything that a resumed run needs, replaced atomically. Never read from anyone else's file."""

    def __init__(
        self, path: Path, student: Student, average: nn.Module, optimiser: torch.optim.Optimizer
    ) -> None:
        self.path = path
        self.parts: dict[str, Any] = {"student": student, "average": average, "optimiser": optimiser}

    def save(self, step: int, recipe: Recipe) -> None:
        state: dict[str, Any] = {name: part.state_dict() for name, part in self.parts.items()}
        state |= {"step": step, "recipe": asdict(recipe)}
        scratch = self.path.with_suffix(".tmp")
        torch.save(state, scratch)
        scratch.replace(self.path)

    def load(self) -> int:
        """The step to go on from; 0 without a checkpoint."""
        if not self.path.is_file():
            return 0
        state = torch.load(self.path, weights_only=True, map_location="cpu")
        for name, part in self.parts.items():
            part.load_state_dict(state[name])
        step: int = state["step"]
        return step
