"""Views of a collection: its facets, its map, and where in a picture a text fits."""
