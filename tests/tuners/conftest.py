"""The programs that stand in for cells live with the tests of the study."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "study"))
