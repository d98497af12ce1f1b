"""Runs the command line: `python -m sr_demo`."""

import sys

from sr_demo.cli.main import main

sys.exit(main())
