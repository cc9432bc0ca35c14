"""One module a page; each has a function `page` that draws it.

Not named `pages`: Streamlit makes pages of its own of what lies in a folder of that name.
"""
