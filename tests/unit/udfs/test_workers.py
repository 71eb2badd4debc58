"""A worker keeps the policy that is in use, and no other."""

from netheal.healing.policy import read_document
from netheal.settings import PROJECT_ROOT
from udfs import workers
from udfs.workers import parsed_policy


def test_a_policy_is_parsed_once_while_it_is_in_use() -> None:
    document = read_document(PROJECT_ROOT / "conf" / "healing_policy.json")
    first = parsed_policy("a", document)
    assert parsed_policy("a", document) is first
    for version in ("b", "c", "d"):
        parsed_policy(version, document)
        assert list(workers._POLICIES) == [version]
