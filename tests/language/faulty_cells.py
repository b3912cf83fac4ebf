"""Every mistake that hpmagic points at, and every lint, by a cell that makes it.

``messages.txt`` holds what is said about each. After a change of words, look at the difference that
this command makes, and commit it::

    python tests/language/faulty_cells.py
"""

from __future__ import annotations

import re
from pathlib import Path

from hpmagic.errors import AnnotationError
from hpmagic.language import parse_cell

MAGIC = re.compile("%.*")
GOLDEN = Path(__file__).with_name("messages.txt")


def value(annotation: str) -> str:
    """A line whose annotation is at fault."""
    return f"lr = 0.1  # tune: {annotation}\nprint(lr)\n"


ERRORS: dict[str, str] = {
    # what Python cannot read
    "nothing": "lr = 0.1  # tune:\n",
    "nothing but free text": "lr = 0.1  # tune:  # later\n",
    "open bracket": value("uniform(0, 1"),
    "open bracket inside": value("choice([1, 2)"),
    "stray bracket": value("uniform(0, 1))"),
    "wrong bracket": value("uniform(0, 1]"),
    "open text": value('choice("a)'),
    "open text amid": value('choice("a, "b)'),
    "odd character": value("uniform(0, 1）"),
    "odd sign": value("uniform(0, $1)"),
    "missing comma": value("uniform(0 1)"),
    "missing comma before an option": value('uniform(0, 1) name="x"'),
    "no parentheses": value("uniform 0, 1"),
    "dots": value("uniform(0..1)"),
    "two commas": value("uniform(0,, 1)"),
    "name without value": value("uniform(0, 1), name="),
    "value without name": value('uniform(0, 1), "n"=3'),
    "position after name": value("uniform(low=0, 1)"),
    "word of Python": value("uniform(0, class)"),
    "missing value": value("uniform(0, 1 +)"),
    "braces without quotes": value("uniform(0, 1), name=x{i}"),
    "minus of a text processor": value("loguniform(1e\N{MINUS SIGN}5, 1)"),
    "dash for a minus": value("uniform(\N{EN DASH}1, 1)"),
    "dash before prose": value("uniform(0, 1) \N{EN DASH} 2 would be odd"),
    "no expression": value("uniform(0, not)"),
    "second annotation": value("uniform(0, 1)  # tune: metric"),
    "second annotation behind free text": value("uniform(0, 1)  # as read  # tune: metric"),
    # what is no item
    "only options": value('name="x"'),
    "two items": value("uniform(0, 1), 3"),
    "values without brackets": value("0.1, 0.2"),
    "tuple": value("(0.1, 0.2)"),
    "number": value("3"),
    "comparison": value("0 < lr < 1"),
    "generator": value("x for x in y"),
    "module": value("hp.uniform(0, 1)"),
    "unknown module": value("hp.zebra(0, 1)"),
    "unknown word": value("loguniformm(0.1, 1)"),
    "unknown word with another case": value("LogUniform(0.1, 1)"),
    "another library's word": value("suggest_loguniform(0.1, 1)"),
    "quite unknown word": value("zebra(0, 1)"),
    "method of a trial": value('trial.suggest_float("lr", 1, 10)'),
    "half a role": "loss = 1  # tune: min\n",
    "other half a role": "loss = 1  # tune: max\n",
    "British role": "loss = 1  # tune: minimise\n",
    "randint": value("randint(1, 10)"),
    "randint of names": value("randint(1, n)"),
    "range": value("range(10)"),
    # arguments
    "no bounds": value("uniform"),
    "one bound": value("uniform(0)"),
    "one bound by name": value("int(max=3)"),
    "no width": value("quniform(0, 1)"),
    "too many values": value("int(1, 10, 2)"),
    "too many values without step": value("loguniform(1, 10, 2)"),
    "stars": value("uniform(*bounds)"),
    "two stars": value("uniform(**bounds)"),
    "twice": value("uniform(0, 1, low=0)"),
    "twice under two names": value("uniform(low=0, lower=0, high=1)"),
    "unknown argument": value("uniform(0, 1, setp=0.1)"),
    "quite unknown argument": value("loguniform(1, 2, step=1)"),
    "option inside": value("uniform(0, 1, n=5)"),
    "option inside a choice": value('choice(1, 2, name="x")'),
    "argument outside": value("uniform(0, 1), step=0.1"),
    "argument of a choice": value("choice(1, default=2)"),
    "no values": value("choice()"),
    "empty list": value("[]"),
    "values of bool": value("bool(1)"),
    "log of names": value("int(1, 9, log=flag)"),
    "log that is no bool": value("float(1, 9, log=1)"),
    "log with step": value("float(1, 9, step=2, log=True)"),
    "log with step of integers": value("int(1, 9, step=2, log=True)"),
    "log range with step": value("logint(1, 9, step=2)"),
    "too large": value("int(1, 10 ** 10 ** 10)"),
    "division by zero": value("uniform(0, 1 / 0)"),
    "expression that assigns": value("int(1, (n := 3))"),
    # rules of distributions
    "call of a number": value("choice(1 (2, 3), 4)"),
    "low above high": value("uniform(3, 1)"),
    "low above high by other names": value("int(upper=1, lower=3)"),
    "not a number": value('uniform(0, "1")'),
    "not finite": value("uniform(0, 1e999)"),
    "exponents": value("loguniform(-5, -1)"),
    "zero": value("loguniform(0, 1)"),
    "not an integer": value("int(1, 9.5)"),
    "a float for an integer": value("int(1, 9.0)"),
    "too wide an integer": value("int(1, 2**70)"),
    "too wide a float": value("uniform(-1e308, 1e308)"),
    "no step": value("uniform(0, 1, step=0)"),
    "too many steps": value("uniform(0, 1e9, step=1e-9)"),
    "negative step": value("int(1, 9, step=-1)"),
    "log from zero": value("int(0, 9, log=True)"),
    "no width of a prior": value("normal(0, -1)"),
    "the same value twice": value('choice("a", "b", "a")'),
    # options
    "unknown option": value('uniform(0, 1), nmae="x"'),
    "quite unknown option": value("uniform(0, 1), zebra=1"),
    "options by star": value("uniform(0, 1), **options"),
    "option twice": value("uniform(0, 1), n=2, n=3"),
    "no grid": value("uniform(0, 1), n=0"),
    "grid of names": value("uniform(0, 1), n=points"),
    "grid of a choice": value("choice(1, 2), n=2"),
    "unknown kind": value('uniform(0, 1), kind="modle"'),
    "kind that is no text": value("uniform(0, 1), kind=model"),
    "name that is no text": value("uniform(0, 1), name=lr"),
    "empty name": value('uniform(0, 1), name=""'),
    "odd name": value('uniform(0, 1), name="lr=1"'),
    "long name": value(f'uniform(0, 1), name="{"x" * 251}"'),
    "half a pattern": value('uniform(0, 1), name="units_{i"'),
    "other half of a pattern": value('uniform(0, 1), name="units_i}"'),
    "empty pattern": value('uniform(0, 1), name="units_{}"'),
    "pattern that assigns": value('uniform(0, 1), name="{(i := 3)}"'),
    # roles
    "unknown option of a role": "loss = 1  # tune: minimize(patince=3)\n",
    "unknown word in a role": "loss = 1  # tune: minimize(bset)\n",
    "value in a role": "loss = 1  # tune: minimize(3)\n",
    "options of a metric": "loss = 1  # tune: metric(patience=3)\n",
    "options of a once": "import x  # tune: once(3)\n",
    "best twice": "loss = 1  # tune: minimize(best, best=True)\n",
    "best by position twice": "loss = 1  # tune: minimize(best, best)\n",
    "best that is no bool": "loss = 1  # tune: minimize(best=1)\n",
    "patience of none": "for i in x:\n    loss = 1  # tune: minimize(patience=0)\n",
    "patience of a text": "for i in x:\n    loss = 1  # tune: minimize(patience='3')\n",
    "step of a number": "for i in x:\n    loss = 1  # tune: minimize(step=3)\n",
    "negative min_delta": "for i in x:\n    loss = 1  # tune: minimize(patience=2, min_delta=-1)\n",
    "min_delta alone": "for i in x:\n    loss = 1  # tune: minimize(min_delta=0.1)\n",
    "patience outside a loop": "loss = 1  # tune: minimize(patience=3)\n",
    "patience in a function called in a loop": (
        "for i in x:\n    def f():\n        loss = 1  # tune: minimize(patience=3)\n"
    ),
    "patience outside the parentheses": "loss = 1  # tune: minimize, patience=3\n",
    "name inside a role": 'loss = 1  # tune: minimize(name="x")\n',
    "grid of a role": "loss = 1  # tune: minimize, n=3\n",
    "name of a once": 'import x  # tune: once, name="x"\n',
    "pattern of a metric": 'loss = 1  # tune: metric, name="loss_{i}"\n',
    # what an annotation stands beside
    "line of nothing": "if x:\n    y = 1\nelse:  # tune: int(1, 3)\n    y = 2\n",
    "comment above nothing": "x = 1\n# tune: int(1, 3)\n",
    "comment above another block": "if x:\n    y = 1\n    # tune: int(1, 3)\ny = 2\n",
    "comment above else": "if x:\n    y = 1\n# tune: int(1, 3)\nelse:\n    y = 2\n",
    "comment above a bracket": "f(\n    a=1,\n    # tune: int(1, 3)\n)\n",
    "comment amid an expression": "x = (\n    1\n    +  # tune: int(1, 3)\n    2\n)\n",
    "comment amid a sum": "x = (a  # tune: int(1, 3)\n    + 2)\n",
    "two statements": "x = 1; y = 2  # tune: int(1, 3)\n",
    "two arguments": "f(\n    a=1, b=2,  # tune: int(1, 3)\n)\n",
    "two arguments of a call": "f(a=1, b=2)  # tune: int(1, 3)\n",
    "argument behind the last bracket": "m = SVC(C=1.0,\n    gamma=0.1)  # tune: normal(0, 1)\n",
    "item behind the last bracket": (
        'cfg = {"a": 1,  # tune: int(1, 3)\n       "b": 2}  # tune: int(1, 3)\n'
    ),
    "argument behind the last bracket of an argument": (
        "f(\n    a=SGD(lr=1,\n          m=2),  # tune: int(1, 3), name='m'\n    c=3,\n)\n"
    ),
    "parameter behind the last bracket": (
        "def f(a=1,  # tune: int(1, 3)\n      b=2):  # tune: int(1, 3)\n    return a\n"
    ),
    "argument of a call behind the last bracket": "f(a=1,\n  b=2)  # tune: int(1, 3)\n",
    "argument of a decorator behind the last bracket": (
        "@f(a=1,\n   b=2)  # tune: int(1, 3)\ndef g(): ...\n"
    ),
    "argument in a chain": (
        "m = (Model()\n     .with_lr(lr=0.1)  # tune: uniform(0, 1)\n     .with_wd(wd=0.1))\n"
    ),
    "decorator without a name": "@f(1)  # tune: int(1, 3)\ndef g(k=3): ...\n",
    "argument above the value": "f(\n    # tune: int(1, 3)\n    x, a=1,\n)\n",
    "two elements": "x = [\n    1, 2,  # tune: int(1, 3)\n]\n",
    "element without name": "f(\n    1,  # tune: int(1, 3)\n)\n",
    "expression": "f(1)  # tune: int(1, 3)\n",
    "return": "def f():\n    return 3  # tune: int(1, 3)\n",
    "header of a loop": "for epoch in range(10):  # tune: int(5, 50)\n    pass\n",
    "header of a loop over names": "for a, b in pairs:  # tune: int(5, 50)\n    pass\n",
    "tuple assignment": "a, b = 1, 2  # tune: int(1, 3)\n",
    "annotation without value": "x: int  # tune: int(1, 3)\n",
    "augmented assignment": "total += 0.1  # tune: uniform(0, 1)\n",
    "subscript without name": "cfg[key] = 0.1  # tune: uniform(0, 1)\n",
    "item without name": "cfg = {\n    key: 0.1,  # tune: uniform(0, 1)\n}\n",
    "header of a loop with an argument": (
        "for e in tqdm(range(10), total=20):  # tune: int(5, 50)\n    pass\n"
    ),
    "value of IPython's line": "# tune: int(1, 3)\nx = %magic 3\n",
    "IPython's line": "%time fit(x)  # tune: once\n",
    # what a role stands beside
    "metric without assignment": "print(loss)  # tune: minimize\n",
    "metric of a header": "while (loss := step()) > 1:  # tune: minimize\n    pass\n",
    "metric without value": "loss: float  # tune: minimize\n",
    "metric amid a statement": "loss = f(\n    1,\n    a=1,  # tune: minimize\n    b=2,\n)\n",
    "metrics at once": "loss, acc = evaluate()  # tune: maximize\n",
    "metric without name": "f().x[i] = 3  # tune: metric\nf()[i] = 3  # tune: metric\n"
    "(a or b)[i] = 3  # tune: metric\n",
    "statement behind the value": "x = 1; print(x)  # tune: int(1, 3)\n",
    "statement before the value": "# tune: int(1, 3)\nprint(x); x = 1\n",
    "two statements of a metric": "x = 1; loss = 2  # tune: minimize\n",
    "two statements of a once": "import a; import b  # tune: once\n",
    "once in a loop": "for i in x:\n    load()  # tune: once\n",
    "once in a function": "def f():\n    load()  # tune: once\n",
    "once on a tuned line": "# tune: once\nx = f(\n    a=1,  # tune: int(1, 3)\n)\n",
    "once on a metric": "# tune: once\nif x:\n    loss = 1  # tune: minimize\n",
    # the whole cell
    "two annotations of a value": "# tune: int(1, 3)\nx = 1  # tune: int(1, 4)\n",
    "two roles of a statement": "# tune: metric\nloss = 1  # tune: minimize\n",
    "tuned and measured": "# tune: metric\nloss = 1  # tune: int(1, 3)\n",
    "two spaces": "x = 1  # tune: int(1, 3)\nprint(x)\nx = 1  # tune: int(1, 4)\n",
    "two spaces of names": "x = 1  # tune: int(1, n)\nprint(x)\nx = 1  # tune: int(1, m)\n",
    "two values": "def f():\n    x = 1  # tune: bool()\ndef g():\n    x = 2  # tune: bool()\n",
    "two directions": "loss = 1  # tune: minimize\nloss = 2  # tune: maximize\n",
    "metric and objective": "loss = 1  # tune: metric\nloss = 2  # tune: maximize\n",
    "several errors": "x = 1  # tune: int(3, 1)\ny = 1  # tune: intt(1, 3)\nz = 1  # tune: 3\n",
}

