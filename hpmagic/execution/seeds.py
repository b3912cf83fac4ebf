"""The seed of a repeat: in the global random states, and for the cell to read."""

from __future__ import annotations

import sys

from hpmagic.execution.current import current_trial

__all__ = ["current_seed", "set_seeds"]


def set_seeds(seed: int) -> None:
    """Seed `random`, and numpy's and torch's global states where these are imported."""
    if random := sys.modules.get("random"):
        random.seed(seed)
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed(seed)
    if torch := sys.modules.get("torch"):
        torch.manual_seed(seed)


def current_seed() -> int:
    """`hpmagic.seed`: the seed of the repeat that runs now; 0 wherever nothing is repeated.

    >>> current_seed()
    0
    """
    trial = current_trial()
    return 0 if trial is None or trial.seed is None else trial.seed
