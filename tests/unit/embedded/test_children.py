"""A process that ends leaves none of those that it started."""

import subprocess
import sys

from netheal.settings import PROJECT_ROOT

STARTS_TWO = """
import subprocess, sys
from netheal.host.process import kill_children
children = [subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) for _ in range(2)]
kill_children()
print(*(child.wait(60) for child in children))
"""


def test_every_child_is_killed_and_nobody_else() -> None:
    done = subprocess.run(
        [sys.executable, "-c", STARTS_TWO], capture_output=True, text=True, timeout=120, check=True, cwd=PROJECT_ROOT
    )
    assert done.stdout.split() == ["-9", "-9"]
