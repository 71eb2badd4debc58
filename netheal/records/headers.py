"""The headers of flow files: which of them mean something, under which name on the wire, and how large they may be.

A header is a known one when its key (lower case, other characters collapsed to one underscore) is the key of a
feature's name, column or alias, or of an envelope field. Of two headers that mean the same the FIRST counts; the
second is kept as `<wire name>.1`, which is no feature. All other columns keep their names, and the job ignores them.
"""

from collections.abc import Collection, Iterable, Sequence

from netheal.contracts import Contract, Feature, envelope_spellings
from netheal.contracts.spelling import header_key

MAX_COLUMNS = 1024
MAX_NAME_CHARS = 256
MAX_HEADER_CHARS = 64 * 1024
"""Of all names together: every row of a file becomes a message that repeats them."""


def header_fault(headers: Sequence[str]) -> str | None:
    """Why these are not taken for a header, as the end of a sentence; to be asked before anything else."""
    if len(headers) > MAX_COLUMNS:
        return f"the header has {len(headers)} columns, more than {MAX_COLUMNS}"
    longest = max(map(len, headers), default=0)
    if longest > MAX_NAME_CHARS:
        return f"a name in the header has {longest} characters, more than {MAX_NAME_CHARS}"
    return header_line_fault(sum(map(len, headers)))


def header_line_fault(chars: int) -> str | None:
    """The same of the header's length alone, before it is taken apart."""
    if chars > MAX_HEADER_CHARS:
        return f"the header has {chars} characters, more than {MAX_HEADER_CHARS}: is the first line one of names?"
    return None


def wire_headers(headers: Iterable[str], features: Collection[Feature]) -> list[str]:
    """The name on the wire of each header; a name that was taken before gets `.1`, `.2`, …"""
    known = _spellings(features)
    exact = {spelling for fields in envelope_spellings().values() for spelling in fields}
    exact |= {feature.name for feature in features}
    taken: set[str] = set()
    copies: dict[str, int] = {}
    names = []
    for header in headers:
        wire = header if header in exact else known.get(header_key(header), header)
        name = wire
        while name in taken:
            # From the last one on: to begin at the first each time would take quadratic time.
            copies[wire] = copies.get(wire, 0) + 1
            name = f"{wire}.{copies[wire]}"
        taken.add(name)
        names.append(name)
    return names


def known_places(names: Sequence[str], contracts: Sequence[Contract]) -> list[int]:
    """The places of those wire names that mean something: features of `contracts`, and the envelope's fields."""
    known = {name for contract in contracts for name in contract.names}
    known |= {spelling for fields in envelope_spellings().values() for spelling in fields}
    return [place for place, name in enumerate(names) if name in known]


def lacking_features(names: Iterable[str], contracts: Sequence[Contract]) -> dict[str, list[str]]:
    """Contract id -> those of its features that are not among wire names `names`."""
    there = set(names)
    return {contract.id: [name for name in contract.names if name not in there] for contract in contracts}


def _spellings(features: Iterable[Feature]) -> dict[str, str]:
    known: dict[str, str] = {}
    for fields in envelope_spellings().values():
        for spelling in fields:
            known.setdefault(header_key(spelling), spelling)
    for feature in features:
        for spelling in feature.spellings:
            known[header_key(spelling)] = feature.name
    return known
