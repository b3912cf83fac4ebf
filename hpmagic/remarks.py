"""The choices that were made for the person, in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hpmagic.launch import Prepared

__all__ = ["remarks_of"]


def remarks_of(ready: Prepared) -> tuple[str, ...]:
    """What a person should know of a study before it begins."""
    resumed = () if ready.resumed is None else ready.resumed.remarks
    remarks = (
        ready.after.remark,
        *resumed,
        _another_tuner(ready),
        getattr(ready.tuner, "remark", ""),
        ready.pruner.remark,
        ready.warm.remark,
        _too_little_room(ready),
    )
    return tuple(remark for remark in remarks if remark)


def _another_tuner(ready: Prepared) -> str:
    """Who goes on with a study that another tuner began."""
    before = ready.kind.name if ready.resumed is None else ready.resumed.record.info.tuner
    return "" if before == ready.kind.name else f"{ready.kind.name} goes on where {before} began"


def _too_little_room(ready: Prepared) -> str:
    """How many of the trials that are given do not run."""
    if ready.trials is None:
        return ""
    room = max(ready.trials - len(ready.after.kept), 0)
    given, left = len(ready.plan), len(ready.plan) - room
    if left <= 0:
        return ""
    return f"of {given} trials that are given the last {left} do not fit in --trials {ready.trials}"
