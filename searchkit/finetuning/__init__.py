"""Bending questions and encoders to a corpus: pairs, adapters, towers, and the proof that they help."""
