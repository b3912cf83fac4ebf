"""Text to `TunableCell`: finding, reading and binding ``# tune:`` comments.

Knows no IPython, no tuner and no MLflow, and evaluates nothing but literals.
"""

from hpmagic.language.cell import TunableCell
from hpmagic.language.parse import parse_cell

__all__ = ["TunableCell", "parse_cell"]
