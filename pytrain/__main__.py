"""`python -m pytrain` is `pytrain`."""

from __future__ import annotations

import sys

from pytrain.cli import main

sys.exit(main())
