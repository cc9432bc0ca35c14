"""The page's style sheet, icon and scripts."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st
from PIL import Image, ImageDraw

STYLE = """<style>
.sk-card{margin:0;display:flex;flex-direction:column;gap:.3rem}
.sk-card img,.sk-card .sk-none{width:100%;aspect-ratio:1;object-fit:contain;border-radius:.5rem;
  background:color-mix(in srgb,currentColor 6%,transparent)}
.sk-grid{display:grid;gap:1rem;grid-template-columns:repeat(auto-fill,minmax(min(var(--sk-width),100%),1fr))}
.sk-list{display:grid;gap:1rem}
.sk-grid+.sk-list{margin-top:1rem}
.sk-hit{min-width:0;display:flex;flex-direction:column;gap:.3rem}
.sk-list .sk-hit{border:1px solid #8884;border-radius:.5rem;padding:1rem}
.sk-passage{display:flex;flex-direction:column;gap:.5rem}
.sk-hit:has(.sk-row) .sk-card img{cursor:pointer}
.sk-hit:has(.sk-row button:focus-visible){border-radius:.5rem;outline:3px solid #1a9f47;outline-offset:4px}
.sk-row{display:flex;flex-wrap:wrap;align-items:center;gap:.15rem .5rem}
.sk-row button{all:unset;cursor:pointer;font-size:.8rem;line-height:1.5rem}
.sk-row button+[data-do=wrong]{margin-left:-.3rem}
.sk-row button:hover,.sk-row button[aria-pressed=true]{color:#1a9f47}
.sk-row button:focus-visible{text-decoration:underline}
.sk-icon{font-family:"Material Symbols Rounded";font-size:1.05rem;line-height:1.5rem;font-weight:400;
  display:block;width:1.1rem;height:1.5rem;overflow:hidden;white-space:nowrap;opacity:.75}
[aria-pressed=true] .sk-icon{font-variation-settings:"FILL" 1;opacity:1}
.st-key-pasting:not(:has([aria-invalid=true])){
  position:absolute;width:1px;height:1px;overflow:hidden;visibility:hidden}
.st-key-large img{max-height:60vh;width:auto;min-width:min(78vw,26rem);max-width:100%;object-fit:contain;
  border-radius:.5rem}
.st-key-paper img{border:1px solid #8884}
.sk-none{display:flex;align-items:center;justify-content:center;text-align:center;padding:.5rem;
  box-sizing:border-box;font-size:.8rem;opacity:.8;overflow:hidden;overflow-wrap:anywhere}
.sk-name{font-size:.85rem;white-space:nowrap;overflow:hidden;text-overflow:ellipsis;display:block}
.sk-line{font-size:.8rem;display:flex;gap:.4rem;align-items:center;flex-wrap:wrap}
.sk-sure{border-radius:1rem;padding:.02rem .55rem;font-size:.75rem;font-weight:600;white-space:nowrap}
.sk-strong{background:#1a7f3733;color:color-mix(in srgb,#1a9f47 70%,currentColor)}
.sk-likely{background:#b3870033;color:color-mix(in srgb,#c69200 70%,currentColor)}
.sk-weak{background:#80808033;color:inherit}
.sk-dim{opacity:.7}
.sk-text{white-space:pre-wrap;overflow-wrap:anywhere;line-height:1.55;margin:0}
.sk-text mark{background:#ffd54a88;color:inherit;border-radius:.2rem;padding:0 .1rem}
.sk-text .sk-here{border-left:.2rem solid #1a9f47;padding-left:.7rem;display:block}
.sk-text .sk-near{opacity:.65}
.sk-map{position:relative;height:min(520px,65vh);border:1px solid #8884;border-radius:.5rem}
.sk-map canvas{width:100%;height:100%;display:block;touch-action:none;cursor:crosshair;border-radius:.5rem}
.sk-map canvas:focus-visible{outline:3px solid #1a9f47;outline-offset:2px}
.sk-tip{position:absolute;z-index:2;max-width:12rem;padding:.4rem;border-radius:.5rem;pointer-events:none;
  border:1px solid #8884;background:var(--st-background-color);font-size:.8rem;overflow-wrap:anywhere}
.sk-tip:not([hidden]){display:flex;flex-direction:column;gap:.2rem}
.sk-tip img{max-height:9rem;object-fit:contain;border-radius:.3rem}
.sk-legend{display:flex;flex-wrap:wrap;gap:.1rem .9rem;margin-top:.5rem}
.sk-legend button{all:unset;cursor:pointer;font-size:.8rem;overflow-wrap:anywhere}
.sk-legend button:is(:hover,:focus-visible){text-decoration:underline}
.sk-legend i{display:inline-block;width:.65rem;height:.65rem;border-radius:50%;margin-right:.35rem}
.block-container,[data-testid=stMainBlockContainer]{padding-top:4rem;padding-bottom:2rem}
@media(max-width:640px){[data-testid=stMainBlockContainer]{padding-left:.8rem;padding-right:.8rem}}
</style>"""


@cache
def script(name: str) -> str:
    """Return the text of a script that lies beside this module."""
    return Path(__file__).with_name(f"{name}.js").read_text("utf-8")


def component(name: str) -> Any:
    """Return a function that draws the component of `name`.js."""
    js = script("element") + script(name)
    return st.components.v2.component(f"searchkit_{name}", js=js, isolate_styles=False)


@cache
def icon() -> Image.Image:
    """Draw a magnifying glass: Streamlit lets browsers fetch emoji and symbols from elsewhere."""
    glass = Image.new("RGBA", (64, 64))
    pen = ImageDraw.Draw(glass)
    pen.line((40, 40, 58, 58), fill="#1a9f47", width=11)
    pen.ellipse((4, 4, 46, 46), outline="#1a9f47", width=9)
    return glass


def apply() -> None:
    """Put the style sheet and the keyboard shortcuts into the page; neither holds text of a collection."""
    st.html(STYLE)
    st.html(f"<script>{script('keys')}</script>", unsafe_allow_javascript=True)
