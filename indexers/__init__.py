"""Processes that keep a collection up to date. Thin: the work is `Collection.add`."""
