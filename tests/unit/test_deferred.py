"""What lancedb imports and nothing here needs."""

import subprocess
import sys


def ended(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100)
    assert not done.returncode, done.stderr
    return done.stdout.strip()


def test_a_store_leaves_the_network_client_alone_until_something_of_it_is_asked_for() -> None:
    code = """
import sys
from searchkit.stores import lance
api = "lance_namespace_urllib3_client.api"
print("lance_namespace_urllib3_client.models" in sys.modules, api in sys.modules)
import lance_namespace_urllib3_client as client
print(client.TableApi.__name__, client.__version__ > "0", api in sys.modules)
"""
    assert ended(code).splitlines() == ["True False", "TableApi True True"]


def test_a_package_that_is_not_there_or_was_imported_is_left_as_it_is() -> None:
    code = """
import json, sys
from searchkit.stores.deferred import Deferred, defer
defer("json"), defer("no_such_package")
print(type(json).__name__, "no_such_package" in sys.modules)
"""
    assert ended(code) == "module False"
