"""The page *Adapt*: learn from ratings or pairs what questions mean here, and compare two models."""

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
from searchkit.ui.asking import Question, ask
from searchkit.ui.components import homely, printable

SIDE_BY_SIDE = 6
"""Hits of each model that are compared."""
BEAT = 1.0
"""Seconds between two drawings of the progress."""
MEGABYTES = 100
"""The largest upload of pairs."""


@dataclass(slots=True)
class Run:
    """One adaptation, in a thread of its own, which goes on when its visitor leaves."""

    name: str
    step: str = "begin"
    done: int = 0
    total: int = 0
    report: Report | None = None
    error: SearchkitError | None = None
    thread: threading.Thread | None = field(default=None, repr=False)

    @property
    def goes_on(self) -> bool:
        """Whether the thread still runs."""
        return self.thread is not None and self.thread.is_alive()


_runs: dict[Path, Run] = {}
"""Root of a collection → its last adaptation, which belongs to the collection and not to a visitor."""


def page() -> None:
    """Draw the page: what is learned and was, and two models side by side."""
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
    if not goes_on and components.is_local():
        _begin(library)
    _adapters(library)


def _begin(library: Collection) -> None:
    """Draw the fields and the button that start an adaptation."""
    rated = sum(1 for _ in pairs(library))
    upload = st.file_uploader(
        "Pairs as CSV, JSONL or parquet (text, image, text2, image2, negatives); without, what was rated",
        type=["csv", "jsonl", "parquet"],
        key="pairs",
        max_upload_size=MEGABYTES,
    )
    force = st.toggle("Use it even where it is not proven better", key="force")
    title = f"Learn from {upload.name}" if upload is not None else f"Learn from {rated} ratings"
    if st.button(printable(title), type="primary", disabled=not (rated or upload), key="learn"):
        data = (Path(upload.name).suffix.lower(), upload.getvalue()) if upload is not None else None
        _start(library, data, force)
        st.rerun()


def _start(library: Collection, upload: tuple[str, bytes] | None, force: bool) -> None:
    """Start a thread that learns from an upload (suffix and bytes), or from the ratings without one."""
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
    """Draw how far an adaptation is: anew every second while one runs, here or in another process."""
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
        title = f"How it learned from {printable(known.pairs)}"
        with st.expander(title, key="learned", on_change="rerun") as curves:
            if curves.open:
                _curves(known)
                st.text(printable(known.ended) or "It ended early: its process is gone.")


def _left(known: Learning | None) -> str:
    seconds = None if known is None else known.seconds_left
    return "" if seconds is None else f", at most {max(1, round(seconds))} s left"


def _done(known: Learning) -> float:
    """Return the share that is done of the furthest way of searching."""
    return max((looks[-1][1].done for looks in known.looks.values()), default=0.0)


def _curves(known: Learning) -> None:
    """Draw the loss, and the score that a map is chosen by, against the steps."""
    rows = [
        {**asdict(look), "what": f"{way}, {look.attempt} of {look.attempts}"}
        for way, looks in known.looks.items()
        for _, look in looks
    ]
    titles = {"loss": "loss", "score": f"{PRIMARY} of pairs it does not learn from; dashed: before"}
    for column, (name, title) in zip(st.columns(2), titles.items(), strict=True):
        column.html(f'<span class="sk-dim">{title}</span>')
        column.vega_lite_chart(spec=_chart(rows, name), width="stretch", alt=f"{title}, by step")


def _chart(rows: list[dict[str, Any]], name: str) -> dict[str, Any]:
    """Return a Vega-Lite chart of the column `name`; a score has a dashed line for what it was before."""
    axis = {"type": "quantitative"}
    colour = {"field": "what", "type": "nominal", "title": None, "legend": {"orient": "bottom", "columns": 2}}
    x = {"field": "step", "title": "step", **axis}

    def layer(mark: dict[str, Any], value: str) -> dict[str, Any]:
        y = {"field": value, "title": None, "scale": {"zero": False}, **axis}
        return {"mark": mark, "encoding": {"x": x, "y": y, "color": colour}}

    layers = [layer({"type": "line", "point": True}, name)]
    if name == "score":
        layers.append(layer({"type": "line", "strokeDash": [4, 4], "opacity": 0.6}, "before"))
    return {"data": {"values": rows}, "height": 300, "layer": layers}


def _report(report: Report) -> None:
    """Show what an adaptation has decided, and the figures that it rests on."""
    if report.in_use:
        st.success("In use: questions go through it from now on.")
    elif report.accepted:
        st.info("Better, and not in use.")
    else:
        st.warning("Not better with certainty: nothing was changed.")
    columns = ("metric", "before", "after", "difference", "95 %")
    for verdict in report.verdicts:
        st.text(
            f"{verdict.direction}: {'accepted' if verdict.accepted else 'rejected'}, {verdict.why} "
            f"({verdict.train} pairs to learn from, {verdict.held_out} held-out questions)"
        )
        metrics = [dict(zip(columns, row, strict=True)) for row in rows(verdict.found)]
        st.dataframe(metrics, hide_index=True, width="stretch")
    for direction in report.left_out:
        st.text(f"not tried: {direction}")
    if report.bad:
        st.text(f"{len(report.bad)} of {report.rows} rows could not be used; row {report.bad[0].row}: ")
        st.text(printable(report.bad[0].reason))


def _adapters(library: Collection) -> None:
    """List the adapters, each with a button that puts it in use or takes it out."""
    known = list(adapters(library))
    if not known:
        return
    st.subheader("Adapters")
    active = read_manifest(library.root).adapter
    for name, card in known:
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            st.text(f"{name}\nmade {card.get('made', '')}{', in use' if name == active else ''}")
            if not components.is_local():
                continue
            label = "Take out of use" if name == active else "Use"
            if st.button(label, key=f"adapter {name}", type="tertiary"):
                try:
                    use(library, None if name == active else name)
                except SearchkitError as error:
                    components.problem(error)
                else:
                    st.rerun()


def _compare(library: Collection) -> None:
    """Draw two columns, each with a choice of space and its hits for the same words."""
    known = spaces(library)
    if len(known) < 2:
        st.info("There is one model here. Another one fills beside it:")
        st.code(f"searchkit index --model NAME -c {homely(str(library.root))}", language=None)
        return
    words = st.text_input("Ask both", key="both", placeholder="two dogs on a beach")
    names = {state.space: f"{state.model} ({state.files} of {state.of} files)" for state in known}
    for side, column in enumerate(st.columns(2)):
        with column:
            space = st.selectbox(
                f"Model {side + 1}", list(names), index=side, format_func=names.get, key=f"side {side}"
            )
            if words.strip():
                _side(library, space, words.strip(), side)


def _side(library: Collection, space: str, words: str, side: int) -> None:
    """Draw what one space finds: with its own thumbnails, and without buttons, which would ask the other."""
    try:
        opened = _opened(library, space)
        answer = ask(opened, Question(words=words))
    except SearchkitError as error:
        components.problem(error)
        return
    st.html(f'<span class="sk-dim">{answer.seconds:.2f} s</span>')
    results.show_only(opened, answer.hits[:SIDE_BY_SIDE], words, key=f"hits {side}")


def _opened(library: Collection, space: str) -> OpenSpace:
    """Return the collection as this space answers it, kept for the session: models take seconds to load."""
    known = st.session_state.setdefault("sides", {})
    if space not in known or known[space].current.manifest.space != space:
        known[space] = answering(library, space)
    opened: OpenSpace = known[space]
    return opened
