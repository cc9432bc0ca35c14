"""Several workers on one queue: nothing twice, nothing missed, whatever dies or stops under way."""

from __future__ import annotations

import json
import logging
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from searchkit.cli.output import FAILED
from searchkit.collection import Collection
from searchkit.collection.doctor import examine
from searchkit.collection.jobs import How, enqueue
from searchkit.encoders.hashing import Hashing
from searchkit.indexers.worker import FULL, Worker

WORKER = """
import json, sys
sys.path.insert(0, sys.argv[1])
import nursery
nursery.work({"do": "worker", "notes": "", **json.loads(sys.argv[2])})
"""


def start(
    library: Collection, log: Path, *, pause: float = 0.0, lease: float = 60.0, **more: float
) -> subprocess.Popen[bytes]:
    task = {"root": str(library.root), "log": str(log), "pause": pause, "lease": lease, **more}
    arguments = [str(Path(__file__).parent), json.dumps(task)]
    return subprocess.Popen([sys.executable, "-c", WORKER, *arguments], stderr=subprocess.PIPE)


def notes(folder: Path, count: int) -> Path:
    folder.mkdir()
    for number in range(count):
        (folder / f"{number:05}.txt").write_text(f"note {number} about thing{number}\n")
    return folder


def encoded(log: Path) -> Counter[str]:
    return Counter(line.split()[1] for line in log.read_text().splitlines())


def share(library: Collection, log: Path, count: int, *, kill: int = 0) -> None:
    """Four workers, some of them killed after a while; then the rest finish, and everything is checked. The
    claims of the dead are for longer than the others wait."""
    workers = [start(library, log, pause=0.005) for _ in range(4)]
    try:
        for victim in workers[:kill]:
            target = random.Random(count).uniform(0.1, 0.4) * count
            while not log.exists() or len(log.read_bytes().splitlines()) < target:
                time.sleep(0.02)
            victim.send_signal(signal.SIGKILL)
        for worker in workers[kill:]:
            _, err = worker.communicate(timeout=500)
            assert worker.returncode == 0, err.decode()
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()
    assert len(list(library.assets())) == library.store.count() == count
    assert examine(library) == []
    done = encoded(log)
    assert set(done) == set(map(str, range(count)))
    # a batch of 6 that was encoded and not written is encoded again
    assert sum(done.values()) - count <= 6 * kill


@pytest.fixture
def queued(tmp_path: Path, postgres: Any) -> Iterator[Collection]:
    with Collection.open(tmp_path / "library", encoder=Hashing(), catalog=postgres.database()) as library:
        yield library


@pytest.mark.slow
def test_four_workers_share_a_queue_and_two_may_die(queued: Collection, tmp_path: Path) -> None:
    assert enqueue(queued, notes(tmp_path / "notes", 240)).queued == 240
    share(queued, tmp_path / "log", 240, kill=2)


@pytest.mark.slow
@pytest.mark.parametrize("kill", [0, 2])
def test_four_workers_index_five_thousand_files(queued: Collection, tmp_path: Path, kill: int) -> None:
    assert enqueue(queued, notes(tmp_path / "notes", 5000)).queued == 5000
    share(queued, tmp_path / "log", 5000, kill=kill)


HOUR = 3600.0


@pytest.mark.slow
def test_a_clock_that_jumps_back_while_workers_work_and_die_holds_nothing_up(
    database: str, tmp_path: Path
) -> None:
    catalog = "" if database.startswith("sqlite") else database
    log = tmp_path / "log"
    with Collection.open(tmp_path / "library", encoder=Hashing(), catalog=catalog) as library:
        enqueue(library, notes(tmp_path / "notes", 90))
        with start(library, log, pause=0.1, back=2 * HOUR) as first:
            while not log.exists() or len(log.read_text().splitlines()) < 45:
                time.sleep(0.02)
            first.kill()
        with start(library, log, clock=2 * HOUR) as second:
            _, err = second.communicate(timeout=100)
            assert second.returncode == 0, err.decode()
        assert len(list(library.assets())) == library.store.count() == 90
        assert examine(library) == []
        done = encoded(log)
        assert set(done) == set(map(str, range(90))) and sum(done.values()) - 90 <= 6


