"""What ``%load_ext hpmagic`` puts into a shell, and ``%unload_ext`` takes out again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hpmagic.notebook.header import hoist

if TYPE_CHECKING:
    from hpmagic.notebook.magics import TuneMagics

__all__ = ["load", "unload"]


def load(shell: Any) -> TuneMagics:
    """Register the magics, the comment form and completion. Loading twice is loading once."""
    from hpmagic.notebook.magics import TuneMagics
    from hpmagic.notebook.matching import matcher

    before = unload(shell)
    magics = TuneMagics(shell)
    if before is not None:
        magics.over, magics.session = before.over, before.session
    shell.register_magics(magics)
    # First, to see the cell as it was written, so that lines can be counted; last, for cells that
    # were pasted with prompts or indented.
    shell.input_transformers_cleanup.insert(0, hoist)
    shell.input_transformers_cleanup.append(hoist)
    shell.events.register("pre_run_cell", magics.session.note)
    if shell.Completer is not None:
        shell.Completer.custom_matchers.append(matcher)
    return magics


def unload(shell: Any) -> TuneMagics | None:
    """Take everything out again. Returns the magics that were loaded, if any."""
    magics: TuneMagics | None = shell.magics_manager.registry.pop("TuneMagics", None)
    if magics is not None:
        shell.events.unregister("pre_run_cell", magics.session.note)
    _drop_ours(shell.input_transformers_cleanup, "hoist")
    if shell.Completer is not None:
        _drop_ours(shell.Completer.custom_matchers, "matcher")
    for kind in ("line", "cell"):
        shell.magics_manager.magics[kind].pop("tune", None)
    return magics


def _drop_ours(functions: list[Any], name: str) -> None:
    """By name: where modules are reloaded the function is a new object."""
    functions[:] = [
        function
        for function in functions
        if getattr(function, "__name__", "") != name
        or not getattr(function, "__module__", "").startswith("hpmagic.")
    ]
