"""Views of a collection: its facets, its map, and the parts of a picture that fit a text."""
