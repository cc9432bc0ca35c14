"""One module a page; each has a function `page` that draws it."""
