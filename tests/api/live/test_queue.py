"""A client's queue lets the right rows go, and every row is accounted for."""

from hypothesis import given
from hypothesis import strategies as st

from api.live.queue import ClientQueue
from api.live.row_budget import RowBudget
from tests.api.live.rows import message

ATTACK, NORMAL = message(class_name="DDoS"), message()


def offer(queue: ClientQueue, at: int, kinds: str) -> int:
    rows = [message(at + n, class_name="DDoS" if kind == "a" else "BENIGN") for n, kind in enumerate(kinds)]
    return queue.offer([r for r in rows if r.is_attack], [r for r in rows if not r.is_attack])


def places(queue: ClientQueue, most: int = 100) -> list[int]:
    return [row.at for row in queue.take(most)]


def test_rows_come_out_in_the_order_of_arrival() -> None:
    queue = ClientQueue(10)
    offer(queue, 0, "nanna")
    assert places(queue, 2) == [0, 1]
    assert places(queue) == [2, 3, 4]
    assert queue.take_skipped() == 0


def test_the_oldest_normal_rows_go_first() -> None:
    queue = ClientQueue(4)
    assert offer(queue, 0, "anna") == 0
    assert offer(queue, 4, "nn") == 2
    assert places(queue) == [0, 3, 4, 5]
    assert queue.take_skipped() == 2
    assert queue.take_skipped() == 0


def test_attacks_go_only_where_nothing_else_is_left() -> None:
    queue = ClientQueue(3)
    assert offer(queue, 0, "aanaa") == 2
    assert places(queue) == [1, 3, 4]
    offer(queue, 5, "aaa")
    assert offer(queue, 8, "n") == 1
    assert places(queue) == [5, 6, 7]
    assert queue.take_skipped() == 3


def test_what_the_tail_skipped_is_told_with_the_rest() -> None:
    queue = ClientQueue(1)
    offer(queue, 0, "nn")
    queue.skip(7)
    assert queue.take_skipped() == 8


@given(
    st.integers(1, 12),
    st.lists(st.tuples(st.text("an", max_size=15), st.integers(0, 9)), max_size=25),
)
def test_taken_and_skipped_and_kept_add_up(capacity: int, rounds: list[tuple[str, int]]) -> None:
    queue = ClientQueue(capacity)
    offered, taken, gone = 0, [], 0
    for kinds, most in rounds:
        attacks_before = sum(row.is_attack for row in queue._attacks)
        normals_before = len(queue._normals)
        went = offer(queue, offered, kinds)
        normals = normals_before + kinds.count("n")
        lost_attacks = attacks_before + kinds.count("a") - len(queue._attacks)
        assert lost_attacks == 0 or went >= normals
        offered += len(kinds)
        gone += went
        assert len(queue) <= capacity
        taken += places(queue, most)
    taken += places(queue)
    assert taken == sorted(set(taken))
    assert len(taken) + gone == offered
    assert queue.take_skipped() == gone


def test_the_allowance_is_the_rate_with_two_seconds_of_burst() -> None:
    allowance = RowBudget(100, 0.0)
    assert allowance.rows(0.0) == 200
    allowance.spend(200)
    assert allowance.rows(0.0) == 0
    assert allowance.rows(0.5) == 50
    assert allowance.rows(60.0) == 200


def test_a_rate_below_one_a_second_is_kept_too() -> None:
    allowance = RowBudget(0.1, 0.0)
    allowance.spend(allowance.rows(0.0))
    assert [allowance.rows(at) for at in (1.0, 5.0, 10.0)] == [0, 0, 1]
