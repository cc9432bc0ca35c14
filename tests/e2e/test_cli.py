"""The real command in processes of its own, with the encoder that needs no weights."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from safetensors.torch import load_file, save_file
from typer.main import get_command
from typer.testing import CliRunner

from searchkit.cli.main import COMMANDS, app
from searchkit.collection.lock import writing
from searchkit.encoders.bundled import bundled_folder
from searchkit.errors import SpaceMismatch

SCRIPT = Path(sys.executable).with_name("searchkit")
ODD_NAMES = (b"two\nlines.png", b"caf\xe9.png")
HIT_FIELDS = [
    "schema", "rank", "score", "confidence", "kind", "path", "source", "page", "start", "end", "text",
    "sha256", "space", "mtime", "width", "height",
    "size", "taken", "label", "label_confidence", "heading", "ocr", "copies", "passages",
]  # fmt: skip
REPORT_FIELDS = [
    "schema", "seen", "indexed", "reused", "unchanged", "deleted", "failed", "offline", "seconds",
    "images_per_second", "read_by_ocr", "left_out",
]  # fmt: skip


class Shell:
    """A folder to work in, with data and configuration folders of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        clean = {name: value for name, value in os.environ.items() if not name.startswith("SEARCHKIT_")}
        homes = {name: str(folder / "home") for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")}
        self.environment = clean | homes | {"SEARCHKIT_COLLECTION": str(folder / "library")}

    def run(self, *args: str | bytes | Path, env: Mapping[str, str] | None = None) -> Ended:
        done = subprocess.run(
            [SCRIPT, *args],
            cwd=self.folder,
            env=self.environment | (env or {}),
            capture_output=True,
            timeout=100,
        )
        return Ended(done.returncode, done.stdout, done.stderr.decode())

    def start(self, *args: str | Path) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [SCRIPT, *args],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )


class Ended:
    """What a run left behind."""

    def __init__(self, code: int, out: bytes, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def lines(self) -> list[str]:
        return self.out.decode("utf-8", "surrogateescape").splitlines()

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Shell, Ended]:
    """Three pictures (two with odd names), two texts and a broken file, indexed once; tests only read."""
    shell = Shell(tmp_path_factory.mktemp("cli"))
    folder = shell.folder / "files"
    folder.mkdir()
    picture(folder / "red.png", (250, 5, 5))
    for number, name in enumerate(ODD_NAMES):
        picture(folder / os.fsdecode(name), (10, 100 * number, 240))
    (folder / "retry.txt").write_text("The retry policy doubles the delay after every failed request.\n")
    (folder / "bread.txt").write_text("Knead the dough, let it rise, and bake the bread.\n")
    (folder / "broken.jpg").write_bytes(b"not a picture")
    return shell, shell.run("index", folder, "--model", "hashing", "--json")


def picture(path: Path, colour: tuple[int, int, int]) -> None:
    Image.new("RGB", (24, 16), colour).save(path, "png")


# help and version


HEAVY = {
    *("torch", "lancedb", "transformers", "sqlalchemy", "faiss", "numpy", "pyarrow", "PIL", "rich"),
    *("streamlit", "pandas", "scipy", "watchfiles"),
}


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from searchkit.cli.main import app\n"
        "try: app(['--help'])\n"
        f"finally: print(sorted({HEAVY!r} & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100)
    assert "Find pictures and documents by meaning" in done.stdout
    assert done.stderr == "[]\n"


MISUSED = (
    "search",
    "search dogs --context 1",
    "search dogs --json -0",
    "search dogs --min-confidence 2",
    "similar cat.jpg --json -f",
    "ls --json -0",
    "index . --queue --prune",
    "index . --model pocket --exclude *.psd",
    "index . -b 0",
    "watch --threads 0",
    "worker -b 0",
    "label",
    "adapt",
    "adapt --own --steps 3",
    "models pull",
    "train --data . --out here --recipe pocket --parent pocket",
)


