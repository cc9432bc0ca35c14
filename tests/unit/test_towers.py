"""Towers that learn: the loss and its gradient, low-rank updates, and a run that survives."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import torch.nn.functional as F
from typer.testing import CliRunner

from searchkit.cli.main import app
from searchkit.encoders.pocket import TEXT
from searchkit.errors import BadInput
from searchkit.finetuning import run as running
from searchkit.finetuning.batches import LockedVectors, Sampler, pair_batch
from searchkit.finetuning.generic import Generic
from searchkit.finetuning.objective import backward, loss_of
from searchkit.finetuning.plan import PairFile, Plan, load_plan
from searchkit.finetuning.run import Run, train_towers
from searchkit.finetuning.towers import CARD, Towers, between, save_encoder
from searchkit.finetuning.training_set import TrainingSet, load_training_set, pixels_of
from searchkit.models.image_towers import ImageConfig
from searchkit.models.inverted import InvertedConfig
from searchkit.registry import load_encoder
from searchkit.training.checkpoint import CHECKPOINT
from searchkit.types import Runtime
from tests.tiny import COLOURS, SHAPES, TINY, picture, tiny_encoder

FLOAT = Runtime(device="cpu", dtype="float32")
PIXELS = torch.from_numpy(np.random.default_rng(0).integers(0, 255, (3, 16, 16, 3), np.uint8))


@pytest.fixture
def parent(tmp_path: Path) -> Path:
    torch.set_num_threads(1)
    return tiny_encoder(tmp_path / "parent")


def plan(parent: Path, **changed: object) -> Plan:
    found = Plan("tiny", str(parent), steps=8, batch=6, rate=3e-3, warmup=2, save_every=3)
    return replace(found, **changed)  # type: ignore[arg-type]


def towers(parent: Path, **changed: object) -> Towers:
    return Towers(load_encoder(str(parent), FLOAT), plan(parent, **changed))


def texts() -> TrainingSet:
    colours = list(COLOURS)
    asked = [f"what is {colour} on the {side}" for colour in colours for side in SHAPES]
    found = [f"the {side} half is painted {colour}" for colour in colours for side in SHAPES]
    wrong = [[found[(n + 1) % 16], found[(n + 4) % 16]][: n % 3] for n in range(16)]
    return TrainingSet("texts", asked, found, wrong)


def shown(each: int = 1) -> TrainingSet:
    rows = [(c, s, n) for c in COLOURS for s in SHAPES for n in range(each)]
    return TrainingSet(
        "shown",
        [f"{c} on the {s}" for c, s, _ in rows],
        [picture(c, s, 1000 * n + 10 * SHAPES.index(s) + len(c)) for c, s, n in rows],
    )


def by_hand(q: torch.Tensor, p: torch.Tensor, n: Sequence[torch.Tensor], scale: float) -> float:
    """Lnce+ with every denominator written out, in float64."""
    q, p = q.double(), p.double()
    hard = [one.double() for some in n for one in some]
    there = sum(
        -math.log(
            math.exp(scale * float(q[i] @ p[i]))
            / sum(math.exp(scale * float(q[i] @ one)) for one in [*p, *hard])
        )
        for i in range(len(q))
    )
    back = sum(
        -math.log(
            math.exp(scale * float(q[i] @ p[i])) / sum(math.exp(scale * float(one @ p[i])) for one in q)
        )
        for i in range(len(q))
    )
    return (there + back) / len(q)


@pytest.mark.parametrize("dims", [(), (24, 8)])
def test_the_loss_of_a_step_is_its_formula(parent: Path, dims: tuple[int, ...]) -> None:
    model = towers(parent, hard=2, matryoshka=dims, image_temperature=0.1)
    words, pictures = (pair_batch(one, np.array([1, 5, 8, 14]), model) for one in (texts(), shown()))
    total = float(backward(model, words, pictures))
    with torch.no_grad():
        q, p = model.embed_texts(words.asked), model.embed_texts(words.found)
        wrong = [model.embed_texts(some) for row in (1, 5, 8, 14) if (some := texts().negatives[row])]
        i, c = model.embed_pictures(pictures.found), model.embed_texts(pictures.asked)
    expected = 0.0
    for dim in dims or (24,):
        short = [F.normalize(one[:, :dim], dim=-1) for one in (q, p, c, i)]
        hard = [F.normalize(one[:, :dim], dim=-1) for one in wrong]
        expected += by_hand(short[0], short[1], hard, 20.0) + by_hand(short[2], short[3], [], 10.0)
    assert sorted(map(len, wrong)) == [1, 2, 2, 2]  # ragged, so that filling up is tested
    assert total == pytest.approx(expected, rel=1e-6, abs=1e-5)


@pytest.mark.parametrize("learns", ["text", "images"])
def test_a_bank_of_the_locked_side_adds_negatives_to_the_other(parent: Path, learns: str) -> None:
    model = towers(parent, learns=(learns,), image_temperature=0.1, bank=14)
    unit = F.normalize(torch.randn(2, 16, 24, generator=torch.Generator().manual_seed(5)), dim=-1).numpy()
    couples = replace(shown(), text_vectors=unit[0], answer_vectors=unit[1])
    rows, locked = np.array([1, 5, 8]), LockedVectors(model, [couples])
    part = pair_batch(couples, rows, model, locked, step=4)
    assert part.bank is not None and part.bank.shape == (14, 24)
    assert not torch.equal(part.bank, pair_batch(couples, rows, model, locked, step=5).bank)
    loss = float(backward(model, None, part))
    with torch.no_grad():
        moving = model.embed_texts(part.asked) if learns == "text" else model.embed_pictures(part.found)
    still = torch.from_numpy(unit[1 if learns == "text" else 0][rows])
    expected, own = by_hand(moving, still, [], 10.0), 0
    for i in range(3):
        scores = [math.exp(10 * float(moving[i] @ one)) for one in still]
        others = [one for one in part.bank if float(one @ still[i]) < 0.98]
        own += len(others) < 14
        more = sum(math.exp(10 * float(moving[i] @ one)) for one in others)
        expected += (math.log(sum(scores) + more) - math.log(sum(scores))) / 3
    assert own > 0  # the bank holds a right answer, which is no negative
    assert loss == pytest.approx(expected, rel=1e-5) and loss > 1.2 * by_hand(moving, still, [], 10.0)


def gradients(model: Towers) -> dict[str, torch.Tensor]:
    return {n: v.grad.clone() for n, v in model.learned().items() if v.grad is not None}


def in_float64(model: Towers, monkeypatch: pytest.MonkeyPatch) -> Towers:
    """The same in numbers so fine that what differs is the formula, and not the processor's rounding."""
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)
    model.images.register_forward_pre_hook(lambda _, inputs: tuple(one.double() for one in inputs))
    return model.double()