@pytest.mark.slow
def test_a_database_that_is_stopped_in_the_middle_is_waited_for(
    queued: Collection, tmp_path: Path, postgres: Any
) -> None:
    enqueue(queued, notes(tmp_path / "notes", 300))
    log = tmp_path / "log"
    workers = [start(queued, log, pause=0.02) for _ in range(2)]
    try:
        while not log.exists() or len(log.read_bytes().splitlines()) < 60:
            time.sleep(0.02)
        postgres.stop()
        time.sleep(3)
        assert [worker.poll() for worker in workers] == [None, None]
        postgres.start()
        for worker in workers:
            _, err = worker.communicate(timeout=200)
            assert worker.returncode == 0, err.decode()
            assert "waiting" in err.decode() and "connection" in err.decode()
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()
    assert len(list(queued.assets())) == queued.store.count() == 300
    assert examine(queued) == []
    assert set(encoded(log)) == set(map(str, range(300)))


GROWING = """
import sys
from searchkit.cli.output import FAILED
from searchkit.collection import Collection
from searchkit.encoders.hashing import Hashing
from searchkit.indexers.memory import resident
from searchkit.indexers.worker import Worker
from searchkit.collection.jobs import How
import time

class Greedy(Hashing):
    def encode_text(self, texts):
        if any(text.startswith("note") for text in texts):
            self.held = bytearray(b"x" * (400 << 20))
            time.sleep(30)
        return super().encode_text(texts)

with Collection.open(sys.argv[1], encoder=Greedy()) as library:
    library.store.count()
    sys.exit(Worker(library, How(6, 1), megabytes=resident() + 20).run(once=True))
"""


