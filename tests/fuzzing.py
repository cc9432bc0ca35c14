"""Reads mutated files in a process of its own, under a limit of memory. Run by test_parser_fuzzing.py.

python -m tests.fuzzing PARSER SEED COUNT SUFFIX, in the folder to write to. One line of JSON for each file:
its number; "parsed", "refused" or what was raised; and the seconds. At the end one with "peak" and the most
megabytes that this process held, and that one of its children did. The file that is being read lies in the
folder, should the process die over it.
"""

from __future__ import annotations

import io
import json
import random
import re
import resource
import sys
import time
import warnings
import zipfile
from contextlib import suppress
from pathlib import Path

from searchkit.errors import Unreadable
from searchkit.registry import parser_of
from tests.documents import SAMPLES, zipped

HEADROOM = 1 << 30
"""Bytes above what the process holds when the parser has read one good file."""
LOREM = b"<div><w:p><a:t>&amp;&x;<![CDATA[\0\xff\\u-1{\\*}\"';,\t\r\n\r=?utf-8?b?=3D<table><li>[](#"
ENTITIES = b'<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">%s]>' % b"".join(
    b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(20)
)
NUMBERS = (b"-1", b"0", b"4294967295", b"99999999999999999999", b"1e999", b"XFD1048576")


def mutate(sample: bytes, suffix: str, random: random.Random) -> bytes:
    if sample.startswith(b"PK") and random.random() < 0.75:
        return _archive(sample, suffix, random)
    return _flat(sample, random)


def _flat(data: bytes, random: random.Random) -> bytes:
    out = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 5, 20))):
        at = random.randrange(len(out) + 1)
        match random.randrange(9):
            case 0:
                out[at : at + 1] = bytes([random.randrange(256)])
            case 1:
                del out[at : at + random.choice((1, 4, 64, 100_000))]
            case 2:
                out[at:at] = random.randbytes(random.choice((1, 8, 300)))
            case 3:
                out[at:at] = out[random.randrange(len(out) + 1) :][:300] * random.choice((1, 3, 50))
            case 4:
                out[at:at] = random.choice((LOREM, ENTITIES, *NUMBERS))
            case 5:
                out = out[:at]
            case 6:
                piece = LOREM[(a := random.randrange(len(LOREM))) : a + random.choice((1, 5, 20))]
                out[at:at] = piece * random.choice((10, 1000, 60_000))
            case 7:
                numbers = [i for i in range(len(out)) if 48 <= out[i] < 58]
                if numbers:
                    at = random.choice(numbers)
                    out[at : at + 1] = random.choice(NUMBERS)
            case 8:
                out[at:at] = _nest(random)
    return bytes(out)


def _nest(random: random.Random) -> bytes:
    depth = random.choice((50, 1000, 50_000))
    pairs = (
        (b"<div>", b"</div>"),
        (b"<a>", b"</a>"),
        (b"[", b"]"),
        (b"{", b"}"),
        (b"> ", b""),
        (b"<ul><li>", b""),
    )
    tag, end = random.choice((*pairs, (b'{"a":', b"}"), (b"<w:tbl><w:tr><w:tc>", b""), (b"<< /A ", b">>")))
    return tag * depth + end * random.choice((0, depth))


def _archive(sample: bytes, suffix: str, random: random.Random) -> bytes:
    with zipfile.ZipFile(io.BytesIO(sample)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    names = list(members)
    texts = [name for name in names if name.endswith((".xml", ".rels", ".opf", ".xhtml"))]
    one, other = random.choice(names), random.choice(names)
    match random.randrange(9):
        case 0 | 1 | 2:
            for _ in range(random.choice((1, 1, 3))):
                name = random.choice(texts)
                members[name] = _flat(members[name], random)
        case 3:
            members[one], members[other] = members[other], members[one]
        case 4:
            del members[one]
        case 5:
            name = random.choice(texts)
            head, _, rest = members[name].partition(b"?>")
            members[name] = head + b"?>" + ENTITIES + rest.replace(b"</", b"&t;</", 3)
        case 6:
            members[one] = bytes(
                random.choice((10_000_000, 300_000_000)) if random.random() < 0.1 else 5_000_000
            )
        case 7:
            return _declared(zipped(members), random)
        case 8:
            file = io.BytesIO()
            with warnings.catch_warnings(), zipfile.ZipFile(file, "w") as archive:
                warnings.simplefilter("ignore")
                for name in [*names, *[one] * random.choice((1, 1000))]:
                    archive.writestr(name, members[name] if random.random() < 0.9 else members[other])
            return file.getvalue()
    return zipped(members)


def _declared(data: bytes, random: random.Random) -> bytes:
    """Sizes, checksums, flags and methods in the archive's directory that are not true."""
    out = bytearray(data)
    at = out.find(b"PK\1\2")
    while at >= 0 and at + 46 < len(out):
        if random.random() < 0.2:
            field = random.choice((8, 10, 16, 20, 24, 28, 42))
            out[at + field : at + field + 2] = random.randbytes(2)
        at = out.find(b"PK\1\2", at + 4)
    return bytes(out)


def held_by_this_process() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def most_held(process: str) -> int:
    """Bytes of memory at most, so far. Not what getrusage says: that begins with what the parent held."""
    status = Path(f"/proc/{process}/status").read_text()
    return max([int(kilobytes) << 10 for kilobytes in re.findall(r"VmHWM:\s+(\d+) kB", status)], default=0)


def most_of_a_child() -> int:
    """Of this process's children that are there; PDFium reads in one."""
    peaks = [0]
    for file in Path("/proc/self/task").glob("*/children"):
        with suppress(FileNotFoundError, ProcessLookupError):  # the thread or the child ended meanwhile
            peaks += [most_held(child) for child in file.read_text().split()]
    return max(peaks)


def main(name: str, seed: int, count: int, suffix: str) -> None:
    sample, path = SAMPLES[name], Path(f"file{suffix}")
    path.write_bytes(sample)
    warm = parser_of(path)
    assert warm is not None and warm.parse(path)
    list(warm.pictures(path))
    limit = held_by_this_process() + HEADROOM
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    childs = most_of_a_child()
    for number in range(seed, seed + count):
        data = mutate(sample, suffix, random.Random(f"{name} {number}"))
        path.write_bytes(data)
        began = time.perf_counter()
        try:
            parser = parser_of(path)
            assert parser is not None
            parser.parse(path)
            for _ in parser.pictures(path):
                pass
            outcome = "parsed"
        except Unreadable as error:
            outcome = "refused" if "file" in str(error) else f"refused without naming the file: {error}"
        except BaseException as error:
            outcome = f"{type(error).__name__}: {error}"
        print(json.dumps([number, outcome, round(time.perf_counter() - began, 3)]), flush=True)
        childs = max(childs, most_of_a_child())
    print(json.dumps(["peak", most_held("self") // 1_000_000, childs // 1_000_000]), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
