"""Adapt: learn from ratings or pairs what questions mean here; and two models beside each other."""

from __future__ import annotations

import tempfile
import threading
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import streamlit as st

from searchkit.collection import Collection
from searchkit.collection.manifest import read_manifest
from searchkit.collection.open_space import OpenSpace
from searchkit.collection.spaces import answering, spaces
from searchkit.errors import SearchkitError
from searchkit.evaluation.compare import PRIMARY, rows
from searchkit.finetuning.adapt import Report, adapt, adapters, learning, use
from searchkit.finetuning.curve import Learning
from searchkit.finetuning.ratings import pairs, write_pairs
from searchkit.ui import components, results
from searchkit.ui.asking import Answer, Question, ask
from searchkit.ui.components import homely, printable

SIDE_BY_SIDE = 6
BEAT = 1.0
MEGABYTES = 100


@dataclass(slots=True)
class Run:
    """One adaptation, in a thread of its own: it goes on when its visitor leaves."""

    name: str
    step: str = "begin"
    done: int = 0
    total: int = 0
    report: Report | None = None
    error: SearchkitError | None = None
    thread: threading.Thread | None = field(default=None, repr=False)

    @property
    def goes_on(self) -> bool:
        return self.thread is not None and self.thread.is_alive()


_runs: dict[Path, Run] = {}
"""The last one of each collection: what is learned is the collection's, not a visitor's."""


def page() -> None:
    library = components.filled()
    learn, beside = st.tabs(["Learn", "Compare models"])
    with learn:
        _learn(library)
    with beside:
        _compare(library)


def _learn(library: Collection) -> None:
    st.text(
        "An adapter moves questions a little, so that they find what you say they mean. It is put in use "
        "only where held-out questions are answered better than before. Nothing is encoded again."
    )
    run = _runs.get(library.root)
    known = learning(library)
    goes_on = (run is not None and run.goes_on) or (known is not None and known.goes_on)
    st.fragment(_progress, run_every=BEAT if goes_on else None)(library, run, goes_on)
    if not goes_on:
        _begin(library)
    _adapters(library)


def _begin(library: Collection) -> None:
    rated = sum(1 for _ in pairs(library))
    upload = st.file_uploader(
        "Pairs as CSV, JSONL or parquet (text, image, text2, image2, negatives); without, what was rated",
        type=["csv", "jsonl", "parquet"],
        key="pairs",
        max_upload_size=MEGABYTES,
    )
    force = st.toggle("Use it even where it is not proven better", key="force")
    said = f"Learn from {upload.name}" if upload is not None else f"Learn from {rated} ratings"
    if st.button(printable(said), type="primary", disabled=not (rated or upload), key="learn"):
        data = (Path(upload.name).suffix.lower(), upload.getvalue()) if upload is not None else None
        _start(library, data, force)
        st.rerun()


def _start(library: Collection, upload: tuple[str, bytes] | None, force: bool) -> None:
    run = Run("ratings" if upload is None else "pairs")

    def work() -> None:
        def on_progress(step: str, done: int, total: int) -> None:
            run.step, run.done, run.total = step, done, total

        try:
            with tempfile.TemporaryDirectory(prefix="searchkit-pairs-") as folder:
                if upload is None:
                    file = Path(folder) / "ratings.jsonl"
                    write_pairs(library, file)
                else:
                    file = Path(folder) / f"pairs{upload[0]}"
                    file.write_bytes(upload[1])
                run.report = adapt(library, file, force=force, on_progress=on_progress)
        except SearchkitError as error:
            run.error = error

    run.thread = threading.Thread(target=work, name="adapt", daemon=True)
    _runs[library.root] = run
    run.thread.start()


def _progress(library: Collection, run: Run | None, was_going: bool) -> None:
    """Drawn anew every second while something is learned, here or in another process, and once at its end."""
    known = learning(library)
    if run is not None and run.goes_on:
        share = run.done / run.total if run.total else 0.0
        step = f"{run.step} {run.done} of {run.total}" if run.total else run.step
        st.progress(min(share, 1.0), f"{step}{_left(known)}")
    elif known is not None and known.goes_on:
        text = f"Learning from {printable(known.pairs)}{_left(known)}"
        st.progress(min(1.0, _done(known)), text)
    elif was_going:
        st.rerun()
    if was_going and known is not None and known.looks:
        _curves(known)
    if was_going:
        return
    if run is not None and run.error is not None:
        components.problem(run.error)
    if run is not None and run.report is not None:
        _report(run.report)
    if known is not None and known.looks:
        with st.expander(
            f"How it learned from {printable(known.pairs)}", key="learned", on_change="rerun"
        ) as one:
            if one.open:
                _curves(known)
                st.text(printable(known.ended) or "It ended early: its process is gone.")