@pytest.mark.slow
def test_a_worker_that_outgrows_its_memory_in_a_batch_ends_at_once_and_others_have_its_jobs(
    tmp_path: Path,
) -> None:
    with Collection.open(tmp_path / "library", encoder=Hashing()) as library:
        enqueue(library, notes(tmp_path / "notes", 3))
        began = time.monotonic()
        command = [sys.executable, "-c", GROWING, str(library.root)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=100)
        assert done.returncode == FULL and "in the middle of a batch" in done.stderr, done.stderr
        assert time.monotonic() - began < 30
        Worker(library, How(6, 1)).run(once=True)
        assert len(list(library.assets())) == library.store.count() == 3
        assert library.failures() == [] and examine(library) == []


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    folder.mkdir()
    try:
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", folder],
            check=True,
            capture_output=True,
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no small disk can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.slow
def test_a_full_disk_is_waited_for_and_named_and_blames_no_file(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = notes(tmp_path / "notes", 200)
    with small_disk(tmp_path / "disk", 32) as disk:
        library = Collection.open(disk / "library", encoder=Hashing())
        enqueue(library, folder)
        ballast = disk / "ballast"
        with ballast.open("wb") as file:
            file.write(b"x" * (shutil.disk_usage(disk).free - 40_000))
        end = time.monotonic() + 8
        worker = Worker(library, How(6, 1, stop=lambda: time.monotonic() > end))
        with caplog.at_level(logging.WARNING, "searchkit"):
            worker.run(once=True)
        assert len(list(library.assets())) < 200, "the disk was not full"
        assert "waiting" in caplog.text
        assert "disk is full" in caplog.text or "No space left" in caplog.text
        assert library.failures() == []
        ballast.unlink()
        end = time.monotonic() + 200
        worker.run(once=True)
        assert len(list(library.assets())) == library.store.count() == 200
        assert library.failures() == [] and examine(library) == []
        library.close()


@pytest.mark.slow
def test_a_disk_that_fills_up_under_the_command_is_named_and_the_next_run_goes_on(tmp_path: Path) -> None:
    folder = notes(tmp_path / "notes", 60)
    with small_disk(tmp_path / "disk", 32) as disk:
        index = [sys.executable, "-c", "from searchkit.cli.main import main; main()", "index"]
        index += ["-c", str(disk / "library"), "--model", "hashing"]
        (tmp_path / "first").mkdir()
        (tmp_path / "first" / "first.txt").write_text("the first note")
        subprocess.run([*index, str(tmp_path / "first")], check=True, capture_output=True)
        ballast = disk / "ballast"
        with ballast.open("wb") as file:
            file.write(b"x" * (shutil.disk_usage(disk).free - 60_000))
        done = subprocess.run([*index, "-b", "4", str(folder)], capture_output=True, text=True, timeout=200)
        assert done.returncode == FAILED and "the disk is full" in done.stderr, done.stderr
        assert "hint: free some space" in done.stderr and "Traceback" not in done.stderr
        ballast.unlink()
        subprocess.run([*index, str(folder)], check=True, capture_output=True, timeout=200)
        with Collection.open(disk / "library", create=False) as library:
            assert len(list(library.assets())) == library.store.count() == 61
            assert library.failures() == [] and examine(library) == []


@pytest.mark.slow
def test_a_hundred_thousand_watched_files_cost_nothing_and_a_change_is_found_in_seconds(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "files"
    for number in range(100):
        (folder / f"{number:02}").mkdir(parents=True)
        for other in range(1000):
            (folder / f"{number:02}" / f"{other:03}.bin").touch()
    (folder / "07" / "note.txt").write_text("a note about bees\n")
    with Collection.open(tmp_path / "library", encoder=Hashing()) as library:
        library.add(folder)
        command = [sys.executable, "-c", "from searchkit.cli.main import main; main()", "watch", "--json"]
        with subprocess.Popen(
            [*command, "-c", str(library.root)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as watching:
            assert watching.stdout is not None
            try:
                watching.stdout.readline()  # the first look is over
                time.sleep(10)
                before = _cpu(watching.pid)
                time.sleep(30)
                assert (_cpu(watching.pid) - before) / 30 < 0.01
                began = time.monotonic()
                (folder / "42" / "new.txt").write_text("a note about a lighthouse\n")
                while Path(library.search("lighthouse", k=1)[0].path).name != "new.txt":
                    assert time.monotonic() - began < 5
                    time.sleep(0.1)
            finally:
                watching.kill()


@pytest.mark.slow
def test_a_watcher_that_is_killed_while_it_looks_loses_no_change(tmp_path: Path) -> None:
    folder, chance = notes(tmp_path / "notes", 3000), random.Random(3000)
    command = [sys.executable, "-c", "from searchkit.cli.main import main; main()", "watch", "--every", "0.1"]
    with Collection.open(tmp_path / "library", encoder=Hashing()) as library:
        library.add(folder, batch_size=1024)
        command += ["--json", "-q", "-c", str(library.root)]
        for number in range(6):
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watching:
                assert watching.stdout is not None
                try:
                    watching.stdout.readline()  # one look is over, and others follow at once
                    for _ in range(4):
                        time.sleep(chance.uniform(0, 0.4))
                        (folder / f"{chance.randrange(3000):05}.txt").unlink(missing_ok=True)
                        new = folder / f"{chance.randrange(3000):05}.txt"
                        new.write_text(f"note of round {number}, {chance.random()}\n")
                        any_file = folder / f"{chance.randrange(3000):05}.txt"
                        if any_file.exists():
                            any_file.rename(folder / f"moved{chance.randrange(10**6):06}.txt")
                    last = f"lighthouse{number}"
                    (folder / f"{last}.txt").write_text(f"a note about {last}\n")
                    time.sleep(chance.uniform(0, 1.0))
                finally:
                    watching.send_signal([signal.SIGKILL, signal.SIGINT][number % 2])
                watching.communicate(timeout=100)
        how = How(32, 1)
        enqueue(library)
        Worker(library, how).run(once=True)
        assert {Path(asset.path) for asset in library.assets()} == set(folder.iterdir())
        assert library.store.count() == len(list(folder.iterdir()))
        assert examine(library) == []
        for number in range(6):
            assert Path(library.search(f"a note about lighthouse{number}", k=1)[0].path).stem[-1] == str(
                number
            )


def _cpu(pid: int) -> float:
    """Seconds of processor time that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
