"""Zero-cost proxies: scores that rank networks without training, in one registry with one signature."""

from nas.proxies.registry import (
    Proxy,
    check_distinct,
    check_new_name,
    find,
    fitted_names,
    get,
    is_fitted,
    measure,
    named,
    names,
    register,
    shipped,
)
from nas.proxies.subject import BATCH, Subject

__all__ = [
    "BATCH",
    "Proxy",
    "Subject",
    "check_distinct",
    "check_new_name",
    "find",
    "fitted_names",
    "get",
    "is_fitted",
    "measure",
    "named",
    "names",
    "register",
    "shipped",
]
