"""The metrics against trec_eval (through pytrec_eval), and the exact search against brute force."""

from __future__ import annotations

import doctest
import logging
import random

import numpy as np
import pytest
import pytrec_eval

from searchkit.errors import BadInput
from searchkit.evaluation import metrics
from searchkit.evaluation.metrics import evaluate_run, hit_at, nearest, ranking, score_queries

TREC_NAMES = {
    "recall@1": "recall_1",
    "recall@5": "recall_5",
    "recall@10": "recall_10",
    "recall@100": "recall_100",
    "ndcg@10": "ndcg_cut_10",
}


def random_task(
    seed: int, *, grades: list[int], levels: int
) -> tuple[dict[str, dict[str, float]], dict[str, dict[str, int]]]:
    """40 queries over 300 documents. Scores take `levels` values, so few levels mean many ties."""
    chance = random.Random(seed)
    documents = [f"d{i}" for i in range(300)]
    run, qrels = {}, {}
    for number in range(40):
        found = chance.sample(documents, chance.randint(1, 200))
        # trec_eval keeps scores as float32; multiples of 1/1024 are exact in it.
        run[f"q{number}"] = {key: chance.randrange(levels) / 1024 for key in found}
        judged = chance.sample(documents, chance.randint(1, 40))
        qrels[f"q{number}"] = {key: chance.choice(grades) for key in judged} | {judged[0]: max(grades)}
    return run, qrels


@pytest.mark.parametrize("grades", [[1], [0, 1], [0, 1, 2, 3], [-1, 0, 2]])
@pytest.mark.parametrize("levels", [3, 50, 1 << 20])
def test_every_query_scores_as_in_trec_eval(grades: list[int], levels: int) -> None:
    run, qrels = random_task(seed=levels, grades=grades, levels=levels)
    wanted = {"recall.1,5,10,100", "ndcg_cut.10", "recip_rank"}
    expected = pytrec_eval.RelevanceEvaluator(qrels, wanted).evaluate(run)
    scores = score_queries(run, qrels)

    assert scores.keys() == expected.keys()
    for query, theirs in expected.items():
        for ours, name in TREC_NAMES.items():
            assert scores[query][ours] == pytest.approx(theirs[name], abs=1e-12), (query, ours)
        cut = theirs["recip_rank"] if theirs["recip_rank"] >= 1 / 10 else 0.0
        assert scores[query]["mrr@10"] == pytest.approx(cut, abs=1e-12)


def test_the_mean_is_over_the_queries_of_trec_eval() -> None:
    run, qrels = random_task(seed=7, grades=[0, 1, 2], levels=20)
    theirs = pytrec_eval.RelevanceEvaluator(qrels, {"ndcg_cut.10"}).evaluate(run)
    mean = np.mean([scores["ndcg_cut_10"] for scores in theirs.values()])
    assert evaluate_run(run, qrels)["ndcg@10"] == pytest.approx(mean, abs=1e-12)


def test_the_names_are_those_of_the_reports() -> None:
    names = list(evaluate_run({"q": {"a": 1.0}}, {"q": {"a": 1}}))
    assert names == ["recall@1", "recall@5", "recall@10", "recall@100", "ndcg@10", "mrr@10"]


def test_ties_are_ordered_by_id_descending() -> None:
    assert ranking({"a": 1.0, "c": 1.0, "b": 1.0, "z": 0.5}) == ["c", "b", "a", "z"]


def test_a_query_that_the_run_does_not_answer_counts_as_zero() -> None:
    scores = evaluate_run({"q1": {"a": 1.0}}, {"q1": {"a": 1}, "q2": {"a": 1}})
    assert set(scores.values()) == {0.5}


def test_a_query_without_a_relevant_document_is_left_out_and_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, logger="searchkit.evaluation.metrics")
    qrels = {"q1": {"a": 1}, "q2": {"a": 0}, "q3": {}}
    scores = evaluate_run({"q1": {"a": 1.0}, "q2": {"a": 1.0}}, qrels)
    assert set(scores.values()) == {1.0}
    assert "2 of 3 queries" in caplog.text


def test_qrels_without_any_relevant_document_are_refused() -> None:
    with pytest.raises(BadInput, match="no query has a relevant document"):
        evaluate_run({"q": {"a": 1.0}}, {"q": {"a": 0}})


def test_one_right_answer_is_enough_where_recall_is_a_hit() -> None:
    run, qrels = {"q": {"a": 0.9, "x": 0.8}}, {"q": {"a": 1, "b": 1}}
    assert evaluate_run(run, qrels, [1])["recall@1"] == 0.5
    assert evaluate_run(run, qrels, [1], recall=hit_at)["recall@1"] == 1.0


def whole_numbers(rows: int, *, seed: int) -> np.ndarray:
    """Rows of small whole numbers: their products are exact in float32, so ties are real ties."""
    return np.random.default_rng(seed).integers(-2, 3, size=(rows, 6)).astype(np.float32)


@pytest.mark.parametrize("k", [1, 7, 50, 80])
@pytest.mark.parametrize("scores_at_once", [1, 170, 1 << 20])
def test_exact_search_in_blocks_equals_sorting_everything(
    k: int, scores_at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "SCORES_AT_ONCE", scores_at_once)
    queries, items = whole_numbers(11, seed=1), whole_numbers(50, seed=2)
    ids = [f"d{i}" for i in range(50)]
    found = list(nearest(queries, items, ids=ids, k=k))
    assert len(found) == 11
    for query, hits in zip(queries, found, strict=True):
        scores = {key: float(query @ item) for key, item in zip(ids, items, strict=True)}
        assert list(hits) == ranking(scores)[:k]
        assert all(hits[key] == scores[key] for key in hits)


def test_an_id_with_several_rows_scores_as_its_best_row() -> None:
    queries, items = whole_numbers(5, seed=3), whole_numbers(9, seed=4)
    rows = {"a": items[:4], "b": items[4:5], "c": items[5:]}
    found = nearest(queries, items, ids=list(rows), k=3, starts=np.array([0, 4, 5]))
    for query, hits in zip(queries, found, strict=True):
        assert hits == {key: float((own @ query).max()) for key, own in rows.items()}
        assert list(hits) == ranking(hits)


def test_no_queries_find_nothing() -> None:
    assert list(nearest(whole_numbers(0, seed=5), whole_numbers(4, seed=6), ids=list("abcd"), k=2)) == []


def test_the_formulas_in_the_docstrings_hold() -> None:
    failed, tried = doctest.testmod(metrics)
    assert tried >= 7
    assert failed == 0