def _left(known: Learning | None) -> str:
    seconds = None if known is None else known.seconds_left
    return "" if seconds is None else f", at most {max(1, round(seconds))} s left"


def _done(known: Learning) -> float:
    return max((some[-1][1].done for some in known.looks.values()), default=0.0)


def _curves(known: Learning) -> None:
    """The loss, and the score that a map is chosen by, step by step."""
    looks = [
        {**asdict(look), "what": f"{way}, {look.attempt} of {look.attempts}"}
        for way, some in known.looks.items()
        for _, look in some
    ]
    titles = {"loss": "loss", "score": f"{PRIMARY} of pairs it does not learn from; dashed: before"}
    for column, (name, title) in zip(st.columns(2), titles.items(), strict=True):
        column.html(f'<span class="sk-dim">{title}</span>')
        column.vega_lite_chart(spec=_lines(looks, name), width="stretch", alt=f"{title}, by step")


def _lines(looks: list[dict[str, Any]], name: str) -> dict[str, Any]:
    axis = {"type": "quantitative"}
    colour = {"field": "what", "type": "nominal", "title": None, "legend": {"orient": "bottom", "columns": 2}}
    x = {"field": "step", "title": "step", **axis}

    def drawn(mark: dict[str, Any], value: str) -> dict[str, Any]:
        y = {"field": value, "title": None, "scale": {"zero": False}, **axis}
        return {"mark": mark, "encoding": {"x": x, "y": y, "color": colour}}

    layers = [drawn({"type": "line", "point": True}, name)]
    if name == "score":
        layers.append(drawn({"type": "line", "strokeDash": [4, 4], "opacity": 0.6}, "before"))
    return {"data": {"values": looks}, "height": 300, "layer": layers}


def _report(report: Report) -> None:
    if report.in_use:
        st.success("In use: questions go through it from now on.")
    elif report.accepted:
        st.info("Better, and not in use.")
    else:
        st.warning("Not better with certainty: nothing was changed.")
    for one in report.verdicts:
        st.text(
            f"{one.direction}: {'accepted' if one.accepted else 'rejected'}, {one.why} "
            f"({one.train} pairs to learn from, {one.held_out} held-out questions)"
        )
        names = ("metric", "before", "after", "difference", "95 %")
        st.dataframe(
            [dict(zip(names, row, strict=True)) for row in rows(one.found)], hide_index=True, width="stretch"
        )
    for left in report.left_out:
        st.text(f"not tried: {left}")
    if report.bad:
        st.text(f"{len(report.bad)} of {report.rows} rows could not be used; row {report.bad[0].row}: ")
        st.text(printable(report.bad[0].reason))


def _adapters(library: Collection) -> None:
    known = list(adapters(library))
    if not known:
        return
    st.subheader("Adapters")
    active = read_manifest(library.root).adapter
    for name, card in known:
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            st.text(f"{name}\nmade {card.get('made', '')}{', in use' if name == active else ''}")
            label = "Take out of use" if name == active else "Use"
            if st.button(label, key=f"adapter {name}", type="tertiary"):
                try:
                    use(library, None if name == active else name)
                except SearchkitError as error:
                    components.problem(error)
                else:
                    st.rerun()


def _compare(library: Collection) -> None:
    known = spaces(library)
    if len(known) < 2:
        st.info("There is one model here. Another one fills beside it:")
        st.code(f"searchkit index --model NAME -c {homely(str(library.root))}", language=None)
        return
    words = st.text_input("Ask both", key="both", placeholder="two dogs on a beach")
    names = {one.space: f"{one.model} ({one.files} of {one.of} files)" for one in known}
    for place, column in enumerate(st.columns(2)):
        with column:
            key = st.selectbox(
                f"Model {place + 1}", list(names), index=place, format_func=names.get, key=f"side {place}"
            )
            if words.strip():
                _side(library, key, words.strip(), place)


def _side(library: Collection, space: str, words: str, side: int) -> None:
    """What one space finds; its own thumbnails, and no buttons: they would ask the other."""
    try:
        one = _answering(library, space)
        found: Answer = ask(one, Question(words=words))
    except SearchkitError as error:
        components.problem(error)
        return
    st.html(f'<span class="sk-dim">{found.seconds:.2f} s</span>')
    results.show_only(one, found.hits[:SIDE_BY_SIDE], words, key=f"hits {side}")


def _answering(library: Collection, space: str) -> OpenSpace:
    """Kept for the session: loading a model takes seconds."""
    known = st.session_state.setdefault("sides", {})
    if space not in known or known[space].current.manifest.space != space:
        known[space] = answering(library, space)
    found: OpenSpace = known[space]
    return found