def test_what_is_used_wrongly_is_refused_before_anything_heavy_is_imported() -> None:
    code = (
        "import sys\n"
        "from searchkit.cli.main import app\n"
        "from searchkit.errors import BadInput\n"
        f"for line in {MISUSED!r}:\n"
        "    try: app(line.split())\n"
        "    except BadInput: pass\n"
        "    else: print('not refused:', line)\n"
        f"    print(line, sorted({HEAVY!r} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100)
    assert done.stdout.splitlines() == [f"{line} []" for line in MISUSED], done.stderr


@pytest.mark.parametrize(("command", "example"), COMMANDS, ids=lambda value: getattr(value, "__name__", ""))
def test_the_help_of_every_command_ends_with_an_example_that_it_takes(command: Any, example: str) -> None:
    name, *words = shlex.split(example.split(" | ")[0])[1:]
    get_command(app).commands[name].make_context(name, words)  # type: ignore[attr-defined]
    result = CliRunner().invoke(app, [command.__name__, "--help"], terminal_width=200)
    assert result.exit_code == 0
    assert result.stdout.rstrip().endswith(f"Example: {example}")
    assert example.startswith(f"searchkit {command.__name__}")


def test_the_version_is_printed(shell: Shell) -> None:
    done = shell.run("--version")
    assert done.code == 0
    assert done.out.startswith(b"searchkit ")


# index, search, status, ls, rm


def test_indexing_reports_what_it_did_and_exits_3_when_files_failed(indexed: tuple[Shell, Ended]) -> None:
    _, done = indexed
    assert done.code == 3
    (report,) = done.records
    assert list(report) == REPORT_FIELDS
    counts = {name: report[name] for name in ("schema", "seen", "indexed", "failed", "offline")}
    assert counts == {"schema": 1, "seen": 6, "indexed": 5, "failed": 1, "offline": 0}
    assert (
        "indexed 5, reused 0, unchanged 0, deleted 0, failed 1 (searchkit doctor lists them) in" in done.err
    )
    assert done.err.count("\n") == 1  # no progress where stderr is no terminal


def test_strict_makes_failed_files_exit_2_and_quiet_says_nothing(indexed: tuple[Shell, Ended]) -> None:
    shell, _ = indexed
    done = shell.run("index", "--strict", "--quiet")
    assert (done.code, done.out, done.err) == (2, b"", "")


def test_a_hit_is_confidence_score_and_path_with_tabs_between(indexed: tuple[Shell, Ended]) -> None:
    shell, _ = indexed
    done = shell.run("search", "retry policy", "--kind", "passage", "-k", "1")
    assert done.code == 0
    assert done.err == ""
    (line,) = done.lines
    confidence, score, path = line.split("\t")
    assert path == str(shell.folder / "files" / "retry.txt")
    assert all(len(number.split(".")[1]) == 3 and 0 <= float(number) <= 1 for number in (confidence, score))


def test_a_hit_in_json_has_the_fields_of_the_contract(indexed: tuple[Shell, Ended]) -> None:
    shell, _ = indexed
    hits = shell.run("search", "retry policy", "--json").records
    assert [hit["rank"] for hit in hits] == [1, 2, 3, 4, 5]
    passage = next(hit for hit in hits if hit["path"].endswith("retry.txt"))
    assert list(passage) == HIT_FIELDS
    assert passage["kind"] == "passage"
    written = (shell.folder / "files" / "retry.txt").read_text()
    assert written[passage["start"] : passage["end"]] == passage["text"] == written.strip()
    assert (passage["page"], passage["width"], passage["height"]) == (None, None, None)
    image = next(hit for hit in hits if hit["path"].endswith("red.png"))
    assert list(image) == HIT_FIELDS
    assert (image["kind"], image["width"], image["height"], image["text"]) == ("image", 24, 16, None)
    odd = [hit for hit in hits if "path_b64" in hit]
    assert [hit["path"].endswith("caf\N{REPLACEMENT CHARACTER}.png") for hit in odd] == [True]


def test_explain_says_how_each_hit_was_found(indexed: tuple[Shell, Ended]) -> None:
    shell, _ = indexed
    ended = shell.run("search", "retry policy", "--hybrid", "--explain", "-k", "1")
    assert "passage: the store compares all, exactly" in ended.err
    times = next(line for line in ended.err.splitlines() if line.startswith("times: "))
    assert [step.split()[0] for step in times[7:].split(", ")] == ["encode", "nearest", "words"]
    _, score, path, legs = ended.out.decode().strip().split("\t")
    assert path.endswith("retry.txt") and legs.startswith(f"meaning 1 ({score}), text 1 (")
    (hit,) = shell.run("search", "retry policy", "--explain", "--json", "-k", "1").records
    assert hit["explain"] == {"meaning": {"rank": 1, "score": hit["score"]}}


def test_a_name_with_a_newline_is_one_line_and_other_bytes_are_kept(indexed: tuple[Shell, Ended]) -> None:
    shell, _ = indexed
    lines = shell.run("search", "blue", "--kind", "image").out.splitlines()
    assert len(lines) == 3
    assert sum(line.endswith(rb"files/two\nlines.png") for line in lines) == 1
    assert sum(line.endswith(b"files/caf\xe9.png") for line in lines) == 1


@pytest.mark.parametrize("command", [("search", "blue", "--kind", "image"), ("ls",)], ids=["search", "ls"])
def test_with_0_the_paths_are_raw_bytes_that_open(
    command: tuple[str, ...], indexed: tuple[Shell, Ended]
) -> None:
    shell, _ = indexed
    out = shell.run(*command, "-0").out
    assert out.endswith(b"\0")
    paths = out[:-1].split(b"\0")
    assert all(os.path.exists(path) for path in paths)
    assert set(ODD_NAMES) <= {os.path.basename(path) for path in paths}


def test_with_f_each_path_comes_once(shell: Shell) -> None:
    folder = shell.folder / "files"
    folder.mkdir()
    (folder / "long.txt").write_text("bread and butter on the table. " * 100)
    assert shell.run("index", folder, "--model", "hashing").code == 0
    assert len(shell.run("search", "bread").lines) > 1
    assert shell.run("search", "bread", "-f").lines == [str(folder / "long.txt")]


def test_a_picture_finds_itself_and_similar_leaves_it_out(indexed: tuple[Shell, Ended]) -> None:
    shell, _ = indexed
    red = shell.folder / "files" / "red.png"
    found = shell.run("search", "--image", red, "--kind", "image").lines
    assert found[0].split("\t")[1:] == ["1.000", str(red)]
    like = shell.run("similar", red, "--kind", "image", "-f").lines
    assert sorted([*like, str(red)]) == sorted(line.split("\t")[2] for line in found)


def test_a_query_that_is_a_path_or_an_address_is_only_text(
    indexed: tuple[Shell, Ended], tmp_path: Path
) -> None:
    shell, _ = indexed
    pipe = tmp_path / "photo.png"
    os.mkfifo(pipe)  # whoever opens it waits for ever
    assert shell.run("search", pipe).code == 0
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert shell.run("search", f"http://127.0.0.1:{port}/photo.png").code == 0
        server.setblocking(False)
        with pytest.raises(BlockingIOError):  # nobody has knocked
            server.accept()


def test_the_reader_may_leave_early(indexed: tuple[Shell, Ended]) -> None:
    shell, _ = indexed
    process = shell.start("search", "bread", "--json")
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 0


def test_status_and_doctor_tell_of_the_failed_file(indexed: tuple[Shell, Ended]) -> None:
    shell, _ = indexed
    (status,) = shell.run("status", "--json").records
    found = {
        name: status[name] for name in ("schema", "encoder", "images", "documents", "passages", "failed")
    }
    assert found == {
        "schema": 1,
        "encoder": "hashing",
        "images": 3,
        "documents": 2,
        "passages": 2,
        "failed": 1,
    }
    doctor = shell.run("doctor", "--json")
    assert doctor.code == 3
    (finding,) = doctor.records
    assert finding["severity"] == "failed"
    assert finding["path"] == str(shell.folder / "files" / "broken.jpg")


def test_what_is_removed_is_not_found_and_stays_on_disk(shell: Shell) -> None:
    folder = shell.folder / "files"
    folder.mkdir()
    (folder / "a.txt").write_text("bread")
    (folder / "b.txt").write_text("bread and butter")
    first = shell.run("index", folder, "--model", "hashing")
    assert first.code == 0
    assert shell.run("ls").lines == [str(folder / "a.txt"), str(folder / "b.txt")]
    removed = shell.run("rm", folder / "a.txt", "--json")
    assert removed.records == [{"schema": 1, "removed": 1}]
    assert (folder / "a.txt").exists()
    assert shell.run("search", "bread", "-f").lines == [str(folder / "b.txt")]
    gone = shell.run("ls", folder / "a.txt")
    assert (gone.code, gone.out) == (1, b"")


def test_an_evaluation_in_json_has_the_fields_of_the_contract(shell: Shell) -> None:
    folder = shell.folder / "set"
    (folder / "qrels").mkdir(parents=True)
    (folder / "corpus.jsonl").write_text(
        '{"_id": "d1", "title": "", "text": "bake the bread"}\n{"_id": "d2", "text": "retry the request"}\n'
    )
    (folder / "queries.jsonl").write_text('{"_id": "q1", "text": "bread"}\n')
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td1\t1\n")
    done = shell.run("evaluate", folder, "--model", "hashing", "--json")
    assert done.code == 0
    (found,) = done.records
    assert list(found) == ["schema", "task", "encoder", "dim", "queries", "metrics"]
    assert (found["encoder"], found["dim"], found["queries"]) == ("hashing", 64, 1)
    assert found["metrics"]["ndcg@10"] == found["metrics"]["recall@1"] == 1.0


# what goes wrong


def test_nothing_sure_enough_exits_1(indexed: tuple[Shell, Ended]) -> None:
    shell, _ = indexed
    done = shell.run("search", "zeppelin", "--min-confidence", "1")
    assert (done.code, done.out, done.err) == (1, b"", "nothing found\n")


def test_an_empty_query_and_no_query_exit_2(indexed: tuple[Shell, Ended]) -> None:
    shell, _ = indexed
    empty, none = shell.run("search", " "), shell.run("search")
    assert (empty.code, none.code) == (2, 2)
    assert empty.err.startswith("searchkit: the query is empty\nhint: ")
    assert none.err.startswith("searchkit: give QUERY, --image FILE, or both\nhint: ")


def test_an_unknown_column_in_a_filter_is_answered_with_the_columns(indexed: tuple[Shell, Ended]) -> None:
    shell, _ = indexed
    done = shell.run("search", "bread", "--filter", "colour = 'red'")
    assert done.code == 2
    assert "colour" in done.err
    assert "hint: columns: kind, path, source," in done.err


def test_a_missing_collection_exits_2_and_says_how_to_make_one(shell: Shell) -> None:
    done = shell.run("status", "-c", "nowhere")
    assert done.code == 2
    assert "there is no collection at" in done.err
    assert "searchkit index FOLDER" in done.err


def test_a_setting_of_another_model_changes_no_collection_and_exits_4(indexed: tuple[Shell, Ended]) -> None:
    shell, _ = indexed
    done = shell.run("index", env={"SEARCHKIT_MODEL": "hashing:32"})
    assert done.code == 4
    assert "holds vectors of hashing-" in done.err and "hint: searchkit index --model hashing:32" in done.err


@pytest.mark.slow
def test_a_model_is_changed_and_changed_back(shell: Shell) -> None:
    folder = shell.folder / "files"
    folder.mkdir()
    (folder / "bread.txt").write_text("Knead the dough.")
    assert shell.run("index", folder, "--model", "hashing").code == 0
    assert shell.run("index", "--model", "hashing:32").code == 0
    rows = shell.run("spaces", "--json").records
    assert [(r["model"], r["active"], r["files"], r["of"], r["items"]) for r in rows] == [
        ("hashing", False, 1, 1, 1),
        ("hashing:32", True, 1, 1, 1),
    ]
    assert shell.run("spaces", "rollback").code == 0
    assert shell.run("search", "dough", "--json").records[0]["space"] == rows[0]["space"]


def test_a_model_whose_weights_were_replaced_encodes_all_again_under_its_name(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in shell.environment.items():
        monkeypatch.setenv(name, value)
    model, album, runner = shell.folder / "model", shell.folder / "album", CliRunner()
    shutil.copytree(bundled_folder(), model)
    album.mkdir()
    Image.new("RGB", (64, 64), "red").save(album / "red.png")
    assert runner.invoke(app, ["index", str(album), "--model", str(model)]).exit_code == 0
    weights = load_file(model / "model.safetensors")
    save_file({name: tensor * 1.01 for name, tensor in weights.items()}, model / "model.safetensors")
    refused = runner.invoke(app, ["search", "red"])
    assert isinstance(refused.exception, SpaceMismatch)
    assert f"searchkit index --model {model}" in str(refused.exception.hint)
    assert runner.invoke(app, ["index", "--model", str(model)]).exit_code == 0
    assert runner.invoke(app, ["search", "red", "-f"]).stdout == f"{album / 'red.png'}\n"


@pytest.mark.slow
def test_what_is_queued_is_done_by_workers(shell: Shell) -> None:
    folder = shell.folder / "files"
    folder.mkdir()
    for number in range(9):
        (folder / f"{number}.txt").write_text(f"bread number{number}")
    queued = shell.run("index", folder, "--model", "hashing", "--queue", "--json")
    assert (queued.code, queued.records[0]["queued"], queued.records[0]["indexed"]) == (0, 9, 0)
    assert shell.run("search", "bread").code == 2
    done = shell.run("worker", "--once", "--jobs", "2", "-b", "2")
    assert done.code == 0 and "done 9" in done.err
    assert shell.run("search", "number7", "-f", "-k", "1").lines == [str(folder / "7.txt")]


def test_a_misspelt_folder_leaves_no_collection_behind(shell: Shell) -> None:
    done = shell.run("index", "fotos")
    assert (done.code, done.err) == (2, "searchkit: fotos does not exist\nhint: check the spelling\n")
    assert not (shell.folder / "library").exists()


def test_an_unknown_model_exits_5_and_names_those_there_are(shell: Shell) -> None:
    done = shell.run("index", ".", "--model", "nosuch")
    assert done.code == 5
    assert "'nosuch'" in done.err
    assert "pocket" in done.err


def test_a_mistyped_option_exits_2(shell: Shell) -> None:
    assert shell.run("search", "bread", "--knid", "image").code == 2


def test_a_second_writer_is_told_who_holds_the_collection(indexed: tuple[Shell, Ended]) -> None:
    shell, _ = indexed
    with writing(shell.folder / "library"):
        done = shell.run("index")
    assert done.code == 2
    assert f"process {os.getpid()} on {socket.gethostname()}" in done.err


def test_config_says_where_each_value_comes_from(shell: Shell) -> None:
    (shell.folder / "searchkit.toml").write_text("k = 3\nbatch_size = 4\n")
    done = shell.run("config", "--json", "-c", "mine", env={"SEARCHKIT_K": "5"})
    (found,) = done.records
    file = str(shell.folder / "searchkit.toml")
    assert found["file"] == file
    assert found["settings"]["collection"] == {"value": "mine", "from": "flag"}
    assert found["settings"]["k"] == {"value": 5, "from": "SEARCHKIT_K"}
    assert found["settings"]["batch_size"] == {"value": 4, "from": file}
    assert found["settings"]["collapse"] == {"value": "exact", "from": "default"}


# runs that last, and runs that are cut off


def test_watch_indexes_what_is_new_until_it_is_told_to_stop(shell: Shell) -> None:
    folder = shell.folder / "files"
    folder.mkdir()
    (folder / "a.txt").write_text("bread")
    assert shell.run("index", folder, "--model", "hashing").code == 0
    with shell.start("watch", "--every", "0.1", "--json") as process:
        assert process.stdout is not None and process.stderr is not None
        assert json.loads(process.stdout.readline())["unchanged"] == 1
        (folder / "b.txt").write_text("butter")
        while json.loads(process.stdout.readline())["unchanged"] < 2:
            pass  # a line a look; the file may be seen while it is being written
        process.send_signal(signal.SIGTERM)
        err = process.communicate(timeout=100)[1].decode()
    assert process.returncode == 130
    assert "indexed 1, reused 0" in err


@pytest.mark.slow
def test_status_watch_tells_how_the_queue_gets_on_until_ctrl_c(shell: Shell) -> None:
    folder = shell.folder / "files"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.txt").write_text(f"note {number}")
    assert shell.run("index", folder, "--model", "hashing", "--queue").code == 0
    with shell.start("status", "--watch", "--json") as process:
        assert process.stdout is not None
        told = [json.loads(process.stdout.readline())["jobs"]]
        assert told == [{"waiting": 3}]
        assert shell.run("worker", "--once").code == 0
        while told[-1] != {"done": 3}:
            told.append(json.loads(process.stdout.readline())["jobs"])
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=100)
    assert process.returncode == 130
    assert all(told[n] != told[n - 1] and sum(told[n].values()) == 3 for n in range(1, len(told)))
    assert out == b"" and "Traceback" not in err.decode()
    with shell.start("status", "--watch") as process:
        assert process.stdout is not None
        assert process.stdout.readline().decode().strip().endswith("waiting 0, running 0, done 3, dead 0")
        process.send_signal(signal.SIGINT)
        assert "Traceback" not in process.communicate(timeout=100)[1].decode()
    assert process.returncode == 130


PICTURES = 200


@pytest.fixture
def many(shell: Shell) -> Path:
    folder = shell.folder / "many"
    folder.mkdir()
    for number in range(PICTURES):
        picture(folder / f"{number:03}.png", (number, 255 - number, 90))
    return folder


def test_ctrl_c_keeps_what_is_done_and_exits_130(shell: Shell, many: Path) -> None:
    with shell.start("index", many, "--model", "hashing", "-b", "2", "--json") as process:
        wait_until_some_are_indexed(shell.folder / "library", process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=100)
    assert process.returncode == 130
    assert "interrupted: indexed" in err.decode()
    done = json.loads(out)["indexed"]
    assert 0 < done < PICTURES
    again = shell.run("index", "--json")
    assert again.code == 0
    (report,) = again.records
    assert (report["unchanged"], report["indexed"]) == (done, PICTURES - done)


@pytest.mark.slow
def test_after_kill_9_nothing_that_was_kept_is_done_again(shell: Shell, many: Path) -> None:
    with shell.start("index", many, "--model", "hashing", "-b", "2") as process:
        kept = wait_until_some_are_indexed(shell.folder / "library", process)
        process.kill()
        process.communicate(timeout=100)
    assert process.returncode == -signal.SIGKILL
    again = shell.run("index", "--json")
    assert again.code == 0
    (report,) = again.records
    assert report["unchanged"] >= kept
    assert report["unchanged"] + report["indexed"] == PICTURES
    doctor = shell.run("doctor")
    assert (doctor.code, doctor.err) == (0, "nothing is wrong\n")


def wait_until_some_are_indexed(library: Path, process: subprocess.Popen[bytes]) -> int:
    """How many files the catalog of a running index has, as soon as there are ten."""
    while process.poll() is None:
        time.sleep(0.02)
        try:
            with closing(sqlite3.connect(f"file:{library}/catalog.sqlite?mode=ro", uri=True)) as catalog:
                (count,) = catalog.execute("SELECT count(*) FROM encoded").fetchone()
        except sqlite3.OperationalError:  # not there yet, or without tables
            continue
        if count >= 10:
            return int(count)
    pytest.fail(f"index ended too early: {process.communicate()[1].decode()}")