LINTS: dict[str, str] = {
    "three decades": value("uniform(0.001, 1)"),
    "three decades of integers": "n = 10  # tune: int(1, 5000)\nprint(n)\n",
    "outside": value("uniform(0.5, 1)"),
    "outside a choice": 'kernel = "rbff"  # tune: choice("rbf", "linear")\nprint(kernel)\n',
    "between steps": "x = 0.15  # tune: uniform(0, 1, step=0.1)\nprint(x)\n",
    "no integer": "x = 1.5  # tune: int(1, 3)\nprint(x)\n",
    "no number": "depth = None  # tune: int(1, 3)\nprint(depth)\n",
    "one option": 'kernel = "rbf"  # tune: choice("rbf")\nprint(kernel)\n',
    "one number": "x = 3  # tune: int(3, 3)\nprint(x)\n",
    "lowered": "x = 1  # tune: int(1, 10, step=4)\nprint(x)\n",
    "lowered float": "x = 0.1  # tune: uniform(0, 1, step=0.3)\nprint(x)\n",
    "never read": "x = 1  # tune: int(1, 3)\n",
    "parameter never read": "def f(\n    a=1,  # tune: int(1, 3)\n): return 2\n",
    "overwritten": "x = 1  # tune: int(1, 3)\nx = 2\nprint(x)\n",
    "whole call": "model = SVC(C=1.0)  # tune: loguniform(0.1, 10)\nmodel.fit()\n",
    "whole call of a formatter's": (
        "m = SVC(\n    C=1.0,  # tune: normal(0, 1)\n    g=1,\n)  # tune: normal(0, 1)\nprint(m)\n"
    ),
    "whole dict": "cfg = {'C': 1.0, 'n': size}  # tune: loguniform(0.1, 10)\nprint(cfg)\n",
    "no last comma": "fit(C=1.0,  # tune: loguniform(0.1, 10)\n    n=2)\n",
    "no last comma of a dict": "fit(\n    {\n        'C': 1.0  # tune: normal(0, 1)\n    },\n)\n",
    "no colon": "x = 1  # tune int(1, 3)\n",
    "another word": "x = 1  # Tune: int(1, 3)\n",
}


def said(cell: str) -> str:
    """What is said about a cell: its error, or its lints."""
    python = cell
    if "%" in cell:
        python = MAGIC.sub("get_ipython().run_line_magic('...')", cell)
    try:
        parsed = parse_cell(cell, "cell.py", python=python)
    except AnnotationError as error:
        notes = getattr(error, "__notes__", [])
        return "\n".join([error.pointed(), *notes])
    return "\n".join(f"{lint}\n{lint.place.caret()}" for lint in parsed.lints) or "(nothing)"


def golden() -> str:
    """The text of ``messages.txt``."""
    parts = ["# ERRORS", *(f"## {name}\n{said(cell)}" for name, cell in ERRORS.items())]
    parts += ["# LINTS", *(f"## {name}\n{said(cell)}" for name, cell in LINTS.items())]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    GOLDEN.write_text(golden(), encoding="utf-8")
