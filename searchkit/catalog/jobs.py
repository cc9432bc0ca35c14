"""The queue: work that is claimed for a time, comes back when its worker dies, and is done by one.

A claim is one `UPDATE … RETURNING`. SQLite runs it under BEGIN IMMEDIATE, so claims wait for one another;
PostgreSQL skips the rows that another claim has locked. A job whose lease ran out, or whose worker was a
process of this machine and is gone, is given to the next who asks, alone, so that a file which kills its
worker takes no other with it; after `MAX_ATTEMPTS` it is dead and the failure ledger says why.

Times are the database's where that is a server, so that the clocks of the workers need not agree. One that
was set back holds nothing up: a time further ahead than any could be counts as past.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import aliased

from searchkit.catalog.holder import is_gone
from searchkit.catalog.queries import Queries, chunks, printable
from searchkit.catalog.tables import LIVE, FailureRow, JobRow

MAX_ATTEMPTS = 5
BACKOFF = 2.0
"""Seconds before the second attempt; doubled for each one after, up to `LONGEST_BACKOFF`."""
LONGEST_BACKOFF = 300.0
"""Seconds between two attempts at most."""
LONGEST_LEASE = 3600.0
"""Seconds of a lease at most, whatever a worker asks for."""
REFRESH = 30.0
"""Seconds from a write until the store is compacted and measured, unless the queue is empty sooner."""
KEEP_DONE = 3600.0
"""Seconds that a finished job is still counted."""
KINDS = ("file", "sweep", "refresh")
ASKED, NOTICED, SWEPT = 10, 5, 0
"""Priorities: a person asked for it; it changed while watched; a look at the source found it."""


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be done on which file: its source, and how the file looked when the work was found."""

    path: str
    source_id: int | None = None
    size: int = 0
    mtime_ns: int = 0
    decoder: str = ""


@dataclass(frozen=True, slots=True)
class Job:
    """A claimed job. The claim holds as long as the fence in the table is this one."""

    id: int
    fence: int
    kind: str
    source_id: int | None
    path: str
    attempts: int


@dataclass(frozen=True, slots=True)
class Dead:
    """A job that was given up, and why."""

    kind: str
    path: str
    attempts: int
    reason: str


