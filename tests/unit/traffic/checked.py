"""Messages through the stream's decoder and check, all contracts having an active model that knows the usual words."""

import pyarrow as pa

from netheal.contracts import wire_contracts
from netheal.records.check import Checked, check
from netheal.records.decode import MessageDecoder
from netheal.records.vocabulary import vocabulary
from netheal.traffic.profiles import shipped_profile

_DECODER = MessageDecoder(vocabulary(wire_contracts()))


def checked(messages: list[bytes]) -> Checked:
    words = shipped_profile("threat").words
    encoders = {name: {word: float(code) for code, word in enumerate(words[name])} for name in words}
    active = {of.id: encoders if of.model_type == "threat_detector" else {} for of in wire_contracts()}
    return check(_DECODER.decode(pa.array(messages, pa.binary())), active)
