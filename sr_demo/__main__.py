"""`python -m sr_demo`."""

import sys

from sr_demo.cli import main

sys.exit(main())
