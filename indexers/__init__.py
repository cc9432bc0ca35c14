"""The processes that keep a collection up to date; the jobs they do are in `searchkit.collection.jobs`."""
