"""What ``%load_ext hpmagic`` puts into a shell, and ``%unload_ext`` takes out again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hpmagic.notebook.header import hoist

if TYPE_CHECKING:
    from hpmagic.notebook.magics import TuneMagics

__all__ = ["load", "unload"]


def load(shell: Any) -> TuneMagics:
    """Register the magics and the comment form. Loading twice is loading once."""
    from hpmagic.notebook.magics import TuneMagics

    unload(shell)
    magics = TuneMagics(shell)
    shell.register_magics(magics)
    shell.input_transformers_cleanup.append(hoist)
    return magics


def unload(shell: Any) -> None:
    """Take the magics and the comment form out again."""
    transformers = shell.input_transformers_cleanup
    transformers[:] = [t for t in transformers if not _is_ours(t)]
    for kind in ("line", "cell"):
        shell.magics_manager.magics[kind].pop("tune", None)


def _is_ours(transformer: Any) -> bool:
    # By name: after %reload_ext the function is a new object.
    return (getattr(transformer, "__module__", ""), getattr(transformer, "__name__", "")) == (
        hoist.__module__,
        hoist.__name__,
    )
