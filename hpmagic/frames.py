"""Frames of studies and trials in forms that hold less than a frame does."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from hpmagic.distributions import label_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["in_json", "rows_as_json", "uniform"]


def rows_as_json(table: pd.DataFrame) -> str:
    """A frame's rows, every number in full."""
    rows = table.to_dict(orient="records")
    return json.dumps([{name: in_json(value) for name, value in row.items()} for row in rows])


def in_json(value: Any) -> Any:
    """A value of a frame; null where JSON has no number, a text where it has no such thing."""
    import pandas as pd

    if isinstance(value, pd.Timestamp):
        return value.tz_convert(None).isoformat(timespec="milliseconds") + "Z"
    if value is pd.NA or value is pd.NaT or (isinstance(value, float) and not math.isfinite(value)):
        return None
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return label_of(value)
    return value


def uniform(table: pd.DataFrame) -> pd.DataFrame:
    """A frame that Parquet can hold: in columns of several kinds all is text."""
    import pandas as pd

    held = table.copy()
    for name, column in table.select_dtypes("object").items():
        nothing = [value is None or value is pd.NA for value in column]
        pairs = list(zip(column, nothing, strict=True))
        if len({type(value) for value, empty in pairs if not empty}) > 1:
            held[name] = [None if empty else label_of(value) for value, empty in pairs]
    return held
