"""Captioners: each writes what pictures show."""
