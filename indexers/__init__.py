"""Processes that keep a collection up to date. Thin: what they do is in `searchkit.collection.jobs`."""
