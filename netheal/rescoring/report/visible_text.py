"""Text of strangers as it may be shown: what steers a terminal or the direction of a line stands as its number."""

import unicodedata

_STEERING = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def visible_text(text: str) -> str:
    """The text with control, formatting and unassigned characters written out.

    >>> visible_text("gpj\\u202eexe\\0")
    'gpj[U+202E]exe[U+0000]'
    """
    return "".join(f"[U+{ord(char):04X}]" if unicodedata.category(char) in _STEERING else char for char in text)
