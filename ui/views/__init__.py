"""The pages: one module each, with a function `page` that draws it.

The folder is not named `pages`: Streamlit makes pages of its own of what lies in a folder of that name.
"""