@pytest.mark.parametrize("learns", [("text", "images"), ("images",)])
def test_a_cached_gradient_is_the_plain_one(
    parent: Path, learns: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for chunk in (0, 3):
        model = in_float64(towers(parent, chunk=chunk, hard=2, learns=learns), monkeypatch)
        parts = [pair_batch(one, np.arange(8), model) for one in (texts(), shown())]
        loss = backward(model, *parts)
        found.append((loss, gradients(model)))
    (plain_loss, plain), (cached_loss, cached) = found
    assert float(plain_loss) == pytest.approx(float(cached_loss), abs=1e-9)
    assert plain.keys() == cached.keys() and len(plain) > 10
    assert max(float(one.abs().max()) for one in plain.values()) > 1e-3
    length = math.sqrt(sum(float(one.square().sum()) for one in plain.values()))
    for name, one in plain.items():
        assert float((one - cached[name]).abs().max()) <= 1e-9 * length, name
    part = pair_batch(texts(), np.arange(8), model)  # and is not the mean of the chunks' own gradients
    half = pair_batch(texts(), np.arange(4), model)
    with torch.no_grad():
        whole, some = (
            loss_of(
                one,
                {"asked": model.embed_texts(one.asked), "found": model.embed_texts(one.found)},
                20.0,
                replace(model.plan, hard=0),
            )
            for one in (replace_negatives(part), replace_negatives(half))
        )
    assert abs(float(whole - some)) > 0.1


def replace_negatives(part: object) -> object:
    return replace(part, negatives=[], there=part.there[:, :0])  # type: ignore[type-var,attr-defined]


CONVOLUTIONS = InvertedConfig(16, 8, (8, 12), (1, 1), (2, 2), expansion=2, end=16, dim=24, fused=True)


@pytest.mark.parametrize("tower", [TINY, CONVOLUTIONS], ids=["transformer", "convolutions"])
def test_low_rank_updates_change_little_and_merge_to_the_same_vectors(
    tmp_path: Path, tower: ImageConfig
) -> None:
    parent = tiny_encoder(tmp_path / "parent", tower=tower)
    model = towers(parent, rank=2)
    start = model.embed_texts(["a red square"]).detach()
    plain = load_encoder(str(parent), FLOAT).encode_text(["a red square"])
    assert np.allclose(start.numpy(), plain, atol=1e-6)  # it begins as what it updates
    share = sum(v.numel() for v in model.learned().values()) / sum(v.numel() for v in model.parameters())
    assert share < 0.01
    inside = {"blocks", "stages"} & {name.split(".")[1] for name in model.learned() if name.startswith("im")}
    assert inside, "not the head of the image tower alone"
    untouched = model.embed_pictures(PIXELS).detach()
    with torch.no_grad():
        for name, value in model.learned().items():
            if name.endswith("up"):
                value.normal_(std=0.1, generator=torch.Generator().manual_seed(len(name)))
    with torch.no_grad():
        applied = model.embed_texts(["a red square"]), model.embed_pictures(PIXELS)
        model.merge()
        merged = model.embed_texts(["a red square"]), model.embed_pictures(PIXELS)
    assert float((applied[0] - start).abs().max()) > 1e-2
    assert float((applied[1] - untouched).abs().max()) > 1e-2
    assert not any("parametrizations" in name for name in model.state_dict())
    for before, after in zip(applied, merged, strict=True):
        assert float((before - after).abs().max()) <= 1e-6


@pytest.mark.parametrize("learns", ["text", "images"])
def test_a_locked_tower_does_not_move_and_the_other_does(parent: Path, tmp_path: Path, learns: str) -> None:
    model = towers(parent, learns=(learns,))
    before = model.weights()
    train_towers(model, [texts()] if learns == "text" else [], [shown()], tmp_path / "run")
    moved = {n.partition(".")[0] for n, v in model.weights().items() if not torch.equal(v, before[n])}
    assert moved == {learns}
    half = between(before, model.weights(), 0.5)
    name = next(n for n, v in model.weights().items() if not torch.equal(v, before[n]))
    assert torch.allclose(half[name], (before[name] + model.weights()[name]) / 2)


@pytest.mark.parametrize("learns", [pytest.param("text", marks=pytest.mark.slow), "images"])
def test_vectors_of_a_locked_tower_are_looked_up_and_change_nothing(
    parent: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, learns: str
) -> None:
    couples, encoder = shown(each=2), load_encoder(str(parent), FLOAT)
    words = encoder.encode_text(couples.texts)
    seen = encoder.encode_images(list(pixels_of(couples.answers, encoder.prepare_image)))
    given = replace(couples, text_vectors=words, answer_vectors=seen)
    wrong = replace(couples, text_vectors=words[::-1].copy(), answer_vectors=seen[::-1].copy())
    found, read = {}, {}
    for name, some in {"computed": couples, "kept": couples, "given": given, "wrong": wrong}.items():
        model = towers(parent, learns=(learns,), steps=7)
        read[name] = 0

        def count(module: object, inputs: tuple[torch.Tensor, ...], name: str = name) -> None:
            read[name] += len(inputs[0])

        (model.images if learns == "text" else model.text).register_forward_pre_hook(count)
        with monkeypatch.context() as patch:
            if name == "computed":
                patch.setattr(
                    running, "pair_batch", lambda one, rows, model, *_, **__: pair_batch(one, rows, model)
                )
            train_towers(model, [], [some], tmp_path / name)
        log = (tmp_path / name / "log.jsonl").read_text().splitlines()
        found[name] = [json.loads(line)["loss"] for line in log], weights_of(model)
    distinct = 32 if learns == "text" else 16
    assert read == {"computed": 7 * 6, "kept": distinct, "given": 0, "wrong": 0}
    losses, weights = found["computed"]
    moved = max(float((v - towers(parent).weights()[n]).abs().max()) for n, v in model.weights().items())
    assert moved > 1e-3 and max(np.abs(np.subtract(losses, found["wrong"][0]))) > 0.03
    for name in ("kept", "given"):
        assert found[name][0] == pytest.approx(losses, abs=1e-5)
        assert all(torch.allclose(v, found[name][1][n], atol=1e-4) for n, v in weights.items())


@pytest.mark.parametrize("moved", ["text", "images"])
def test_generic_questions_are_encoded_again_by_the_tower_that_moved_alone(
    parent: Path, tmp_path: Path, moved: str
) -> None:
    first, other = (load_encoder(str(one), FLOAT) for one in (parent, tiny_encoder(tmp_path / "b", seed=1)))
    before, after = Generic(first, None), Generic(other, None)
    now = Generic(other, None, before=before, moved=(moved,))
    words, pictures = (after, before) if moved == "text" else (before, after)
    assert not np.allclose(before.asked, after.asked) and not np.allclose(before.pictures, after.pictures)
    assert np.array_equal(now.asked, words.asked) and np.array_equal(now.found, words.found)
    assert np.array_equal(now.pictures, pictures.pictures)


def test_what_was_learned_is_an_encoder_like_any_other(parent: Path, tmp_path: Path) -> None:
    model = towers(parent)
    train_towers(model, [texts()], [shown()], tmp_path / "run")
    folder = save_encoder(model, tmp_path / "out", {"data": "abc"})
    found = load_encoder(str(folder), FLOAT)
    assert found.space.key != model.encoder.space.key and found.space.dim == 24
    texts_, pixels = ["red on the top"], [np.full((16, 16, 3), 90, np.uint8)]
    assert np.array_equal(found.encode_text(texts_), model.encoder.encode_text(texts_))
    assert np.array_equal(found.encode_images(pixels), model.encoder.encode_images(pixels))
    assert not np.allclose(found.encode_text(texts_), load_encoder(str(parent), FLOAT).encode_text(texts_))
    card = json.loads((folder / CARD).read_text())
    assert card["data"] == "abc" and card["plan"]["steps"] == 8 and card["parent"] == str(parent)
    again = load_encoder(str(folder), FLOAT)
    (folder / TEXT).write_bytes((parent / TEXT).read_bytes())
    assert load_encoder(str(folder), FLOAT).space.key != again.space.key  # the text tower counts too


def weights_of(model: Towers) -> dict[str, torch.Tensor]:
    return model.weights() | {"scale": model.log_scale.detach()}


@pytest.mark.parametrize("way", [{}, {"rank": 2}, {"learns": ("text",)}])
def test_a_run_that_was_killed_ends_with_the_weights_of_one_that_was_not(
    parent: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: dict[str, object]
) -> None:
    whole = towers(parent, **way, hard=2)
    known = np.random.default_rng(7).normal(size=(16, 24)).astype(np.float32)
    many = [shown(each=3), replace(shown(), answer_vectors=known)]
    train_towers(whole, [texts(), texts()], many, tmp_path / "whole")

    class Killed(Exception):
        pass

    def kill(done: int, total: int, loss: float) -> None:
        if done == 5:  # two steps behind the last checkpoint
            raise Killed

    cut = towers(parent, **way, hard=2)
    with pytest.raises(Killed):
        train_towers(cut, [texts(), texts()], many, tmp_path / "cut", on_step=kill)
    steps: list[int] = []
    resumed = towers(parent, **way, hard=2)
    train_towers(
        resumed, [texts(), texts()], many, tmp_path / "cut", on_step=lambda done, *_: steps.append(done)
    )
    assert steps == [4, 5, 6, 7, 8]
    for model in (whole, cut, resumed):
        model.merge()
    assert all(torch.equal(value, weights_of(resumed)[name]) for name, value in weights_of(whole).items())
    assert not all(torch.equal(value, weights_of(cut)[name]) for name, value in weights_of(whole).items())
    logs = [(tmp_path / name / "log.jsonl").read_text().splitlines() for name in ("whole", "cut")]
    told = [[(line["step"], line["loss"], line["rate"]) for line in map(json.loads, log)] for log in logs]
    assert told[0] == told[1] and [step for step, *_ in told[0]] == list(range(1, 9))


def test_a_loss_that_is_no_number_stops_the_run_at_the_last_good_checkpoint(
    parent: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(model: Towers, **parts: Any) -> torch.Tensor:
        loss = backward(model, **parts)
        count[0] += 1
        return loss * float("nan") if count[0] == 5 else loss

    count = [0]
    model = towers(parent)
    with monkeypatch.context() as wrong:
        wrong.setattr(running, "backward", broken)
        with pytest.raises(BadInput, match=r"step 5.*last good checkpoint") as stopped:
            train_towers(model, [texts()], [], tmp_path / "run")
    assert "lower rate" in stopped.value.hint
    again = towers(parent)
    assert Run(again, [texts()], [], tmp_path / "run").load() == 3
    assert all(bool(value.isfinite().all()) for value in again.learned().values())


def test_a_run_that_diverges_is_stopped(
    parent: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def growing(model: Towers, **parts: Any) -> torch.Tensor:
        count[0] += 1
        return backward(model, **parts) * (1.0 if count[0] < 15 else 3.0)

    count = [0]
    monkeypatch.setattr(running, "backward", growing)
    with pytest.raises(BadInput, match=r"has grown from"):
        train_towers(towers(parent, steps=40, rate=1e-6), [texts()], [], tmp_path / "run")
    assert 20 < count[0] < 40


def test_another_recipe_does_not_go_on_from_a_checkpoint(parent: Path, tmp_path: Path) -> None:
    train_towers(towers(parent), [texts()], [], tmp_path / "run")
    with pytest.raises(BadInput, match="another recipe"):
        train_towers(towers(parent, batch=5), [texts()], [], tmp_path / "run")
    train_towers(towers(parent, steps=9, rate=1e-3), [texts()], [], tmp_path / "run")


def test_a_batch_is_of_one_data_set_and_no_row_comes_twice_before_all_have() -> None:
    sets = [texts(), TrainingSet("few", ["a", "b", "c"], ["x", "y", "z"], share=0.5)]
    sampler = Sampler(sets, 6, seed=4)
    drawn: dict[str, list[int]] = {"texts": [], "few": []}
    order = []
    for step in range(60):
        found = sampler.draw(step)
        assert found is not None
        drawn[found[0].name] += found[1].tolist()
        order.append(found[0].name)
    assert 8 < order.count("few") < 32
    for name, rows in drawn.items():
        total = len(next(one for one in sets if one.name == name))
        for first in range(0, len(rows) - total, total):
            assert sorted(rows[first : first + total]) == list(range(total))
    assert drawn["texts"][:16] != drawn["texts"][16:32]


def test_an_empty_data_set_leaves_its_share_of_the_steps_without_a_batch() -> None:
    sampler = Sampler([TrainingSet("none", [], [], share=0.75), replace(texts(), share=0.25)], 4, seed=1)
    drawn = [sampler.draw(step) for step in range(200)]
    assert 30 < sum(one is not None for one in drawn) < 70
    assert all(one is None or one[0].name == "texts" for one in drawn)


def test_equal_texts_are_no_negatives_of_each_other() -> None:
    one = TrainingSet("captions", ["a", "b", "a", "c"], ["p", "q", "r", "q"])
    same = one.same(np.arange(4))
    assert same.tolist() == [[1, 0, 1, 0], [0, 1, 0, 1], [1, 0, 1, 0], [0, 1, 0, 1]]


@pytest.mark.parametrize("name", ["jina-1", "jina-2", "jina-3"])
def test_the_stages_can_be_read(name: str) -> None:
    found = load_plan(name)
    assert found.text and found.images and found.learns == ("text", "images")
    assert found.text_temperature == 0.05 and found.parent
    assert (found.hard == 7) == (name == "jina-3")


@pytest.mark.parametrize(
    ("line", "said"),
    [("surprise = 1", "surprise"), ('learns = ["sound"]', "sound"), ("steps = 0", "above zero")],
)
def test_a_mistake_in_a_plan_is_named(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "mine.toml"
    rest = 'name = "a"\nparent = "pocket"\nbatch = 1\nrate = 1.0\n'
    path.write_text(rest + line + ("" if "steps" in line else "\nsteps = 1"))
    with pytest.raises(BadInput, match=said):
        load_plan(str(path))
    with pytest.raises(BadInput, match="missing"):
        load_training_set(tmp_path, PairFile("none.jsonl"), pictures=True)


@pytest.mark.slow
def test_pairs_are_learned_by_heart_and_short_vectors_do_most_of_it(parent: Path, tmp_path: Path) -> None:
    model = towers(parent, steps=250, batch=16, rate=1e-2, warmup=10, matryoshka=(24, 8), save_every=100)
    losses: list[float] = []
    train_towers(
        model, [texts()], [shown()], tmp_path / "run", on_step=lambda done, total, loss: losses.append(loss)
    )
    assert losses[-1] < 0.1 * losses[0]
    with torch.no_grad():
        words = model.embed_texts(shown().texts)
        seen = model.embed_pictures(pair_batch(shown(), np.arange(16), model).found)
    found = {
        dim: float(
            (words[:, :dim] @ F.normalize(seen[:, :dim], dim=-1).T)
            .argmax(1)
            .eq(torch.arange(16))
            .float()
            .mean()
        )
        for dim in (24, 8)
    }
    assert found[24] >= 0.9 and found[8] >= 0.5 * found[24]


@pytest.mark.slow
def test_held_out_pictures_are_found_after_training(parent: Path, tmp_path: Path) -> None:
    many = shown(each=12)
    rows = np.arange(len(many))
    train = TrainingSet(
        "train", *([list(side)[i] for i in rows if i % 12 < 9] for side in (many.texts, many.answers))
    )
    held = [i for i in rows if i % 12 == 9]
    model = towers(parent, steps=300, batch=16, rate=1e-2)
    train_towers(model, [], [train], tmp_path / "run")
    with torch.no_grad():
        words = model.embed_texts([many.texts[i] for i in held])
        seen = model.embed_pictures(pair_batch(many, np.array(held), model).found)
    assert float((words @ seen.T).argmax(1).eq(torch.arange(16)).float().mean()) >= 0.9


def test_the_command_trains_by_a_recipe_and_its_folder_is_an_encoder(parent: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    rows = [
        {"text": t, "text2": a, "negatives": n}
        for t, a, n in zip(texts().texts, texts().answers, texts().negatives, strict=True)
    ]
    (data / "words.jsonl").write_text("\n".join(map(json.dumps, rows)))
    table = {"image": list(shown().answers), "captions": [[one, f"see {one}"] for one in shown().texts]}
    pq.write_table(pa.table(table), data / "shown.parquet")
    recipe = tmp_path / "mine.toml"
    recipe.write_text(
        'name = "mine"\nparent = "nothing"\nsteps = 3\nbatch = 4\nrate = 1e-3\nhard = 2\nchunk = 2\n'
        '[[text]]\nfile = "words.jsonl"\n[[images]]\nfile = "shown.parquet"\n'
    )
    args = ["train", "--recipe", str(recipe), "--data", str(data), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, [*args, "--parent", str(parent), "--json", "-q"])
    assert result.exit_code == 0, result.output
    folder = json.loads(result.stdout)["path"]
    assert load_encoder(folder, FLOAT).record.name == str(tmp_path / "out")
    assert (tmp_path / "out.work" / "log.jsonl").read_text().count("\n") == 3
    card = json.loads((tmp_path / "out" / CARD).read_text())
    assert len(card["data"]) == 2 and all(len(one) == 64 for one in card["data"].values())

    args = [*args[:-1], str(tmp_path / "changed"), "--parent", str(parent), "-q"]
    changed = ["--set", "batch=2", "--set", 'learns=["images"]', "--set", "text=[]"]
    result = CliRunner().invoke(app, [*args, *changed])
    assert result.exit_code == 0, result.output
    said = json.loads((tmp_path / "changed" / CARD).read_text())["plan"]
    assert (said["batch"], said["learns"], said["text"], said["steps"]) == (2, ["images"], [], 3)
    for wrong in ("batch=", "surprise=1"):
        assert isinstance(CliRunner().invoke(app, [*args, "--set", wrong]).exception, BadInput)
    from_nothing = ["train", "--data", str(data), "--out", str(tmp_path / "new"), "--set", "steps=1"]
    assert isinstance(CliRunner().invoke(app, from_nothing).exception, BadInput)


def test_a_checkpoint_of_another_format_is_refused_with_what_to_do(parent: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    torch.save({"step": 3, "identity": "{}"}, tmp_path / "run" / CHECKPOINT)
    with pytest.raises(BadInput, match=r"checkpoint\.pt is a checkpoint of format 1") as refused:
        train_towers(towers(parent), [texts()], [], tmp_path / "run")
    assert "delete the file" in refused.value.hint
