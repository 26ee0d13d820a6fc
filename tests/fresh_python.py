"""A Python process of its own, for what belongs to the process."""

from __future__ import annotations

import os
import subprocess
import sys


def fresh_python(source: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the source; env is added to the environment."""
    return subprocess.run(
        [sys.executable, "-c", source],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