class Jobs(Queries):
    """The queue of a catalog. Every method is one transaction; `clock` gives seconds since the epoch in place
    of the machine's clock, or the server's."""

    def __init__(self, engine: Engine, clock: Callable[[], float] | None = None) -> None:
        super().__init__(engine)
        self._postgresql = engine.dialect.name == "postgresql"
        self._clock = clock

    def _now(self, tx: Connection) -> float:
        if self._clock is not None:
            return self._clock()
        if not self._postgresql:
            return time.time()
        return float(tx.execute(select(func.extract("epoch", func.clock_timestamp()))).scalar_one())

    def enqueue(
        self, space: str, works: Iterable[Work], *, kind: str = "file", priority: int = 0, delay: float = 0.0
    ) -> int:
        """Queue work, to be due after `delay` seconds; return how many jobs were new.

        The same work, waiting or running, is there once; the priority of a job that waits is raised.
        """
        added, works = 0, list(works)
        common: dict[str, Any] = {
            "kind": kind,
            "space": space,
            "priority": priority,
            "state": "waiting",
            "attempts": 0,
            "suspect": 0,
            "fence": 0,
        }
        dialect = postgresql if self._postgresql else sqlite
        with self._writer.begin() as tx:
            now = self._now(tx)
            common["due"] = now + delay
            for chunk in chunks(works):
                rows = [{**common, **{name: getattr(w, name) for name in Work.__slots__}} for w in chunk]
                new = dialect.insert(JobRow).on_conflict_do_nothing(
                    index_elements=["space", "kind", "path", "size", "mtime_ns"], index_where=LIVE
                )
                # the rows beside the statement, not in it: one of its own for every number of rows takes
                # tens of milliseconds and megabytes to make
                added += len(tx.execute(new.returning(JobRow.id), rows).all())
                if priority > 0:
                    here = and_(JobRow.space == space, JobRow.state == "waiting", JobRow.kind == kind)
                    here = and_(here, JobRow.path.in_([w.path for w in chunk]), JobRow.priority < priority)
                    tx.execute(update(JobRow).where(here).values(priority=priority))
            old = and_(JobRow.state == "done", JobRow.ended < now - KEEP_DONE)
            tx.execute(delete(JobRow).where(old))
        return added

    def claim(
        self,
        worker: str,
        space: str,
        n: int,
        *,
        lease: float,
        eager: bool = True,
        kinds: Sequence[str] = KINDS,
    ) -> list[Job]:
        """Claim up to n files of a space for `lease` seconds, those of the highest priority first; or one
        file of a batch that failed; or one job of another kind. Only jobs of these `kinds` are claimed.

        Sweeps wait until no file is left, so that a moved file is copied from where it was. A refresh is
        claimed when it is due and, by an `eager` worker, when nothing else is left.
        """
        if not self._any():
            return []
        other = aliased(JobRow)
        live = and_(other.space == space, other.state.in_(("waiting", "running")))
        files_left = exists(select(other.id).where(live, other.kind == "file"))
        work_left = exists(select(other.id).where(live, other.kind != "refresh"))
        with self._writer.begin() as tx:
            now = self._now(tx)
            due = or_(JobRow.due <= now, JobRow.due > now + LONGEST_BACKOFF)  # the clock was set back
            turns: tuple[tuple[str, int, ColumnElement[bool]], ...] = (
                ("refresh", 1, due),
                ("file", n, and_(due, JobRow.suspect == 0)),
                ("file", 1, and_(due, JobRow.suspect > 0)),
                ("sweep", 1, and_(due, ~files_left)),
                ("refresh", 1, and_(JobRow.attempts == 0, ~work_left)),
            )
            self._recover(tx, now)
            for kind, most, when in turns if eager else turns[:-1]:
                if kind not in kinds:
                    continue
                ready = and_(JobRow.space == space, JobRow.state == "waiting", JobRow.kind == kind, when)
                values = {"worker": worker, "lease": now + min(lease, LONGEST_LEASE)}
                claimed = self._take(tx, ready, most, values)
                if claimed:
                    return claimed
        return []

    def _any(self) -> bool:
        """Whether there is anything to do: on an empty queue a claim reads once and never writes."""
        with self._engine.connect() as tx:
            return tx.execute(select(JobRow.id).where(LIVE).limit(1)).first() is not None

    def _take(
        self, tx: Connection, ready: ColumnElement[bool], most: int, values: dict[str, Any]
    ) -> list[Job]:
        chosen = select(JobRow.id).where(ready).order_by(JobRow.priority.desc(), JobRow.id).limit(most)
        if self._postgresql:
            chosen = chosen.with_for_update(skip_locked=True)
        # materialised: as a plain sub-select it may be run again for other rows, and lock more than it gives
        ids = chosen.cte("chosen").prefix_with("MATERIALIZED")
        claim = (
            update(JobRow)
            .where(JobRow.id.in_(select(ids.c.id)))
            .values(state="running", fence=JobRow.fence + 1, attempts=JobRow.attempts + 1, **values)
            .returning(
                JobRow.priority,
                JobRow.id,
                JobRow.fence,
                JobRow.kind,
                JobRow.source_id,
                JobRow.path,
                JobRow.attempts,
            )
        )
        rows = sorted(tx.execute(claim).all(), key=lambda row: (-row[0], row[1]))
        return [Job(*row[1:]) for row in rows]

    def _recover(self, tx: Connection, now: float) -> None:
        """Put the jobs of workers that are gone or silent back into the queue; give up those that have had
        their last attempt."""
        running = JobRow.state == "running"
        holders = tx.execute(select(JobRow.worker).where(running).distinct()).scalars()
        gone = JobRow.worker.in_([holder for holder in holders if holder and is_gone(holder)])
        silent = or_(JobRow.lease < now, JobRow.lease > now + LONGEST_LEASE)
        for which, pause in ((gone, _none_at_first), (silent, _pause)):
            lost = select(JobRow.id, JobRow.attempts).where(running, which)
            if self._postgresql:
                lost = lost.with_for_update(skip_locked=True)
            jobs = [(row.id, row.attempts) for row in tx.execute(lost)]
            self._again(tx, jobs, "its worker died or was stopped while it was at work on it", now, pause)

    def _again(
        self,
        tx: Connection,
        jobs: Sequence[tuple[int, int]],
        reason: str,
        now: float,
        pause: Callable[[int], float],
    ) -> None:
        """Put these (id, attempts) back into the queue after `pause(attempts)` seconds; give up those that
        have had their last attempt."""
        back = [(number, attempts) for number, attempts in jobs if attempts < MAX_ATTEMPTS]
        if back:
            tx.execute(
                update(JobRow)
                .where(JobRow.id == bindparam("number"))
                .values(state="waiting", suspect=JobRow.suspect + 1, due=bindparam("later"), reason=reason),
                [{"number": number, "later": now + pause(attempts)} for number, attempts in back],
            )
        exhausted = [number for number, attempts in jobs if attempts >= MAX_ATTEMPTS]
        for chunk in chunks(exhausted):
            here = JobRow.id.in_(chunk)
            tx.execute(update(JobRow).where(here).values(state="dead", reason=reason, ended=now))
            self._to_ledger(tx, and_(here, JobRow.kind == "file"), now)

    @staticmethod
    def _to_ledger(tx: Connection, which: ColumnElement[bool], now: float) -> None:
        """Note dead files in the failure ledger: each is tried again when it, or its decoder, changes."""
        columns = (JobRow.path, JobRow.source_id, JobRow.size, JobRow.mtime_ns, JobRow.decoder, JobRow.reason)
        rows = [row._asdict() for row in tx.execute(select(*columns).where(which))]
        for row in rows:
            row |= {"at": now, "reason": f"given up after {MAX_ATTEMPTS} attempts: {row['reason']}"}
        if rows:
            tx.execute(delete(FailureRow).where(FailureRow.path.in_([row["path"] for row in rows])))
            tx.execute(insert(FailureRow), rows)

    def heartbeat(self, jobs: Sequence[Job], *, lease: float) -> set[int]:
        """Renew these claims for another `lease` seconds; return the ids of those that still hold."""
        with self._writer.begin() as tx:
            renewal = update(JobRow).values(lease=self._now(tx) + min(lease, LONGEST_LEASE))
            return {
                row.id
                for chunk in chunks(jobs)
                for row in tx.execute(renewal.where(_held(chunk)).returning(JobRow.id))
            }

    def finish(self, jobs: Sequence[Job]) -> int:
        """Mark these jobs as done; return for how many the claim still held."""
        with self._writer.begin() as tx:
            values = {"state": "done", "ended": self._now(tx), "reason": None}
            return sum(
                tx.execute(update(JobRow).where(_held(chunk)).values(**values)).rowcount
                for chunk in chunks(jobs)
            )

    def retry(self, jobs: Sequence[Job], reason: str) -> None:
        """Put failed jobs back into the queue, to be claimed alone after a pause that doubles each time;
        after the last attempt they are dead."""
        reason = printable(reason)
        with self._writer.begin() as tx:
            for chunk in chunks(jobs):
                held = select(JobRow.id, JobRow.attempts).where(_held(chunk))
                lost = [(row.id, row.attempts) for row in tx.execute(held)]
                self._again(tx, lost, reason, self._now(tx), _pause)

    def release(self, jobs: Sequence[Job]) -> None:
        """Put jobs back into the queue as if they had not been claimed: they were not at fault."""
        with self._writer.begin() as tx:
            for chunk in chunks(jobs):
                values = {"state": "waiting", "attempts": JobRow.attempts - 1, "lease": None, "worker": None}
                tx.execute(update(JobRow).where(_held(chunk)).values(**values))

    def owe_refresh(self, space: str) -> None:
        """Queue a refresh of the space, under the write lock and before a write: it will be compacted and
        measured even when the writer dies."""
        self.enqueue(space, [Work("")], kind="refresh", delay=REFRESH)

    def owes_refresh(self, space: str) -> bool:
        """Whether the space was written to and not yet compacted and measured."""
        with self._engine.connect() as tx:
            query = select(JobRow.id).where(JobRow.space == space, JobRow.kind == "refresh")
            return tx.execute(query.where(JobRow.state != "done").limit(1)).first() is not None

    def refreshed(self, space: str) -> None:
        """Remove every refresh of the space from the queue, under the write lock: it was done."""
        with self._writer.begin() as tx:
            tx.execute(delete(JobRow).where(JobRow.space == space, JobRow.kind == "refresh"))

    def keep_only(self, space: str) -> int:
        """Drop the waiting jobs of other spaces; return how many."""
        with self._writer.begin() as tx:
            return tx.execute(delete(JobRow).where(JobRow.space != space, JobRow.state == "waiting")).rowcount

    def counts(self, space: str) -> dict[str, int]:
        """The number of files in each state: waiting, running, done within the hour, and dead."""
        query = select(JobRow.state, func.count()).where(JobRow.space == space, JobRow.kind == "file")
        with self._engine.connect() as tx:
            return {row[0]: row[1] for row in tx.execute(query.group_by(JobRow.state))}

    def left(self, space: str) -> tuple[int, float | None]:
        """The number of waiting jobs of any kind, and when the first is due, in seconds since the epoch."""
        query = select(func.count(), func.min(JobRow.due))
        query = query.where(JobRow.space == space, JobRow.state == "waiting")
        with self._engine.connect() as tx:
            count, first = tx.execute(query).one()
            return count, first

    def dead(self) -> list[Dead]:
        """Every job that was given up, the oldest first."""
        query = select(JobRow.kind, JobRow.path, JobRow.attempts, func.coalesce(JobRow.reason, ""))
        with self._engine.connect() as tx:
            return [Dead(*row) for row in tx.execute(query.where(JobRow.state == "dead").order_by(JobRow.id))]

    def clear_dead(self, *, kind: str | None = None) -> int:
        """Forget the jobs that were given up, or those of one kind; return how many."""
        which = JobRow.state == "dead" if kind is None else and_(JobRow.state == "dead", JobRow.kind == kind)
        with self._writer.begin() as tx:
            return tx.execute(delete(JobRow).where(which)).rowcount


def _held(jobs: Sequence[Job]) -> ColumnElement[bool]:
    """The condition that selects the rows for which these claims still hold."""
    claims = tuple_(JobRow.id, JobRow.fence).in_([(job.id, job.fence) for job in jobs])
    return and_(JobRow.state == "running", claims)


def _pause(attempts: int) -> float:
    """Seconds until the next attempt: between half and the whole of BACKOFF · 2^(attempts − 1)."""
    longest = min(LONGEST_BACKOFF, BACKOFF * 2.0 ** (attempts - 1))
    return longest * random.uniform(0.5, 1.0)


def _none_at_first(attempts: int) -> float:
    """Seconds until the next attempt after a worker died: none at first, since nothing has to recover; then
    as `_pause`, lest a file that kills its worker does so again and again."""
    return 0.0 if attempts == 1 else _pause(attempts)
