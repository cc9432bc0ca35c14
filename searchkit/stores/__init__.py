"""Where vectors are kept and found."""

from searchkit.stores.deferred import defer

defer("lance_namespace_urllib3_client")
