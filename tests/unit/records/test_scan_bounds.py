"""The scan reads no byte outside of the messages that it is given, whatever they hold."""

import os
import subprocess
import sys
from pathlib import Path

from netheal.settings import PROJECT_ROOT

MESSAGES = "tests/unit/records/test_two_decoders.py"
CUT_SHORT = """
import pyarrow as pa
from netheal.contracts import wire_contracts
from netheal.records.decode import MessageDecoder
from netheal.records.vocabulary import vocabulary

decoder = MessageDecoder(vocabulary(wire_contracts()))
message = b'{"src_ip":"10.0.0.1","count":-1.5e-3,"flag":null,"\\\\u0041":[{"a":true,"b":Infinity}],"duration":1} '
for end in range(len(message)):
    decoder.decode(pa.array([message[:end]], pa.binary()))
"""


def test_no_index_is_out_of_bounds(tmp_path: Path) -> None:
    """Generated messages, mutants, and one that ends at each of its bytes, by code that looks at every index."""
    checked = os.environ | {"NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path)}
    for command in (["-c", CUT_SHORT], ["-m", "pytest", "-q", "-p", "no:cacheprovider", MESSAGES]):
        done = subprocess.run(
            [sys.executable, *command],
            cwd=PROJECT_ROOT,
            env=checked,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
