"""Stores of items with their vectors, and the accelerator beside one."""

from searchkit.stores.deferred import defer

defer("lance_namespace_urllib3_client")
