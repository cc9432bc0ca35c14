"""Encoders: text and pictures to vectors of one space.

- A *family* reads the checkpoints of one kind (`load`): clip, siglip, jina, jina_v2, openclip, sentence, and
  pocket for what `searchkit train` wrote; `registry.families` lists them. bundled and hashing come along.
- A *tower* runs one network: towers joins text and image to an `Encoder`; tokens, device and matryoshka serve
  them.
- A *checkpoint* is the files of one model: checkpoint reads them, hub fetches them, records lists the known
  ones, foreign builds networks of transformers. blip reads those of captioners and rerankers.

A module whose name begins with a family's is part of it. Networks lie in `searchkit.models`.
"""
