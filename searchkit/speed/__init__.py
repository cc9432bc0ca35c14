"""How fast an encoder, an index run and a search are on this machine."""
