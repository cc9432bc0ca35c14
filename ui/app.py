"""The page in the browser, run anew for every click. `searchkit ui` serves it."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from searchkit.errors import CollectionMissing, NothingIndexed, SearchkitError
from searchkit.ui import asking, components, look
from searchkit.ui.views import adapting, library, map, search


def guarded(page: Callable[[], None]) -> Callable[[], None]:
    """A page that says what to do where there is nothing, or something is wrong."""

    def drawn() -> None:
        try:
            page()
        except (CollectionMissing, NothingIndexed):
            components.invitation()
        except SearchkitError as error:
            components.problem(error)

    return drawn


st.set_page_config(page_title="searchkit", page_icon=look.icon(), layout="wide")
look.dress()
asking.keep()
beginning = st.Page(guarded(search.page), title="Search", icon=":material/search:", default=True)
page = st.navigation(
    [
        beginning,
        st.Page(guarded(library.page), title="Library", icon=":material/folder:", url_path="library"),
        st.Page(guarded(map.page), title="Map", icon=":material/scatter_plot:", url_path="map"),
        st.Page(guarded(adapting.page), title="Adapt", icon=":material/tune:", url_path="adapt"),
    ],
    position="top",
)
if st.session_state.pop("to search", False) and page != beginning:
    st.switch_page(beginning)
page.run()
