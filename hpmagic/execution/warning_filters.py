"""The warning filters, put back while another thread may be importing libraries.

`warnings.catch_warnings` changes which list has the filters, for all threads: where two of them
overlap, one puts back the filters of the other. Here the list stays, and its contents are put back.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from typing import Any, Final

__all__ = ["WarningFilters", "being_imported", "warn_anew"]

_SHOWN_BY: Final = ("showwarning", "_showwarnmsg_impl")


def being_imported(module: object) -> bool:
    """Whether the import of a module has begun and not ended."""
    return bool(getattr(getattr(module, "__spec__", None), "_initializing", False))


class WarningFilters:
    """The filters of the process, and the modules that were there when it was made."""

    def __init__(self) -> None:
        self._home = warnings.filters
        self._modules = frozenset(sys.modules)

    def take(self) -> Callable[[], None]:
        """How to put the filters back to what they are now."""
        current = warnings.filters
        saved = [(filters, [*filters]) for filters in (self._home, current)]
        shown = {name: getattr(warnings, name, None) for name in _SHOWN_BY}

        def set_again() -> None:
            if current is self._home:  # else somebody's `catch_warnings` was under way
                vars(warnings).update(shown)
                if warnings.filters is not current:
                    warnings.filters = current
                    warn_anew()
            for filters, before in saved:
                if filters != before:
                    new = [item for item in filters if item not in before]
                    filters[:] = [*filter(self._of_import, new), *before]  # type: ignore[index]
                    warn_anew()

        return set_again

    def _of_import(self, item: Any) -> bool:
        """Whether a library that another thread is importing has set a filter for its warnings."""
        if getattr(item[2], "__module__", "") in self._modules:
            return False
        return any(being_imported(module) for module in list(sys.modules.values()))


def warn_anew() -> None:
    """Let warnings be given that have been given before."""
    mutated = getattr(warnings, "_filters_mutated", None)
    if mutated is not None:
        mutated()
    else:  # Python 3.14
        with warnings.catch_warnings():
            pass
