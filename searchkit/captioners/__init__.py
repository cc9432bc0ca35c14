"""Writers of captions: each says in words what pictures show."""
