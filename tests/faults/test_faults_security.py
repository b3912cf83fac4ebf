"""What `SECURITY.md` promises, each sentence held by a test."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import hpmagic
from hpmagic.errors import HpmagicError, OptionError
from hpmagic.tracking import courier, reading
from hpmagic.tracking.codec import draw_from_json, info_from_json, trial_from_json
from hpmagic.tracking.delivery import Header
from hpmagic.tracking.frames import Record, encode, read_frames
from hpmagic.tracking.home import spool_directory
from hpmagic.tracking.pending import deliver_pending
from hpmagic.tracking.store import Store, connect, first_line

CELL = (
    "x = 0.5  # tune: uniform(0, 1)\nk = 'a'  # tune: choice('a', 'b')\n"
    "loss = x  # tune: minimize\n"
)
EVIL = "__import__('pathlib').Path('pwned').write_text('')"
PICKLE = b"cpathlib\nPath\n(S'pwned'\ntR."

WATCH = """
import sys
watching = False
def watch(event, arguments):
    if not watching:
        return
    made_up = event == "exec" and arguments[0].co_filename.startswith("<")
    if made_up or event in ("pickle.find_class", "os.system", "os.exec", "subprocess.Popen"):
        raise RuntimeError(f"{event} {arguments}")
sys.addaudithook(watch)
"""


def tune(**options: Any) -> hpmagic.Study:
    given = {"trials": 3, "seed": 1, "study": "mine", "quiet": True, **options}
    return hpmagic.tune(CELL, "random", **given)


def poison(study: hpmagic.Study, store: str, folder: Path) -> None:
    """Put code wherever the store holds text, and pickles for its artifacts."""
    client = connect(store)
    runs = [study.record.run_id, *(t.run_id for t in study.record.trials)]
    kept = {"hpmagic.kind", "hpmagic.study", "hpmagic.state", "hpmagic.trial", "hpmagic.session"}
    for run_id in runs:
        for tag in client.get_run(run_id).data.tags:
            if tag.startswith("hpmagic.") and tag not in kept:
                client.set_tag(run_id, tag, EVIL)
        (folder / "study.json").write_bytes(PICKLE)
        (folder / "curves.json").write_bytes(PICKLE)
        (folder / "long_values.json").write_bytes(PICKLE)
        for name in ("study.json", "curves.json", "long_values.json"):
            client.log_artifact(run_id, str(folder / name))
    for trial in study.record.trials[1:]:
        record = {"params": {"x": EVIL, "k": {"label": EVIL}}, "drawn": [EVIL], "exact": True}
        client.set_tag(trial.run_id, "hpmagic.record", json.dumps(record))


@pytest.mark.slow
def test_loading_listing_and_resuming_execute_and_unpickle_nothing(
    store: str, tmp_path: Path
) -> None:
    """Tags, params and artifacts that hold code are text; Python's own audit sees no more."""
    tune(study="sane")
    study = tune(fresh=True)
    poison(study, store, tmp_path)
    script = WATCH + textwrap.dedent(
        """
        import hpmagic
        from hpmagic.tracking.place import place_of
        from hpmagic.tracking.resumption import find_resumable
        hpmagic.load("sane").trials, hpmagic.studies()
        find_resumable(place_of(None, ""), "sane", "", look=True)
        watching = True
        loaded = hpmagic.load("mine")
        assert len(loaded.record.trials) == 3, loaded
        loaded.trials, str(loaded), hpmagic.studies()
        find_resumable(place_of(None, ""), "mine", "")
        print("done")
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.stdout == "done\n", done.stderr
    assert not Path("pwned").exists()


@pytest.mark.slow
def test_reading_a_files_space_evaluates_nothing(store: str) -> None:
    """Neither annotations nor the code; a notebook's cells neither."""
    text = (
        f"{EVIL}\n# @tune random\n"
        f"n = 3  # tune: int(1, {EVIL})\nk = 1  # tune: choice({EVIL}, len)\n"
        "loss = n  # tune: minimize\n"
    )
    Path("cell.py").write_text(text)
    cells = [{"cell_type": "code", "source": text, "metadata": {}, "outputs": [], "id": "a"}]
    notebook = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    Path("cell.ipynb").write_text(json.dumps(notebook))
    for name in ("cell.py", "cell.ipynb"):
        words = [sys.executable, "-m", "hpmagic", "space", name]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert "int(1, " in done.stdout + done.stderr
    assert not Path("pwned").exists()


def test_a_study_whose_identity_is_a_path_is_not_resumed(store: str) -> None:
    """Nothing of the store becomes a file's name."""
    study = tune()
    connect(store).set_tag(study.record.run_id, "hpmagic.study", "../../../evil")
    with pytest.raises(OptionError, match="does not say what it is"):
        tune(resume=True)
    assert not list(Path().rglob("*evil*"))


@pytest.mark.parametrize("name", ["../up.txt", "/root.txt", "a/../../b.txt"])
def test_artifacts_cannot_leave_their_directory(name: str) -> None:
    """Whoever asks for it."""
    client = SimpleNamespace(log_artifacts=lambda *_: None)
    with pytest.raises(ValueError, match="must stay in its directory"):
        Store(client, "0", "sqlite:///x.db").put("run", {name: b""})


@pytest.mark.slow
def test_no_credential_is_shown_or_kept(
    store: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A store that is away: warnings, errors, logs and the spool name it without its secrets."""
    secret = "s3cr3t"
    uri = f"http://me:{secret}@127.0.0.1:9/path?token={secret}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", secret)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setattr(courier, "GIVE_UP", 0.3)
    monkeypatch.setattr(courier, "STUCK", 0.0)
    said = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        study = tune(quiet=False)
        said += [repr(study), repr(study.record), str(study.trials)]
        for refused in (hpmagic.studies, lambda: hpmagic.load("mine"), lambda: tune(resume=True)):
            with pytest.raises(HpmagicError) as error:
                refused()
            chain: BaseException | None = error.value
            while chain is not None:
                said.append(f"{chain} {chain!r}")
                chain = chain.__cause__ or (
                    None if chain.__suppress_context__ else chain.__context__
                )
        said += [f"{each}" for each in deliver_pending()]
    said += [str(each.message) for each in caught]
    assert any("127.0.0.1:9" in text for text in said)
    told = [*said, *capfd.readouterr(), caplog.text]
    assert not [text for text in told if secret in text]
    (spool,) = spool_directory().iterdir()
    assert secret.encode() not in spool.read_bytes()
    assert b"127.0.0.1:9" in spool.read_bytes()


@pytest.mark.parametrize(
    "text",
    [
        "API request to http://me:s3cr3t@h:5/api failed (url: http://me:s3cr3t@h:5/api?t=s3cr3t)",
        "(psycopg2.OperationalError) postgresql+psycopg2://me:s3cr3t@h/db is away",
        "mssql://u:s3cr3t@h/db?password=s3cr3t",
    ],
)
def test_messages_of_libraries_are_rid_of_credentials(text: str) -> None:
    """Whatever MLflow puts into an error."""
    assert "s3cr3t" not in first_line(RuntimeError(text))
    assert "//h" in first_line(RuntimeError(text))


def test_what_hpmagic_keeps_is_for_its_owners_eyes(store: str, tmp_path: Path) -> None:
    """Directories of spools can be entered by nobody else, and no spool can be read."""
    seen: list[int] = []

    def look() -> None:
        (spool,) = spool_directory().iterdir()
        seen.extend([spool.stat().st_mode, spool_directory().stat().st_mode])

    text = f"{CELL}look()\n"
    hpmagic.tune(text, "random", trials=1, quiet=True, namespace={"look": look})
    assert [mode & 0o077 for mode in seen] == [0, 0]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["x", "number", "value", "kind", "low"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)
NAMES = ["number", "name", "value", "distribution", "params", "distributions", "values", "metrics",
         "reports", "origin", "start", "duration", "reason", "notes", "state", "info", "place",
         "id", "common", "exact", "drawn", "curves", "hidden", "seed", "space"]  # fmt: skip


@given(st.sampled_from(["study", "began", "drew", "reports", "trial", "end"]), st.data())
@settings(max_examples=60, deadline=None)
def test_records_of_any_shape_are_refused_by_a_value_error(kind: str, data: st.DataObject) -> None:
    """JSON that nobody wrote: no other error comes out of reading it."""
    facts = data.draw(st.dictionaries(st.sampled_from(NAMES), JSON))
    blob = encode(kind, facts)
    (record,) = read_frames(io.BytesIO(blob), 0, len(blob))
    assert isinstance(record, Record)
    for read in (
        lambda: Header.of(record),
        lambda: info_from_json(record.data),
        lambda: trial_from_json(record.data, {}),
        lambda: draw_from_json(record.data, {}),
    ):
        with pytest.raises(ValueError):
            read()


@given(st.dictionaries(st.sampled_from(NAMES), JSON), st.text(max_size=4))
@example({"hidden": [[], {}, None], "start": 10**400, "values": [10**400]}, "²")
@settings(max_examples=60, deadline=None)
def test_runs_that_anybody_wrote_are_read_or_left_out(record: dict[str, Any], text: str) -> None:
    """Tags of any content stop no list and no study."""
    tags = {
        "hpmagic.trial": "3", "hpmagic.state": "complete", "hpmagic.origin": text,
        "hpmagic.record": json.dumps(record), "hpmagic.columns": json.dumps(record),
        "hpmagic.info": json.dumps(record), "hpmagic.space": text, "hpmagic.best_trial": text,
    }  # fmt: skip
    run = SimpleNamespace(
        data=SimpleNamespace(tags=tags, params={"x": text}, metrics={"loss": 1.0}),
        info=SimpleNamespace(
            run_id="r", run_name=text, start_time=0, end_time=1, status="FINISHED"
        ),
    )
    parsed = reading.record_of(run, {})
    reading.curve_names(parsed)
    trial = reading.trial_of(
        run, parsed, known={}, columns=reading.columns_of(run), long={}, curves={}
    )
    assert trial is not None
    reading.finished_of(run)
    reading.info_from_params(run, "e")
    try:
        reading.info_of(run, None, "e")
    except ValueError:
        assert os.name
