"""The global random states that each trial begins with, carried to another process."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

__all__ = ["random_states", "set_random_states"]


def random_states() -> dict[str, Any]:
    """The states of `random`, and of numpy and torch where they are imported, by library."""
    states: dict[str, Any] = {}
    if random := sys.modules.get("random"):
        states["random"] = random.getstate()
    if numpy := sys.modules.get("numpy"):
        states["numpy"] = numpy.random.get_state(legacy=False)
    if torch := sys.modules.get("torch"):
        states["torch"] = torch.get_rng_state().numpy()
    return states


def set_random_states(states: Mapping[str, Any]) -> None:
    """Bring this process to `random_states` of another; imports the libraries."""
    if "random" in states:
        import random

        random.setstate(states["random"])
    if "numpy" in states:
        import numpy as np

        np.random.set_state(states["numpy"])
    if "torch" in states:
        import torch

        torch.set_rng_state(torch.from_numpy(states["torch"].copy()))
