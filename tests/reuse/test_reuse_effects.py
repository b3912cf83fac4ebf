"""What code does outside is seen as it does it."""

import threading

import pytest

from hpmagic.execution.reuse.effects import file_state, watching

ACTS = {
    "Path(f).write_text('a')": "writes files",
    "open(f, 'a').close()": "writes files",
    "open(f, 'r+').close()": "writes files",
    "os.remove(f)": "removes files",
    "os.rename(f, f + '2')": "renames files",
    "shutil.rmtree(d)": "removes folders",
    "os.mkdir(d + '/x')": "makes folders",
    "subprocess.run(['true'])": "starts a process",
    "os.system('true')": "starts a process",
    "sqlite3.connect(f + '.db').close()": "opens a database",
    "socket.socket().bind(('127.0.0.1', 0))": "opens a connection",
}


@pytest.mark.parametrize("statement", ACTS)
@pytest.mark.filterwarnings("ignore")
def test_act_is_named(statement, tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "f").write_text("a")
    names = {"f": str(tmp_path / "f"), "d": str(tmp_path / "d")}
    exec("import os, shutil, socket, sqlite3, subprocess\nfrom pathlib import Path", names)
    with watching() as effects:
        exec(statement, names)
    assert ACTS[statement] in effects.acts


def test_reading_is_no_act_and_the_file_is_remembered(tmp_path):
    path = tmp_path / "f"
    path.write_text("a")
    with watching() as effects:
        path.read_text()
    assert effects.acts == []
    assert effects.reads == {str(path): file_state(str(path))}
    path.write_text("bc")
    assert effects.reads[str(path)] != file_state(str(path))


def test_database_in_memory_is_no_act():
    import sqlite3

    with watching() as effects:
        sqlite3.connect(":memory:").close()
    assert effects.acts == []


def test_what_other_threads_do_is_not_the_cells(tmp_path):
    go, done = threading.Event(), threading.Event()

    def write():
        go.wait()
        (tmp_path / "f").write_text("a")
        done.set()

    thread = threading.Thread(target=write)
    thread.start()
    with watching() as effects:
        go.set()
        done.wait()
    thread.join()
    assert effects.acts == []


def test_nothing_is_seen_outside(tmp_path):
    with watching() as effects:
        pass
    (tmp_path / "f").write_text("a")
    assert effects.acts == []
