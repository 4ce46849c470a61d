import asyncio
import threading

from broker.flows.bell import Bell

TOPIC = ("us-dea", "tip")


async def test_who_waits_hears_a_ring_from_another_thread():
    bell = Bell(asyncio.get_running_loop())
    with bell.listen(TOPIC) as listener:
        threading.Thread(target=bell.ring, args=(frozenset({TOPIC}),)).start()
        await asyncio.wait_for(listener.wait(30), 5)


async def test_a_ring_between_a_look_and_a_wait_is_heard():
    bell = Bell(asyncio.get_running_loop())
    with bell.listen(TOPIC) as listener:
        bell.ring(frozenset({TOPIC}))
        await asyncio.sleep(0)
        await asyncio.wait_for(listener.wait(30), 5)


async def test_another_topic_does_not_wake():
    bell = Bell(asyncio.get_running_loop())
    with bell.listen(TOPIC) as listener:
        bell.ring(frozenset({("us-dea", "pen"), ("us-deaf", "tip")}))
        waiting = asyncio.ensure_future(listener.wait(30))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        bell.close()
        await asyncio.wait_for(waiting, 5)


async def test_a_wait_ends_with_its_time():
    bell = Bell(asyncio.get_running_loop())
    with bell.listen(TOPIC) as listener:
        await asyncio.wait_for(listener.wait(0.01), 5)
