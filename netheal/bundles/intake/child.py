"""The child process of `sandbox`: reads the file on standard input, writes the report in its own folder.

Its folder holds `order.json` and perhaps `profile.json`; it leaves `report.json` there, and the served form
in `served/` where the file was accepted.
"""

import json
import mmap
import os
import sys
from pathlib import Path

from netheal.bundles.intake.confine import leave_network, set_limits

ORDER, PROFILE, REPORT, SERVED = "order.json", "profile.json", "report.json", "served"
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def main() -> None:
    """Examine the file on standard input by the order in the present folder."""
    apart = leave_network()  # before any import that starts a thread
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    from netheal.bundles.intake import h5, keras_archive  # noqa: F401 - all code is loaded before the limits hold
    from netheal.bundles.intake.examine import Order, examine

    told = json.loads(Path(ORDER).read_text("utf-8"))
    profile = Path(PROFILE).read_bytes() if Path(PROFILE).exists() else None
    order = Order(told["suffix"], told["model_type"], profile, told["version"])
    set_limits()
    examined = examine(_standard_input(), order)
    document = examined.report.to_document()
    document["figures"]["network"] = "none" if apart else "not taken away: this system does not allow it"
    if not apart:
        document["warnings"].append("this system does not let the process that read the file leave the network")
    if examined.bundle is not None:
        examined.bundle.write(Path(SERVED))
    Path(REPORT).write_text(json.dumps(document, allow_nan=False), "utf-8")
    sys.stdout.flush()
    os._exit(0)


def _standard_input() -> memoryview:
    """The file's bytes, mapped and not copied."""
    if not os.fstat(0).st_size:
        return memoryview(b"")
    return memoryview(mmap.mmap(0, 0, access=mmap.ACCESS_READ))
