"""What ``%tune VERB`` does with the study that ran last in this kernel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hpmagic.errors import OptionError

if TYPE_CHECKING:
    from hpmagic.results import Study

__all__ = ["VERBS", "Verb", "current_study", "verbs_page"]


@dataclass(frozen=True)
class Verb:
    """A verb: what it does, and the words it may take."""

    meaning: str
    act: Callable[[Any, str], Any]
    takes: str = ""


class Table:
    """A text that shows as HTML where there is a page for it."""

    def __init__(self, text: str, html: str) -> None:
        self.text = text
        self.html = html

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return self.html


def current_study(shell: Any) -> Study:
    """The study that ran or was loaded last in this kernel.

    Raises:
        OptionError: there is none yet.
    """
    study: Study | None = shell.user_ns.get("_study")
    if study is None:
        raise OptionError("no study has run in this kernel yet; %tune load NAME brings one")
    return study


def _best(shell: Any, _: str) -> Any:
    return current_study(shell).best


def _trials(shell: Any, _: str) -> Any:
    return current_study(shell).trials


def _space(shell: Any, _: str) -> Any:
    from hpmagic.display import html, text

    space = current_study(shell).record.info.space
    return Table(text.space_table(space), html.space_table(space))


def _plot(shell: Any, rest: str) -> Any:
    return current_study(shell).plot(*rest.split())


def _apply(shell: Any, _: str) -> None:
    study = current_study(shell)
    values = study.best_params
    names = {name: value for name, value in values.items() if name.isidentifier()}
    shell.user_ns.update(names)
    said = ", ".join(f"{name} = {value!r}" for name, value in names.items())
    print(said or "nothing to set")  # noqa: T201


def _load(shell: Any, rest: str) -> Any:
    from hpmagic.results import load

    if not rest:
        raise OptionError("%tune load needs a study's name; hpmagic.studies() lists them")
    study = load(rest)
    shell.user_ns["_study"] = study
    return study


VERBS: dict[str, Verb] = {
    "best": Verb("the best trial: its values, and what it gained over yours", _best),
    "trials": Verb("the trials as a DataFrame", _trials),
    "space": Verb("the search space as it was understood", _space),
    "plot": Verb(
        "a figure of the trials", _plot, "[history|parallel|importance|slice|contour|curves]"
    ),
    "apply": Verb("put the best values into the namespace", _apply),
    "load": Verb("bring a study from MLflow", _load, "NAME"),
}
"""Every verb, in the order of the help page."""


def verbs_page() -> str:
    """The help page of ``%tune``."""
    spelled = {f"%tune {name} {verb.takes}".rstrip(): verb.meaning for name, verb in VERBS.items()}
    width = max(map(len, spelled))
    return "\n".join(f"{words:<{width}}  {meaning}" for words, meaning in spelled.items())
