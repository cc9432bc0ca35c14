"""The page in the browser: a script that Streamlit runs again for every click."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from searchkit.errors import CollectionMissing, NothingIndexed, SearchkitError
from searchkit.ui import asking, components, style
from searchkit.ui.views import adapting, library, map, search


def guarded(page: Callable[[], None]) -> Callable[[], None]:
    """Return a page that says what to do where the collection is empty or missing, or an error is raised."""

    def draw() -> None:
        try:
            page()
        except (CollectionMissing, NothingIndexed):
            components.invitation()
        except SearchkitError as error:
            components.problem(error)

    return draw


st.set_page_config(page_title="searchkit", page_icon=style.icon(), layout="wide")
style.apply()
asking.restore()
first = st.Page(guarded(search.page), title="Search", icon=":material/search:", default=True)
page = st.navigation(
    [
        first,
        st.Page(guarded(library.page), title="Library", icon=":material/folder:", url_path="library"),
        st.Page(guarded(map.page), title="Map", icon=":material/scatter_plot:", url_path="map"),
        st.Page(guarded(adapting.page), title="Adapt", icon=":material/tune:", url_path="adapt"),
    ],
    position="top",
)
if st.session_state.pop("to search", False) and page != first:
    st.switch_page(first)
page.run()
