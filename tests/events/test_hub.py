"""Who gets which bytes, and what happens to those who do not read."""

import asyncio
from typing import Any

from events.catalogue import Event, app_terminated, deployment_success, stream_attached
from events.hub import Hub
from translators.kubernetes.objects import ChangeSpec

NOW = "2024-05-01T10:00:00.000Z"
GONE = app_terminated("/a", NOW)
FRAME = (
    b"event: app_terminated_event\r\n"
    b'data: {"appId":"/a","eventType":"app_terminated_event","timestamp":"2024-05-01T10:00:00.000Z"}\r\n\r\n'
)


def a_hub(**more: Any) -> Hub:
    return Hub(lambda: NOW, **more)


def attached(address: str) -> bytes:
    return (
        b'event: event_stream_attached\r\ndata: {"remoteAddress":"' + address.encode() + b'",'
        b'"eventType":"event_stream_attached","timestamp":"2024-05-01T10:00:00.000Z"}\r\n\r\n'
    )


async def test_a_frame_is_two_lines_that_end_in_crlf_and_an_empty_one() -> None:
    hub = a_hub()
    reader = hub.attach("10.0.0.1", None, light=False)
    hub.publish([GONE])
    assert await reader.take() == attached("10.0.0.1") + FRAME


async def test_a_line_break_inside_an_event_stays_inside_its_line() -> None:
    hub = a_hub()
    reader = hub.attach("a", ["app_terminated_event"], light=False)
    hub.publish([app_terminated("/a\r\n\r\nevent: forged", NOW)])
    assert (await reader.take()).count(b"\r\n") == 3


async def test_only_types_that_were_asked_for_come_and_an_attachment_is_one_of_them() -> None:
    hub = a_hub()
    some, all_ = hub.attach("a", ["app_terminated_event"], light=False), hub.attach("b", None, light=False)
    hub.publish([stream_attached("x", NOW), GONE])
    assert await some.take() == FRAME
    assert await all_.take() == attached("b") + attached("x") + FRAME


async def test_a_plan_is_light_for_those_who_ask_and_has_two_empty_groups_for_the_others() -> None:
    hub = a_hub()
    light = hub.attach("a", ["deployment_success"], light=True)
    heavy = hub.attach("b", ["deployment_success"], light=False)
    hub.publish([deployment_success(ChangeSpec(id="d", version="v"), NOW)])
    assert b'"plan":{"id":"d","steps":[],"version":"v"}' in await light.take()
    assert b'"plan":{"id":"d","original":{},"target":{},"steps":[],"version":"v"}' in await heavy.take()


async def test_a_reader_that_is_too_slow_is_closed_after_what_it_had_and_others_lose_nothing() -> None:
    hub = a_hub(backlog=3)
    slow, quick = (
        hub.attach("s", ["app_terminated_event"], light=False),
        hub.attach("q", ["app_terminated_event"], light=False),
    )
    for _ in range(5):
        hub.publish([GONE])
        assert await quick.take() == FRAME
    assert slow.closed == "more than 3 events wait for it"
    assert not quick.closed
    assert await slow.take() == FRAME * 3
    assert await slow.take() == b""


async def test_events_that_a_reader_did_not_ask_for_do_not_count_against_it() -> None:
    hub = a_hub(backlog=1)
    reader = hub.attach("a", ["app_terminated_event"], light=False)
    hub.publish([GONE, *[stream_attached("x", NOW)] * 10])
    assert not reader.closed
    assert await reader.take() == FRAME


async def test_much_is_taken_in_bounded_pieces() -> None:
    hub = a_hub()
    reader = hub.attach("a", ["app_terminated_event"], light=False)
    hub.publish([GONE] * 5)
    assert await reader.take(limit_bytes=len(FRAME) + 1) == FRAME * 2
    assert await reader.take() == FRAME * 3


async def test_taking_waits_for_the_next_event() -> None:
    hub = a_hub()
    reader = hub.attach("a", ["app_terminated_event"], light=False)
    taking = asyncio.create_task(reader.take())
    for _ in range(5):
        await asyncio.sleep(0)
    assert not taking.done()
    hub.publish([GONE])
    assert await taking == FRAME


async def test_a_detachment_is_told_to_the_others_once_and_not_to_itself() -> None:
    hub = a_hub()
    one, other = (
        hub.attach("1", ["event_stream_detached"], light=False),
        hub.attach("2", ["event_stream_detached"], light=False),
    )
    hub.detach(one)
    hub.detach(one)
    assert hub.subscribers == (other,)
    assert (await other.take()).count(b'"remoteAddress":"1"') == 1
    assert await one.take() == b""


async def test_closing_ends_every_stream_and_those_that_come_later() -> None:
    hub = a_hub()
    reader = hub.attach("a", ["app_terminated_event"], light=False)
    hub.close()
    assert await reader.take() == b""
    assert await hub.attach("b", None, light=False).take() == b""


async def test_an_event_is_encoded_once_for_all_who_get_the_same_form() -> None:
    hub = a_hub()
    readers = [hub.attach("a", ["app_terminated_event"], light=False) for _ in range(3)]
    data: dict[str, Any] = {"appId": "/a"}
    hub.publish([Event("app_terminated_event", data)])
    data["appId"] = "/b"
    frames = [await reader.take() for reader in readers]
    assert all(b'"/a"' in frame for frame in frames)
    assert frames[0] is not None
    assert len(set(frames)) == 1
