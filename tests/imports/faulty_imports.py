"""Every mistake in a form or a sweep that hpmagic points at.

``refusals.txt`` holds what is said about each. After a change of words, look at the difference that
this command makes, and commit it::

    python tests/imports/faulty_imports.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from hpmagic.errors import ConversionError
from hpmagic.imports import convert_file

GOLDEN = Path(__file__).with_name("refusals.txt")


def field(text: str) -> str:
    return f"lr = 0.1  #@param {text}\n"


def sweep(lr: str = "{min: 0.0, max: 1.0}", more: str = "") -> str:
    return f"method: random\n{more}parameters:\n  lr: {lr}\n"


FORMS: dict[str, str] = {
    "odd sign": field('{type: "slider"; min: 0}'),
    "no field": field("slider"),
    "two settings": field('{type: "raw"} {min: 0}'),
    "text without quotes": field("[adam, sgd]"),
    "missing value": field("{min: , max: 1}"),
    "missing comma": field('["a" "b"]'),
    "missing colon": field('{type "slider"}'),
    "never closed": field("[1, 2"),
    "settings never closed": field('{type: "slider", min'),
    "broken text": field(r'["\x"]'),
    "unknown type": field('{type: "sldier", min: 0, max: 1}'),
    "quite unknown type": field('{type: "zebra"}'),
    "no options": field("[]"),
    "raw option over two lines": field(r'["f(\n)"] {type: "raw"}'),
    "raw option that is no Python": field('["1 +"] {type: "raw"}'),
    "slider without an end": field('{type: "slider", min: 0}'),
    "low above high": field('{type: "slider", min: 2, max: 1}'),
    "step of nothing": field('{type: "slider", min: 0, max: 1, step: 0}'),
    "integers with a fraction": field('{type: "integer", min: 0.5, max: 3}'),
    "bound that is a text": field('{type: "slider", min: "a", max: 3}'),
}
SWEEPS: dict[str, str] = {
    "empty": "",
    "no YAML": "method: [grid\n",
    "odd character": "method: \x01\n",
    "a list": "- 1\n",
    "tag": sweep("!!python/object/apply:os.getcwd []"),
    "tag of a scalar": sweep("{value: !!python/name:os.getcwd ''}"),
    "contains itself": "method: grid\nparameters: &a\n  x: {parameters: *a}\n",
    "name that is a list": "? [a]\n: 1\n",
    "name twice": sweep(more="method: grid\n"),
    "number that cannot be read": sweep("{value: !!int x}"),
    "unknown key": sweep(more="metrics: {name: loss}\n"),
    "no method": "parameters: {lr: {value: 1}}\n",
    "no parameters": "method: grid\n",
    "unknown method": sweep().replace("random", "randon"),
    "quite unknown method": sweep().replace("random", "[1]"),
    "cap of none": sweep(more="run_cap: 0\n"),
    "metric that is a text": sweep(more="metric: loss\n"),
    "metric without name": sweep(more="metric: {goal: minimize}\n"),
    "unknown key of a metric": sweep(more="metric: {name: loss, gaol: minimize}\n"),
    "unknown goal": sweep(more="metric: {name: loss, goal: minimise}\n"),
    "stopping without a type": sweep(more="early_terminate: {min_iter: 3}\n"),
    "unknown stopping": sweep(more="early_terminate: {type: envelope}\n"),
    "stopping before a step": sweep(more="early_terminate: {type: hyperband, min_iter: x}\n"),
    "parameter that is a number": sweep("0.1"),
    "long parameter": sweep(f"[{', '.join(map(str, range(50)))}]"),
    "odd name": sweep().replace("lr", "l r"),
    "odd name inside": sweep("{parameters: {1: {value: 1}}}"),
    "unknown key of a parameter": sweep("{min: 0, mx: 1}"),
    "quite unknown key of a parameter": sweep("{zebra: 1}"),
    "unknown distribution": sweep("{distribution: log_uniform_value, min: 1, max: 2}"),
    "quite unknown distribution": sweep("{distribution: beta, a: 1}").replace(", a: 1", ""),
    "nothing said": sweep("{}"),
    "no end": sweep("{distribution: uniform, min: 1}"),
    "values that are no list": sweep("{values: 3}"),
    "no values": sweep("{values: []}"),
    "value twice": sweep("{values: [1, 1]}"),
    "value that is no literal": sweep("{value: 2026-01-01}"),
    "low above high": sweep("{min: 3, max: 1}"),
    "bound that is a text": sweep("{distribution: uniform, min: a, max: 3}"),
    "bound with a fraction": sweep("{distribution: int_uniform, min: 0.5, max: 3}"),
    "exponents for bounds": sweep("{distribution: log_uniform_values, min: -5, max: -1}"),
    "bounds for exponents": sweep("{distribution: log_uniform, min: 1, max: 1000}"),
    "no width": sweep("{distribution: normal, sigma: 0}"),
    "steps of nothing": sweep("{distribution: q_uniform, min: 0, max: 1, q: 0}"),
}


def said(source: str, text: str) -> str:
    """What is said about a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "form.py" if source == "colab" else "sweep.yaml")
        path.write_text(text, encoding="utf-8")
        try:
            return convert_file(source, path).text
        except ConversionError as error:
            return error.pointed().replace(f"{folder}/", "")


def golden() -> str:
    """The text of ``refusals.txt``."""
    parts = ["# FORMS", *(f"## {name}\n{said('colab', text)}" for name, text in FORMS.items())]
    parts += ["# SWEEPS", *(f"## {name}\n{said('wandb', text)}" for name, text in SWEEPS.items())]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    GOLDEN.write_text(golden(), encoding="utf-8")
