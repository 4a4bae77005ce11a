"""`python -m tlzoo` is the command line."""

import sys

from tlzoo.cli import main

sys.exit(main())
