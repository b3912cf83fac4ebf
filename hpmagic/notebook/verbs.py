"""What ``%tune VERB`` does with the study that ran last in this kernel."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpmagic.errors import OptionError, nearest
from hpmagic.notebook.header import find_header
from hpmagic.notebook.session import Session

__all__ = ["VERBS", "Verb", "verbs_page"]

PLOTS = ("history", "parallel", "importance", "slice", "contour", "curves")
FORMS = ("optuna", "ray", "script")


@dataclass(frozen=True)
class Verb:
    """A verb: what it does, the words it takes, and what more there is to say of it."""

    name: str
    meaning: str
    act: Callable[[Session, Sequence[str]], Any]
    takes: str = ""
    more: str = ""
    words: tuple[str, ...] = ()
    """The words that may come first, for completion."""

    @property
    def spelled(self) -> str:
        return f"%tune {self.name} {self.takes}".rstrip()

    def run(self, session: Session, words: Sequence[str]) -> Any:
        """Act, or show the verb's help.

        Raises:
            OptionError: words that the verb does not take.
        """
        if words and words[0] in ("-h", "--help"):
            print(f"{self.spelled}\n\n{self.meaning[0].upper()}{self.meaning[1:]}.{self.more}")  # noqa: T201
            return None
        if words and not self.takes:
            raise OptionError(f"{self.spelled} takes no words, but got `{' '.join(words)}`")
        return self.act(session, words)


class Table:
    """A text that shows as HTML where there is a page for it."""

    def __init__(self, text: str, html: str) -> None:
        self.text = text
        self.html = html

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return self.html


def _best(session: Session, _: Sequence[str]) -> Any:
    best = session.study.best
    _say_which(session)
    return best


def _say_which(session: Session) -> None:
    """Say of which objective the best is, where there are several."""
    objectives = session.study.objectives
    if len(objectives) > 1:
        print(  # noqa: T201
            f"# best by {objectives[0].name}, the first of {len(objectives)} objectives; "
            "study.front has the others"
        )


def _trials(session: Session, _: Sequence[str]) -> Any:
    return session.study.trials


def _space(session: Session, _: Sequence[str]) -> Any:
    from hpmagic.display import html, text

    space = session.study.record.info.space
    return Table(text.space_table(space), html.space_table(space))


def _plot(session: Session, words: Sequence[str]) -> Any:
    plain = [word for word in words if "=" not in word]
    if len(plain) > 1:
        raise OptionError(f"one figure at a time, but got {' and '.join(plain)}")
    options: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if equals:
            options[name] = value.split(",") if name == "params" else value
    figure = session.study.plot(*plain, **options)
    if getattr(session.shell, "kernel", None) is not None:
        return figure
    path = Path(f"{session.study.name}-{plain[0] if plain else 'history'}.png")
    figure.savefig(path)
    print(f"the figure is in {path}")  # noqa: T201
    return None


def _apply(session: Session, _: Sequence[str]) -> None:
    values, space = session.study.best_params, session.study.record.info.space
    variables = _variables(session)
    said, left = [], []
    for name, value in values.items():
        parameter = space.find(name)
        code = parameter.spelled(value) if parameter else repr(value)
        known = not (isinstance(value, str) and code == value)
        if not known:  # a loaded study has an object's name only
            value = _named(code, session.shell.user_ns)  # noqa: PLW2901
            known = value is not None
        targets = variables.get(name) if known else None
        if not targets:
            left.append(name)
        for target in targets or ():
            session.shell.user_ns[target] = value
            said.append(f"{target} = {code}")
    _say_which(session)
    if left:
        said.append(
            f"# {', '.join(left)}: nothing that the notebook could hold under this name; "
            "`%tune write` writes it into the cell"
        )
    print("\n".join(said) or "nothing is tuned, so there is nothing to set")  # noqa: T201


def _variables(session: Session) -> dict[str, list[str]]:
    """The notebook's variables to which the cell gives each tuned value, by hyperparameter."""
    from hpmagic.language import parse_cell
    from hpmagic.notebook.source import as_python

    body = session.ran_as(session.study).cell.body
    cell = parse_cell(body, python=as_python(body, session.shell.transform_cell))
    variables: dict[str, list[str]] = {}
    for value, name in _assigned(cell.tree):
        for draw in cell.draws:
            if draw.expression is value:
                variables.setdefault(draw.parameter.name, []).append(name)
    return {name: list(dict.fromkeys(bound)) for name, bound in variables.items()}


