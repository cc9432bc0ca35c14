"""Labels against formulas worked out one sentence at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from searchkit.encoders.hashing import Hashing
from searchkit.errors import BadInput
from searchkit.search.confidence import neutral_queries, neutral_vectors
from searchkit.search.zeroshot import ROWS, SINGLE, TEMPLATES, Classifier, label_vectors, name_of
from searchkit.types import EncoderRecord, Space, Vectors

LABELS = ["dog", "Sea_Horse", "receipt"]


class Plane:
    """An encoder in the plane: labelled sentences have directions, every other text is nothing in
    particular."""

    space = Space("plane", "0" * 64, 1, 2)
    record = EncoderRecord("plane", 2, "MIT", "any", 16, 4, 0.0, "plane", "a test", query_prompt="find: ")
    temperature = 0.1

    def __init__(self, directions: dict[str, float]) -> None:
        self.directions = {f"find: {text}": angle for text, angle in directions.items()}
        self.asked: list[str] = []

    def encode_text(self, texts: Sequence[str]) -> Vectors:
        self.asked += texts
        angles = [self.directions.get(text, math.pi) for text in texts]
        return np.array([[math.cos(a), math.sin(a)] for a in angles], np.float32).reshape(-1, 2)


def plane() -> Plane:
    return Plane({"a photo of a dog.": 0.0, "one dog.": 1.2, "a photo of a cat.": 2.0, "one cat.": 2.2})


def on_the_circle(*angles: float) -> Vectors:
    return np.array([[math.cos(a), math.sin(a)] for a in angles], np.float32)


# names


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("dog", "dog"),
        ("golden_retriever", "golden retriever"),
        ("Golden_Retriever", "golden retriever"),
        ("SEA HORSE", "sea horse"),
        ("Eiffel Tower", "Eiffel Tower"),
        ("  a   person's\tface ", "a person's face"),
        ("_x_", "x"),
        ("iPhone", "iPhone"),
        ("犬", "犬"),
        ("{}", "{}"),
        ("golden delicious, fruit", "golden delicious, fruit"),
    ],
)
def test_a_label_is_written_as_words(label: str, name: str) -> None:
    assert name_of(label) == name


def test_of_a_list_of_names_the_first_is_taken_when_asked_for() -> None:
    assert name_of("goldfish, Carassius auratus", first=True) == "goldfish"
    assert name_of("goldfish", first=True) == "goldfish"
    encoder = Hashing()
    several, one = ["goldfish, Carassius auratus"], ["goldfish"]
    assert np.array_equal(label_vectors(encoder, several, first=True), label_vectors(encoder, one))
    assert not np.allclose(label_vectors(encoder, several), label_vectors(encoder, one))


# the ensemble


def test_the_ensemble_is_the_mean_of_vectors_brought_to_length_one() -> None:
    encoder = Hashing()
    found = label_vectors(encoder, LABELS)
    for row, name in enumerate(["dog", "sea horse", "receipt"]):
        each = [encoder.encode_text([template.replace("{}", name)])[0] for template in TEMPLATES]
        mean = np.mean(np.array(each, np.float64), axis=0)
        assert np.abs(found[row] - mean / np.linalg.norm(mean)).max() <= 1e-6
        assert abs(np.linalg.norm(mean) - 1) > 0.01  # the mean itself is not of length one
        assert np.abs(found[row] - each[0]).max() > 0.01  # and not that of one sentence
    assert found.dtype == np.float32 and np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)


def test_two_templates_meet_halfway() -> None:
    found = label_vectors(plane(), ["dog"], ("a photo of a {}.", "one {}."))  # type: ignore[arg-type]
    assert np.allclose(found, on_the_circle(0.6), atol=1e-6)


def test_one_template_gives_the_sentence_itself() -> None:
    encoder = Hashing()
    assert np.allclose(label_vectors(encoder, ["dog"], SINGLE), encoder.encode_text(["a photo of a dog."]))


def test_labels_are_put_as_questions() -> None:
    encoder = plane()
    label_vectors(encoder, ["dog"], SINGLE)  # type: ignore[arg-type]
    assert encoder.asked == ["find: a photo of a dog."]


def test_no_labels_give_no_rows_of_full_width() -> None:
    assert label_vectors(Hashing(), []).shape == (0, Hashing().space.dim)


@pytest.mark.parametrize("templates", [(), ("a photo",), ("a {}.", "none")])
def test_a_template_without_a_place_for_the_name_is_refused(templates: tuple[str, ...]) -> None:
    with pytest.raises(BadInput, match="in the template"):
        label_vectors(Hashing(), ["dog"], templates)


def test_braces_of_a_label_or_a_template_stay() -> None:
    encoder = Hashing()
    found = label_vectors(encoder, ["{0} {name}"], ("{x} a {}",))
    assert np.allclose(found, encoder.encode_text(["{x} a {0} {name}"]))


def test_the_templates_are_many_and_different_with_one_place_each() -> None:
    assert len(TEMPLATES) == len(set(TEMPLATES)) >= 20 and TEMPLATES[:1] == SINGLE
    assert all(template.count("{}") == 1 and template.endswith(".") for template in TEMPLATES)


# the classifier


def test_the_confidence_is_the_labels_share_beside_the_neutral_queries() -> None:
    encoder = plane()
    classifier = Classifier(encoder, ["dog", "cat"], SINGLE)  # type: ignore[arg-type]
    best, sure = classifier(on_the_circle(0.3, 1.9, math.pi))
    none = len(neutral_queries())  # all at angle π
    assert best.tolist() == [0, 1, 1]
    for angle, label, found in zip((0.3, 1.9, math.pi), (0.0, 2.0, 2.0), sure, strict=True):
        parts = [math.exp(math.cos(angle - each) / 0.1) for each in (0.0, 2.0)]
        nothing = none * math.exp(math.cos(angle - math.pi) / 0.1)
        own = math.exp(math.cos(angle - label) / 0.1)
        assert found == pytest.approx(own / (sum(parts) + nothing), rel=1e-4)
    assert sure[0] > 0.9 and sure[2] < 0.01  # one is a dog, and one is none of these


def test_the_classifier_equals_brute_force_on_many_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("searchkit.search.zeroshot.ROWS", 7)
    encoder = Hashing()
    rows = np.random.default_rng(1).standard_normal((40, encoder.space.dim)) + 0.5
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    classifier = Classifier(encoder, LABELS)
    best, sure = classifier(rows)
    labels, neutral = label_vectors(encoder, LABELS), neutral_vectors(encoder, None)
    for row, found, share in zip(rows.astype(np.float64), best, sure, strict=True):
        scores = labels @ row
        mass = np.exp(scores / encoder.temperature)
        expected = mass.max() / (mass.sum() + np.exp(neutral @ row / encoder.temperature).sum())
        assert found == scores.argmax() and share == pytest.approx(expected, rel=1e-3)
    assert len(set(best)) == len(LABELS) and ROWS > 7


def test_confidences_stay_shares_at_any_temperature() -> None:
    encoder = plane()
    for temperature in (1e-4, 0.01, 10.0):
        encoder.temperature = temperature
        classifier = Classifier(encoder, ["dog", "cat"], SINGLE)  # type: ignore[arg-type]
        _, sure = classifier(on_the_circle(*np.linspace(0, 6, 50)))
        assert np.isfinite(sure).all() and (sure >= 0).all() and (sure <= 1).all()


def test_of_labels_that_fit_equally_the_first_is_chosen_and_they_share() -> None:
    encoder = plane()
    alone = Classifier(encoder, ["dog"], SINGLE)  # type: ignore[arg-type]
    twice = Classifier(encoder, ["cat", "dog", "dog"], SINGLE)  # type: ignore[arg-type]
    (best,), (half,) = twice(on_the_circle(0.0))
    assert best == 1 and half == pytest.approx(0.5, abs=0.01)
    assert alone(on_the_circle(0.0))[1][0] > 0.99


def test_no_pictures_give_no_labels_and_no_labels_are_refused() -> None:
    best, sure = Classifier(Hashing(), LABELS)(np.zeros((0, Hashing().space.dim), np.float32))
    assert best.shape == sure.shape == (0,)
    with pytest.raises(BadInput, match="no labels"):
        Classifier(Hashing(), [])


def test_the_neutral_vectors_are_kept_where_they_may_be(tmp_path: Path) -> None:
    Classifier(Hashing(), LABELS, cache=tmp_path / "neutral")
    assert len(list((tmp_path / "neutral").iterdir())) == 1
