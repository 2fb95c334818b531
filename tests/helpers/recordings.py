"""Where real recordings lie: what tests of them look for, and are skipped without."""

import os
from pathlib import Path

_FOLDER = Path(os.environ.get("JOINTWISE_RECORDINGS", Path(__file__).resolve().parents[3] / "shared" / "data"))
UTD_MHAD, SBU, WMFT = (_FOLDER / name for name in ("utd-mhad", "sbu", "wmft"))
