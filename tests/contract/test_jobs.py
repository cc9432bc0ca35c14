"""The queue, on SQLite and on PostgreSQL: claimed by one, lost by none, given up in the end."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator

import pytest

from searchkit.catalog.catalog import Catalog, Source
from searchkit.catalog.connect import open_engine
from searchkit.catalog.holder import is_gone, this_process
from searchkit.catalog.jobs import (
    BACKOFF,
    KEEP_DONE,
    LONGEST_BACKOFF,
    LONGEST_LEASE,
    MAX_ATTEMPTS,
    Job,
    Jobs,
    Work,
)

SPACE = "space-a"
LEASE = 60.0


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def catalog(database: str) -> Iterator[Catalog]:
    opened = Catalog(database)
    yield opened
    opened.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def jobs(catalog: Catalog, clock: Clock, database: str) -> Iterator[Jobs]:
    engine = open_engine(database)
    yield Jobs(engine, clock)
    engine.dispose()


@pytest.fixture
def source(catalog: Catalog) -> Source:
    return catalog.add_source("/photos")


def files(source: Source, *names: str, size: int = 1) -> list[Work]:
    return [Work(f"/photos/{name}", source.id, size, 7, "decoder 1") for name in names]


def names(claimed: list[Job]) -> list[str]:
    return [job.path.rpartition("/")[2] for job in claimed]


def claim(jobs: Jobs, n: int = 10, *, worker: str = "me") -> list[Job]:
    return jobs.claim(worker, SPACE, n, lease=LEASE)


def test_the_same_work_is_queued_once_until_it_is_done(jobs: Jobs, source: Source) -> None:
    assert jobs.enqueue(SPACE, files(source, "a", "b")) == 2
    assert jobs.enqueue(SPACE, files(source, "b", "c")) == 1
    running = claim(jobs)
    assert names(running) == ["a", "b", "c"]
    assert jobs.enqueue(SPACE, files(source, "a")) == 0
    assert jobs.enqueue(SPACE, files(source, "a", size=2)) == 1  # it has changed since
    assert jobs.enqueue("space-b", files(source, "a")) == 1
    assert jobs.finish(running) == 3
    assert jobs.enqueue(SPACE, files(source, "b")) == 1


def test_what_was_asked_for_comes_first_then_the_oldest(jobs: Jobs, source: Source) -> None:
    jobs.enqueue(SPACE, files(source, "a", "b", "c"))
    jobs.enqueue(SPACE, files(source, "d"), priority=5)
    assert jobs.enqueue(SPACE, files(source, "c"), priority=10) == 0  # it waits already: now it is wanted
    assert names(claim(jobs)) == ["c", "d", "a", "b"]


def test_a_claim_takes_no_more_than_asked_and_nothing_of_another_space(jobs: Jobs, source: Source) -> None:
    jobs.enqueue("space-b", files(source, "x"))
    jobs.enqueue(SPACE, files(source, "a", "b", "c"))
    assert names(claim(jobs, 2)) == ["a", "b"]
    assert names(claim(jobs, 2)) == ["c"]
    assert claim(jobs) == []


def test_names_of_any_bytes_come_back(jobs: Jobs, source: Source) -> None:
    odd = ["caf\udce9.png", "new\nline.png", "犬 👍.png"]
    jobs.enqueue(SPACE, files(source, *odd))
    assert names(claim(jobs)) == odd


def test_a_heartbeat_keeps_the_claim_and_silence_loses_it(jobs: Jobs, clock: Clock, source: Source) -> None:
    jobs.enqueue(SPACE, files(source, "a"))
    mine = claim(jobs)
    clock.now += LEASE - 1
    assert jobs.heartbeat(mine, lease=LEASE) == {mine[0].id}
    clock.now += LEASE - 1
    assert claim(jobs, worker="other") == []
    clock.now += 2 + BACKOFF
    assert claim(jobs, worker="other") == []  # found dead now, due after a pause
    clock.now += BACKOFF
    theirs = claim(jobs, worker="other")
    assert [job.id for job in theirs] == [mine[0].id] and theirs[0].fence > mine[0].fence
    # who comes back after its lease can neither hold, end nor return the claim of another
    assert jobs.heartbeat(mine, lease=LEASE) == set()
    assert jobs.finish(mine) == 0
    jobs.release(mine)
    jobs.retry(mine, "late")
    assert jobs.heartbeat(theirs, lease=LEASE) == {theirs[0].id}
    assert jobs.finish(theirs) == 1


def test_jobs_of_a_process_that_was_killed_on_this_machine_are_taken_at_once(
    jobs: Jobs, source: Source
) -> None:
    if is_gone("") or not is_gone(_with_start(this_process(), "1")):
        pytest.skip("the system does not tell one process from another of the same number")
    code = "from searchkit.catalog.holder import this_process; print(this_process(), flush=True); input()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], text=True, **pipes) as process:  # type: ignore[call-overload]
        theirs = process.stdout.readline().strip()
        elsewhere = theirs.rsplit(":", 2)[0] + ":0123456789abcdef:1"
        jobs.enqueue(SPACE, files(source, "a", "b"))
        jobs.claim(theirs, SPACE, 2, lease=LEASE)
        jobs.enqueue(SPACE, files(source, "c"))
        jobs.claim(elsewhere, SPACE, 1, lease=LEASE)
        assert claim(jobs) == [] and not is_gone(theirs)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # dead, and its parent has not looked yet
        assert names(claim(jobs)) == ["a"] and names(claim(jobs)) == ["b"]  # alone: it may be to blame
    assert claim(jobs) == [], "of another machine nobody here can say whether it lives"
    assert is_gone(theirs)


def _with_start(holder: str, started: str) -> str:
    host, pid, _, place, rest = holder.split(":")
    return f"{host}:{pid}:{started}:{place}:{rest}"


def test_a_file_that_kills_its_worker_waits_longer_each_time(
    jobs: Jobs, clock: Clock, source: Source
) -> None:
    dead = _with_start(this_process(), "1")
    if not is_gone(dead):
        pytest.skip("the system does not tell one process from another of the same number")
    jobs.enqueue(SPACE, files(source, "poison"))
    began = clock.now
    for _ in range(MAX_ATTEMPTS):
        while not jobs.claim(dead, SPACE, 1, lease=LEASE):
            clock.now += 0.25
    assert clock.now - began > BACKOFF * (2 + 4 + 8) / 2
    assert claim(jobs) == [] and jobs.counts(SPACE) == {"dead": 1}


def test_a_clock_that_was_set_back_holds_nothing_up(jobs: Jobs, clock: Clock, source: Source) -> None:
    jobs.enqueue(SPACE, files(source, "waits", "runs"))
    jobs.retry(claim(jobs, 1), "no luck")
    claim(jobs, 1, worker="silent")
    clock.now -= 2 * LONGEST_LEASE
    taken = names(claim(jobs))
    clock.now += BACKOFF
    assert sorted(taken + names(claim(jobs))) == ["runs", "waits"]


def test_a_job_that_kills_its_worker_every_time_ends_dead_and_in_the_ledger(
    jobs: Jobs, clock: Clock, source: Source, catalog: Catalog
) -> None:
    jobs.enqueue(SPACE, files(source, "poison", "a", "b"))
    assert len(claim(jobs)) == 3
    attempts = 1
    for _ in range(30):
        clock.now += LEASE + LONGEST_BACKOFF  # the first such claim finds the lease expired, the next is due
        mine = claim(jobs)
        assert len(mine) <= 1, "a file whose batch died is tried alone"
        if names(mine) == ["poison"]:
            attempts += 1  # and the worker dies
        else:
            jobs.finish(mine)
    assert attempts == MAX_ATTEMPTS
    assert jobs.counts(SPACE) == {"dead": 1, "done": 2}
    assert [(d.path, d.attempts) for d in jobs.dead()] == [("/photos/poison", MAX_ATTEMPTS)]
    ledger = catalog.failures()
    assert [f.path for f in ledger] == ["/photos/poison"] and "given up after 5" in ledger[0].reason
    assert catalog.failed_as(under="/photos") == {"/photos/poison": (1, 7, "decoder 1")}


def test_a_failed_job_waits_longer_each_time_and_keeps_its_reason(
    jobs: Jobs, clock: Clock, source: Source
) -> None:
    jobs.enqueue(SPACE, files(source, "a"))
    pauses = []
    for _ in range(MAX_ATTEMPTS - 1):
        jobs.retry(claim(jobs), "no \0 luck")
        began = clock.now
        while jobs.left(SPACE)[1] > clock.now:  # type: ignore[operator]
            clock.now += 0.25
        pauses.append(clock.now - began)
    for number, pause in enumerate(pauses):
        assert BACKOFF * 2**number / 2 <= pause <= BACKOFF * 2**number + 0.25
    jobs.retry(claim(jobs), "no \0 luck")
    assert [d.reason for d in jobs.dead()] == ["no  luck"]


def test_the_pauses_of_many_jobs_are_spread(jobs: Jobs, clock: Clock, source: Source) -> None:
    jobs.enqueue(SPACE, files(source, *map(str, range(40))))
    jobs.retry(claim(jobs, 40), "down")
    clock.now += 0.75 * BACKOFF
    early = 0
    while claim(jobs, 40):
        early += 1
    assert 5 < early < 35


def test_released_jobs_come_back_at_once_with_no_attempt_counted(jobs: Jobs, source: Source) -> None:
    jobs.enqueue(SPACE, files(source, "a", "b"))
    for _ in range(MAX_ATTEMPTS + 2):
        mine = claim(jobs)
        assert names(mine) == ["a", "b"] and mine[0].attempts == 1
        jobs.release(mine)
    assert jobs.left(SPACE)[0] == 2


def test_a_sweep_waits_for_the_files_and_a_refresh_for_both_or_its_time(
    jobs: Jobs, clock: Clock, source: Source
) -> None:
    jobs.enqueue(SPACE, [Work("/photos", source.id)], kind="sweep")
    jobs.enqueue(SPACE, [Work("")], kind="refresh", delay=100)
    jobs.enqueue(SPACE, files(source, "a", "b"))
    first = claim(jobs, 1)
    second = claim(jobs, 1)
    assert [j.kind for j in (*first, *second)] == ["file", "file"]
    assert claim(jobs) == []  # files are under way
    jobs.finish(first + second)
    sweep = claim(jobs)
    assert [j.kind for j in sweep] == ["sweep"] and claim(jobs) == []
    jobs.finish(sweep)
    assert jobs.claim("watch", SPACE, 1, lease=LEASE, eager=False) == []
    refresh = claim(jobs)
    assert [j.kind for j in refresh] == ["refresh"]
    jobs.finish(refresh)
    jobs.enqueue(SPACE, [Work("")], kind="refresh", delay=100)
    jobs.enqueue(SPACE, files(source, "c"))
    clock.now += 101
    assert [j.kind for j in claim(jobs)] == ["refresh"]  # its time has come: it goes first


def test_a_worker_of_some_kinds_is_given_no_other(jobs: Jobs, source: Source) -> None:
    jobs.enqueue(SPACE, [Work(source.path, source.id)], kind="sweep")
    jobs.owe_refresh(SPACE)
    some = {"lease": LEASE, "kinds": ("file", "refresh")}
    assert [job.kind for job in jobs.claim("me", SPACE, 1, eager=False, **some)] == []
    assert [job.kind for job in jobs.claim("broom", SPACE, 1, lease=LEASE, kinds=("sweep",))] == ["sweep"]
    assert jobs.claim("broom", SPACE, 1, lease=LEASE, kinds=("sweep",)) == []


def test_progress_counts_files_and_forgets_the_done_after_an_hour(
    jobs: Jobs, clock: Clock, source: Source
) -> None:
    jobs.enqueue(SPACE, files(source, "a", "b", "c"))
    jobs.finish(claim(jobs, 1))
    claim(jobs, 1)
    assert jobs.counts(SPACE) == {"waiting": 1, "running": 1, "done": 1}
    clock.now += KEEP_DONE + 1
    jobs.enqueue(SPACE, files(source, "d"))
    assert "done" not in jobs.counts(SPACE)


def test_what_waits_for_another_space_is_dropped(jobs: Jobs, source: Source) -> None:
    jobs.enqueue(SPACE, files(source, "a"))
    jobs.enqueue("space-b", files(source, "a", "b"))
    assert jobs.keep_only(SPACE) == 2
    assert jobs.claim("me", "space-b", 5, lease=1) == [] and len(claim(jobs)) == 1


def test_a_source_goes_with_its_jobs(jobs: Jobs, source: Source, catalog: Catalog) -> None:
    jobs.enqueue(SPACE, files(source, "a"))
    catalog.drop_source(source)
    assert catalog.sources() == [] and claim(jobs) == []


def test_workers_in_many_threads_claim_each_job_once(database: str, catalog: Catalog, source: Source) -> None:
    catalog.jobs.enqueue(SPACE, files(source, *map(str, range(400))))
    taken: list[str] = []

    def work(name: str) -> None:
        engine = open_engine(database)
        jobs = Jobs(engine)
        while mine := jobs.claim(name, SPACE, 7, lease=LEASE):
            taken.extend(names(mine))
            assert jobs.finish(mine) == len(mine)
        engine.dispose()

    threads = [threading.Thread(target=work, args=(f"w{n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert Counter(taken) == Counter({str(n): 1 for n in range(400)})
    assert catalog.jobs.counts(SPACE) == {"done": 400}