def _assigned(tree: ast.AST) -> Iterator[tuple[ast.expr, str]]:
    """The values that are assigned to plain names, outside functions and classes."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() | ast.Lambda():
                continue
            case ast.Assign(targets=targets, value=value):
                yield from ((value, t.id) for t in targets if isinstance(t, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                yield value, name
            case ast.NamedExpr(target=ast.Name(id=name), value=value):
                yield value, name
        waiting += ast.iter_child_nodes(node)


def _named(path: str, namespace: Mapping[str, Any]) -> Any:
    """The object that a name, perhaps with dots, stands for; nothing is called."""
    first, *rest = path.split(".")
    value = namespace.get(first)
    for name in rest:
        value = getattr(value, name, None)
    return value


def _write(session: Session, _: Sequence[str]) -> None:
    from hpmagic.notebook.writeback import write_back

    said = write_back(session)
    _say_which(session)
    print(said)  # noqa: T201


def _export(session: Session, words: Sequence[str]) -> None:
    from hpmagic.export import export
    from hpmagic.notebook.writeback import exported

    form = words[0] if words else ""
    if form not in FORMS:
        hint = nearest(form, FORMS) if form else ""
        raise OptionError(f"%tune export takes one of {', '.join(FORMS)}{hint}")
    if len(words) > 2:
        raise OptionError(f"%tune export takes one file, but got `{' '.join(words[1:])}`")
    text = export(form, exported(session))
    if len(words) == 1:
        print(text, end="")  # noqa: T201
        return
    path = Path(words[1])
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OptionError(f"cannot write {path}: {error.strerror}") from None
    print(f"written to {path}")  # noqa: T201


def _ui(session: Session, _: Sequence[str]) -> Any:
    from hpmagic.ui import links_to

    links = links_to(session.study.record)
    return Table(links.text(), links.html())


def _resume(session: Session, words: Sequence[str]) -> Any:
    study = session.study
    ran = session.ran_as(study)
    header = find_header(ran.cell.spelled)
    # Wherever `anyway` stands here, the study's words must end with it.
    anyway = ["anyway"] if "anyway" in words else []
    more = [word for word in words if word != "anyway"]
    trials = ["--trials", more[0]] if more and more[0].isdecimal() else more[:1]
    where = ["--study", study.record.run_id or study.name, "--resume"]
    line = header.args if header is not None else ""
    return session.start(line, ran.cell, [*trials, *more[1:], *where, *anyway])


def _load(session: Session, words: Sequence[str]) -> Any:
    from hpmagic.results import load

    if not words:
        raise OptionError("%tune load needs a study's name; hpmagic.studies() lists them")
    study = load(" ".join(words))
    session.bind(study)
    return study


VERBS: dict[str, Verb] = {
    verb.name: verb
    for verb in (
        Verb("best", "the best trial: its values, and what it gained over yours", _best),
        Verb("trials", "the trials as a DataFrame", _trials),
        Verb("space", "the search space as it was understood", _space),
        Verb(
            "plot",
            f"a figure: {', '.join(PLOTS)}",
            _plot,
            "[KIND]",
            more="""

KIND is one of

  history     the objective by trial, with the best so far (when nothing is said)
  parallel    each trial as a line through its values      params=a,b
  importance  how much of the objective each value explains
  slice       the objective by each value                  params=a,b
  contour     the objective by two values                  x=a y=b
  curves      a metric by step                             metric=NAME

With several objectives, objective=NAME says which.""",
            words=PLOTS,
        ),
        Verb(
            "ui",
            "MLflow's page that compares the trials",
            _ui,
            more="""
Starts MLflow's server for the store in use, on this machine only, once a kernel; it ends with the
kernel. Where the tracking URI is a server already, the links go there.""",
        ),
        Verb(
            "apply",
            "put the best values into the notebook's variables",
            _apply,
        ),
        Verb(
            "write",
            "the cell again, with the best values written in it",
            _write,
            more="""
Only the values change: comments, annotations and spacing stay as they are. The new version
replaces the cell with `%tune write` (in a terminal it is the next prompt); running it is up to
you.""",
        ),
        Verb(
            "export",
            f"a program that needs no hpmagic: {', '.join(FORMS)}",
            _export,
            "FORM [FILE]",
            more="""

FORM is one of

  optuna  the same search as an Optuna study
  ray     the same search for Ray Tune; no conditional values
  script  no search: the best values, written in plain Python

The cells entered before that the tune cell needs come first. Without FILE it is printed.""",
            words=FORMS,
        ),
        Verb("load", "bring a study from MLflow", _load, "NAME"),
        Verb(
            "resume",
            "continue the study: more trials, and those that were interrupted",
            _resume,
            "[TRIALS] [options]",
            more="""
Runs the study's cell again, as it was, from where the study stopped. TRIALS is how many there are
to be in all; the options are those of %%tune and win over the cell's own.""",
        ),
    )
}
"""Every verb, in the order of the help page."""


def verbs_page() -> str:
    """The help page of ``%tune``."""
    width = max(len(verb.spelled) for verb in VERBS.values())
    lines = [f"  {verb.spelled:<{width}}  {verb.meaning}" for verb in VERBS.values()]
    return "\n".join([*lines, "", "  %tune VERB -h says more about a verb."])
