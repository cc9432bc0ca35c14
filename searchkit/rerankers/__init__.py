"""Rerankers: each judges the best hits of a search anew, and more closely than the encoder."""
