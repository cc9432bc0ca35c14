"""The loss of reinforced training against its formula with loops, and the form with one mean teacher."""

from __future__ import annotations

import math

import pytest
import torch

from searchkit.training.distillation import Taught, mean_kl, reinforced
from searchkit.training.losses import info_nce


def unit(rows: int, seed: int, dim: int = 8) -> torch.Tensor:
    made = torch.randn(rows, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return torch.nn.functional.normalize(made, dim=-1)


TEACHERS = [Taught(unit(5, 11, 6), unit(5, 12, 6), 0.1), Taught(unit(5, 13, 9), unit(5, 14, 9), 0.03)]


def softmax(logits: list[float]) -> list[float]:
    whole = sum(math.exp(x) for x in logits)
    return [math.exp(x) / whole for x in logits]


def kl_by_hand(
    images: torch.Tensor, texts: torch.Tensor, scale: float, taught: list[Taught], bank: torch.Tensor | None
) -> float:
    total = 0.0
    for t in taught:
        rows = [i for i in range(len(images)) if t.known is None or t.known[i]]
        for way in ("to text", "to picture"):
            for i in rows:
                pairs = [(i, j) if way == "to text" else (j, i) for j in rows]
                p = [float(t.images[a] @ t.texts[b]) / t.temperature for a, b in pairs]
                q = [scale * float(images[a] @ texts[b]) for a, b in pairs]
                if way == "to text" and bank is not None and t.bank is not None:
                    p += [float(t.images[i] @ row) / t.temperature for row in t.bank]
                    q += [scale * float(images[i] @ row) for row in bank]
                wanted, found = softmax(p), softmax(q)
                total += (
                    0.5
                    * sum(a * (math.log(a) - math.log(b)) for a, b in zip(wanted, found, strict=True))
                    / len(rows)
                )
    return total / len(taught)


@pytest.mark.parametrize("case", ["plain", "bank", "known"])
def test_the_mean_kl_is_its_formula(case: str) -> None:
    images, texts = unit(5, 1), unit(5, 2)
    bank = unit(7, 3) if case != "plain" else None
    first, second = TEACHERS
    taught = [
        Taught(first.images, first.texts, 0.1, bank=unit(7, 4, 6) if bank is not None else None),
        second,
    ]
    if case == "known":
        taught[1] = Taught(second.images, second.texts, 0.03, torch.tensor([True, False, True, True, False]))
    expected = kl_by_hand(images, texts, 12.0, taught, bank)
    assert mean_kl(images, texts, 12.0, taught, bank).item() == pytest.approx(expected, abs=1e-6)
    assert abs(mean_kl(images, texts, 12.0, TEACHERS[:1]).item() - expected) > 1e-3
    swapped = [Taught(t.images, t.texts, 0.05, t.known, t.bank) for t in taught]
    assert abs(mean_kl(images, texts, 12.0, swapped, bank).item() - expected) > 1e-3, "each has its own τ"


def test_its_gradient_is_that_of_the_cross_entropy_to_the_mean_of_the_teachers() -> None:
    images, texts = unit(5, 1).requires_grad_(), unit(5, 2)
    scale = torch.tensor(12.0, dtype=torch.float64, requires_grad=True)
    ours = mean_kl(images, texts, scale, TEACHERS)
    logits = scale * images @ texts.T
    matrices = [t.images @ t.texts.T / t.temperature for t in TEACHERS]
    forth, back = (
        torch.stack([m.softmax(1) for m in some]).mean(0) for some in (matrices, [m.T for m in matrices])
    )
    averaged = -0.5 * (
        (forth * logits.log_softmax(1)).sum(1).mean() + (back * logits.T.log_softmax(1)).sum(1).mean()
    )
    assert averaged.item() > ours.item() + 0.1, "the values differ, by the teachers' entropy"
    for one, other in zip(
        torch.autograd.grad(ours, [images, scale]),
        torch.autograd.grad(averaged, [images, scale]),
        strict=True,
    ):
        assert one.abs().max() > 1e-3
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


def test_lambda_weighs_the_two_parts() -> None:
    images, texts, bank = unit(5, 1), unit(5, 2), unit(6, 3)
    contrast = info_nce(images, texts, 12.0, bank)
    distilled = mean_kl(images, texts, 12.0, TEACHERS, bank)
    assert abs(contrast.item() - distilled.item()) > 0.1
    for weight in (0.0, 0.3, 1.0):
        found = reinforced(images, texts, 12.0, TEACHERS, weight=weight, bank=bank)
        torch.testing.assert_close(found, (1 - weight) * contrast + weight * distilled)
    assert torch.equal(reinforced(images, texts, 12.0, [], weight=0.7, bank=bank), contrast)


def test_a_student_that_finds_what_the_teacher_finds_has_nothing_to_learn() -> None:
    teacher = TEACHERS[0]
    assert mean_kl(teacher.images, teacher.texts, 10.0, [teacher]).item() == pytest.approx(0.0, abs=1e-12)
    nobody = Taught(teacher.images, teacher.texts, 0.1, torch.zeros(5, dtype=torch.bool))
    assert mean_kl(unit(5, 1), unit(5, 2), 10.0, [nobody]).item() == 0.0
