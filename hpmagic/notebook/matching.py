"""Completion as IPython asks for it, and so JupyterLab, VS Code and the terminal."""

from __future__ import annotations

from IPython.core.completer import (
    CompletionContext,
    SimpleCompletion,
    SimpleMatcherResult,
    context_matcher,
)

__all__ = ["matcher"]


@context_matcher(identifier="hpmagic.matcher")  # type: ignore[untyped-decorator]
def matcher(context: CompletionContext) -> SimpleMatcherResult:
    """What may stand at the cursor. Never raises: a completion that fails is no completion."""
    try:
        from hpmagic.notebook.completion import complete

        found = complete(context.full_text, context.cursor_line, context.cursor_position)
    except Exception:  # noqa: BLE001 - whatever stands in the cell
        found = None
    if found is None or not context.token.endswith(found.fragment):
        return SimpleMatcherResult(completions=[])
    completions = [SimpleCompletion(s.text, type=s.meaning) for s in found.suggestions]
    return SimpleMatcherResult(
        completions=completions,
        matched_fragment=found.fragment,
        suppress=bool(completions),
        ordered=True,
    )
