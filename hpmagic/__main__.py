"""``python -m hpmagic`` is the ``hpmagic`` command."""

import sys

from hpmagic.cli import main

if __name__ == "__main__":
    sys.exit(main())
