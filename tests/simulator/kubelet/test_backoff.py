"""Restarts are held back as a kubelet holds them back."""

from gateway.simulator.kubelet.backoff import Backoff


def test_the_first_restart_is_immediate_and_then_the_delay_doubles_to_five_minutes() -> None:
    backoff, now, seen = Backoff(), 1000.0, []
    for _ in range(8):
        delay = backoff.delay(now)
        seen.append(delay)
        now += delay
        backoff.restarted(now)
    assert seen == [0, 10, 20, 40, 80, 160, 300, 300]


def test_ten_minutes_of_peace_are_enough_to_start_anew() -> None:
    backoff = Backoff()
    for _ in range(5):
        backoff.restarted(0.0)
    assert backoff.delay(599.0) == 160
    assert backoff.delay(601.0) == 0
    backoff.restarted(601.0)
    assert backoff.delay(602.0) == 10
