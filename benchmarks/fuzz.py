"""Coverage-guided fuzzing of what reads text and bytes that anybody may have written.

    pip install atheris
    python benchmarks/fuzz.py language|spool [-max_total_time=600] [libFuzzer's other options]

`language` reads a cell: it must give a cell or a `SyntaxError`. `spool` reads a spool's bytes, and
the records in it as a study: every byte must be accounted for, a whole record before the damage
must be found, and a record that is none must be a `ValueError`. Anything else is a finding, which
libFuzzer writes to a file.
"""

from __future__ import annotations

import io
import json
import sys
import tempfile
import warnings
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["hpmagic.language", "hpmagic.tracking", "hpmagic.space"]):
    from hpmagic.distributions import Uniform
    from hpmagic.language import parse_cell
    from hpmagic.tracking.codec import draw_from_json, reports_of, trial_from_json
    from hpmagic.tracking.delivery import Header
    from hpmagic.tracking.frames import Damage, Record, encode, read_frames

KNOWN = {"x": Uniform(0, 1)}
FRAME = encode("trial", {"number": 1})
SEEDS = {
    "language": [
        "x = 0.5  # tune: uniform(0, 1)\nloss = x  # tune: minimize\n",
        'k = "a"  # tune: choice("a", b), name="k_{i}"  # why\n',
        "f(a=1,  # tune: int(1, 2**10, log=True)\n  b=[1, 2])\n",
        "for s in range(3):\n    l = s  # tune: minimize(patience=2, min_delta=1e-3)\n",
    ],
    "spool": [
        'trial{"number":1,"state":"complete","params":{"x":"0.5"},"distributions":{},"values":[1.0],'
        '"metrics":{"loss":1.0},"reports":[["loss",1.0,null,2.0]],"origin":"tuner","start":1.0,'
        '"duration":1.0,"reason":"","notes":{}}',
        'study{"id":"a","info":{},"place":{"uri":"u","experiment":"e","experiment_id":""},'
        '"common":{},"exact":false,"session":"s","after":null}',
        'drew{"number":1,"name":"x","value":"0.5","distribution":{"kind":"uniform","low":0,"high":1}}',
    ],
}


def language(data: bytes) -> None:
    """A cell, or an error of its text."""
    text = data.decode("utf-8", "ignore")
    for cell in (text, f"x = 1  # tune: {text}\nprint(x)\n"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                compile(cell, "cell", "exec")
            except (SyntaxError, ValueError, MemoryError, RecursionError, OverflowError):
                continue  # Python itself has its say first
            try:
                read = parse_cell(cell)
            except SyntaxError:
                continue
        str(read.space), read.fingerprint, [str(lint) for lint in read.lints]


def spool(data: bytes) -> None:
    """Bytes behind a whole record, and the same bytes as records of the right frame."""
    file = io.BytesIO(FRAME + data)
    found = list(read_frames(file, 0, len(FRAME) + len(data)))
    assert isinstance(found[0], Record)
    assert found[0].data == {"number": 1}
    at = 0
    for each in found:
        at = each.end if isinstance(each, Record) else at
        if isinstance(each, Damage):
            assert each.start == at
            at = each.end
    assert at == len(FRAME) + len(data)
    kind, _, rest = data.partition(b"{")
    try:
        fields = json.loads(b"{" + rest)
    except (ValueError, RecursionError):
        return
    name = kind.decode("utf-8", "replace")
    blob = encode(name, fields)
    (record,) = read_frames(io.BytesIO(blob), 0, len(blob))
    assert isinstance(record, Record)
    for read in (
        lambda: Header.of(record),
        lambda: trial_from_json(record.data, KNOWN),
        lambda: draw_from_json(record.data, KNOWN),
        lambda: reports_of(record.data),
    ):
        try:
            read()
        except ValueError:
            continue
        except (KeyError, TypeError, AttributeError):
            # Refused like a `ValueError` where it is delivered: see `is_final`.
            continue


def main() -> None:
    target = {"language": language, "spool": spool}[sys.argv[1]]
    corpus = Path(tempfile.gettempdir()) / "hpmagic-fuzz" / sys.argv[1]
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(SEEDS[sys.argv[1]]):
        (corpus / f"seed{number}").write_text(seed)
    atheris.Setup([sys.argv[0], *sys.argv[2:], str(corpus)], target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
