"""Where the store is, found and checked without importing MLflow."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hpmagic.errors import StoreError
from hpmagic.tracking import place as place_module
from hpmagic.tracking.place import (
    Place,
    absolute,
    check_store,
    current_uri,
    place_of,
    redacted,
    sqlite_path,
    study_environment,
)


@pytest.fixture
def no_mlflow(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As in a process that has not imported MLflow."""
    monkeypatch.delitem(sys.modules, "mlflow", raising=False)
    return home


def old_file_store(folder: Path) -> None:
    (folder / "mlruns" / "0").mkdir(parents=True)
    (folder / "mlruns" / "0" / "meta.yaml").write_text("")


@pytest.mark.slow
def test_the_default_is_mlflows_own(no_mlflow: Path) -> None:
    """Without settings it is the file that MLflow itself would use, whatever the folder's name."""
    folders = [no_mlflow / name for name in ("plain", "with space", "ünï")]
    for folder in folders:
        folder.mkdir()
    code = (
        "import mlflow, os, sys\n"
        "for folder in sys.argv[1:]:\n"
        "    os.chdir(folder)\n"
        "    print(mlflow.get_tracking_uri())\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code, *folders], capture_output=True, text=True, check=True
    )
    for folder, theirs in zip(folders, answer.stdout.split(), strict=True):
        os.chdir(folder)
        assert absolute(current_uri()) == theirs
        assert sqlite_path(theirs) == folder / "mlflow.db"


def test_the_environment_is_respected(no_mlflow: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A URI in the environment is used."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://server:5000")
    assert current_uri() == "http://server:5000"


def test_what_mlflow_was_told_is_respected(home: Path) -> None:
    """What `mlflow.set_tracking_uri` was told is used, a relative path made absolute."""
    import mlflow

    mlflow.set_tracking_uri("sqlite:///other.db")
    assert absolute(current_uri()) == f"sqlite:///{home}/other.db"


def test_the_experiment_is_the_persons_choice(
    no_mlflow: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The option first, then MLflow's settings, then the notebook's name, then MLflow's default."""
    assert place_of(None, "").experiment == "Default"
    assert place_of(None, "notebook").experiment == "notebook"
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", "7")
    assert place_of(None, "notebook").experiment_id == "7"
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "named")
    assert place_of(None, "notebook") == Place(absolute(current_uri()), "named")
    assert place_of("option", "notebook") == Place(absolute(current_uri()), "option")


def test_the_experiment_that_mlflow_was_told_goes_before_the_environments(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in MLflow: `mlflow.set_experiment` wins over both variables."""
    from mlflow.tracking import fluent

    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "named")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", "7")
    monkeypatch.setattr(fluent, "_active_experiment_id", "9")
    assert place_of(None, "notebook").experiment_id == "9"
    assert place_of("option", "notebook") == Place(absolute(current_uri()), "option")


def test_an_old_file_store_is_refused_with_two_ways_out(no_mlflow: Path) -> None:
    """A folder that MLflow would fall back to, and then refuse, is said so before trial 0."""
    old_file_store(no_mlflow)
    with pytest.raises(StoreError, match=r"migrate-filestore.*set_tracking_uri"):
        check_store()


def test_an_old_file_store_does_not_matter_when_another_store_is_chosen(
    no_mlflow: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An explicit URI wins over the folder that lies about."""
    old_file_store(no_mlflow)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
    check_store()


def test_a_folder_of_artifacts_is_no_file_store(no_mlflow: Path) -> None:
    """``mlruns`` is also where a sqlite store keeps its artifacts."""
    (no_mlflow / "mlruns" / "0" / "abc" / "artifacts").mkdir(parents=True)
    check_store()


def test_a_person_who_insists_on_the_file_store_gets_it(
    no_mlflow: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLflow's own way to allow it is respected; so is a version that still writes it."""
    old_file_store(no_mlflow)
    with monkeypatch.context() as patch:
        patch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
        check_store()
    monkeypatch.setattr(place_module, "version", lambda _: "3.10.1")
    check_store()


def test_a_misspelled_scheme_is_named(home: Path) -> None:
    """The nearest right spelling is suggested."""
    with pytest.raises(StoreError, match="did you mean `sqlite`"):
        check_store("sqlte:///mlflow.db")


@pytest.mark.parametrize(
    "uri",
    ["http://a:1", "https://a", "postgresql+psycopg2://u:p@h/d", "databricks", "databricks://p"],
)
def test_other_stores_are_left_to_mlflow(uri: str, home: Path) -> None:
    """Servers and databases are not asked here."""
    check_store(uri)


def test_a_folder_is_no_sqlite_file(home: Path) -> None:
    """A path that cannot be a store is refused."""
    with pytest.raises(StoreError, match="is a folder"):
        check_store(f"sqlite:///{home}")


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() == 0, reason="root may write anywhere")
def test_a_store_that_cannot_be_written_is_refused(home: Path) -> None:
    """Before trial 0 rather than after the last."""
    (home / "mlflow.db").write_text("")
    (home / "mlflow.db").chmod(0o400)
    with pytest.raises(StoreError, match="cannot be written"):
        check_store(f"sqlite:///{home}/mlflow.db")


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("https://me:secret@host:80/path?token=1#x", "https://host:80/path"),
        ("postgresql://me:secret@host/db", "postgresql://host/db"),
        ("sqlite:////tmp/a b/mlflow.db", "sqlite:////tmp/a b/mlflow.db"),
        ("http://[::1]:5000", "http://[::1]:5000"),
        ("databricks", "databricks"),
    ],
)
def test_no_secret_is_shown(uri: str, shown: str) -> None:
    """Users, passwords and queries are taken out of what is shown or stored."""
    assert redacted(uri) == shown


def test_a_place_on_disk_holds_no_secret(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials are not written; they are taken from the URI in use when it is the same."""
    import mlflow

    written = Place("https://me:secret@host/", "things").as_json()
    assert "secret" not in str(written)
    assert Place.from_json(written).uri == "https://host/"
    mlflow.set_tracking_uri("https://me:secret@host/")
    assert Place.from_json(written).uri == "https://me:secret@host/"


def test_mlflows_settings_are_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a study sets for a server is gone afterwards; what the person has set stays theirs."""
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", raising=False)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "7")
    with study_environment("http://host", own_retries=True):
        assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "0"
        assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "7"
    assert "MLFLOW_HTTP_REQUEST_MAX_RETRIES" not in os.environ
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "7"


def test_checking_does_not_import_mlflow(home: Path) -> None:
    """The check before trial 0 costs next to nothing."""
    code = (
        "import sys; from hpmagic.tracking.store import check_store; check_store();"
        "from hpmagic.tracking.writer import MlflowWriter;"
        "MlflowWriter(experiment=None, fallback_experiment='', uses_mlflow=False);"
        "assert not {'mlflow', 'pandas', 'sqlalchemy', 'sklearn'} & set(sys.modules), sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
