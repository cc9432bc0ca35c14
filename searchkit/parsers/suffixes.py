"""The suffixes of text that is read as it is written: a list that the registry needs too."""

from __future__ import annotations

LANGUAGES = """
.py .pyi .js .mjs .cjs .jsx .ts .tsx .vue .svelte .java .kt .kts .scala .groovy .clj .c .h .cc .cpp .cxx
.hpp .hh .cs .fs .vb .go .rs .rb .php .pl .pm .lua .r .jl .m .swift .dart .ex .exs .erl .hs .ml .zig .nim
.f90 .pas .sh .bash .zsh .fish .ps1 .bat .sql .proto .graphql .asm .s .tf .cmake .gradle
"""
FOR_PROGRAMS = """
.json .jsonl .ndjson .yaml .yml .toml .ini .cfg .conf .properties .xml .xsd .css .scss .less .diff .patch
"""
FOR_READERS = ".tex .bib .adoc .org .srt .vtt"

CODE = tuple(f"{LANGUAGES} {FOR_PROGRAMS} {FOR_READERS}".split())
