"""Studies of one name are told apart."""

from __future__ import annotations

import secrets
import time
from typing import Any

from hpmagic.tracking.schema import MOST_NAME, Kind, MlflowTag, Tag, cut
from hpmagic.tracking.store import Store

__all__ = ["free_name", "settle_name"]


def free_name(store: Store, wanted: str) -> str:
    """The name, or the first of ``name-2``, ``name-3``, ... that no study of the experiment has."""
    name = cut(wanted, MOST_NAME)
    taken = {run.info.run_name for run in _namesakes(store, name)}
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}-{number}"
    return free


def settle_name(store: Store, run_id: str, name: str, wanted: str) -> str:
    """See that nobody took the name of a study's run at the same moment; else take the next.

    Whoever sees a namesake gives way, after a moment that differs from one to the other.
    """
    while True:
        others = [run for run in _namesakes(store, name) if run.info.run_id != run_id]
        if name not in {run.info.run_name for run in others}:
            return name
        time.sleep(secrets.randbelow(100) / 1000)
        name = free_name(store, wanted)
        store.log(run_id, tags={MlflowTag.RUN_NAME: name})


def _namesakes(store: Store, name: str) -> list[Any]:
    return store.runs(Tag.KIND, Kind.STUDY, name_begins=name)
