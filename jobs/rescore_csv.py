"""Score flow files of any size: CSV and Parquet in, verdicts and rejected rows in Delta, and a report.

Runs by `netheal rescore` on one machine and by spark-submit on a cluster. A run that was killed, started again with
its --run-id, goes on.
"""

import sys

from jobs.stages.rescoring import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], stored=False))
