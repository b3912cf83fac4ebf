"""Search spaces of other tools, read and written as annotations: Colab's forms and W&B's sweeps.

The counterpart of ``hpmagic.export``. Reading evaluates nothing.
"""

from hpmagic.imports.converted import Converted
from hpmagic.imports.sources import SOURCES, convert_file

__all__ = ["SOURCES", "Converted", "convert_file"]
