"""A container's health: `python http_check.py URL` ends with 0 where the URL answers with a status below 400."""

import sys
import urllib.error
import urllib.request

_ANSWER_S = 4


def main() -> int:
    """0, or 1 and one sentence."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        opener.open(sys.argv[1], timeout=_ANSWER_S).close()
    except (OSError, urllib.error.URLError) as error:
        print(f"{sys.argv[1]}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
