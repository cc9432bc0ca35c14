"""kill -9 at random instants of index, switch, compaction, removal and doctor: does every run end like one
that nobody disturbed?

    python benchmarks/kills.py --kills 200 --out benchmarks/results/kills.json

Half of the scenarios keep their catalog in SQLite, half in PostgreSQL (initdb must be on the PATH). Each
goes from an empty collection over a change of files and a change of model to a removal, in processes that are
killed; afterwards catalog, tables and manifest are compared with those of a run that was let through. What
differs, is lost, or is encoded more often than one batch a kill ends the benchmark with an error. A run that
was interrupted goes on where it was: the result is written after every scenario.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from report import Arguments, earlier, machine, write

from tests.conftest import Cluster
from tests.scenario import BATCH, Nursery, Scenario

SCENARIO = 40
"""The most kills in one scenario."""


def run(engine: str, seed: int) -> dict[str, Any]:
    with (
        tempfile.TemporaryDirectory(dir="/tmp") as place,
        tempfile.TemporaryDirectory(prefix="pg", dir="/tmp") as data,
    ):
        cluster = None
        if engine == "postgresql":
            Path(data).chmod(0o755)
            cluster = Cluster(Path(data))
        nursery = Nursery(Path(place) / "errors")
        try:
            scenario = Scenario(Path(place) / "a", nursery, cluster.database() if cluster else "sqlite", seed)
            scenario.disturbed(SCENARIO)
            scenario.undisturbed()
            scenario.compare()
        finally:
            nursery.close()
            if cluster:
                cluster.stop()
    return {"catalog": engine, "seed": seed, "kills": dict(scenario.kills), "encoded again": scenario.again}


def summary(scenarios: list[dict[str, Any]]) -> dict[str, Any]:
    kills = {
        engine: sum((Counter(s["kills"]) for s in scenarios if s["catalog"] == engine), Counter())
        for engine in ("sqlite", "postgresql")
    }
    return {
        "kills": sum(each.total() for each in kills.values()),
        "of": {engine: dict(sorted(each.items())) for engine, each in kills.items()},
        "scenarios that differ from one undisturbed": 0,
        "texts encoded again": sum(s["encoded again"] for s in scenarios),
        "texts of a batch": BATCH,
        "machine": machine(),
        "scenarios": scenarios,
    }


def main() -> None:
    parser = Arguments(__doc__)
    parser.add_argument("--kills", type=int, default=200)
    options = parser.parsed()
    if not options.out:
        parser.error("--out names the file that the results go to, and that a second run goes on with")
    scenarios = earlier(options.out).get("scenarios", [])
    while sum(sum(s["kills"].values()) for s in scenarios) < options.kills:
        number = len(scenarios)
        scenarios.append(run(("sqlite", "postgresql")[number % 2], 1000 + number))
        write(summary(scenarios), options.out)
        print(json.dumps(scenarios[-1]), flush=True)


if __name__ == "__main__":
    main()
