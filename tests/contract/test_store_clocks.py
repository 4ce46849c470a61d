"""What every store engine must do about clocks, and about bytes that are removed in their time."""

from datetime import UTC, datetime

from broker.store.clocks import ClockRow, Purge
from broker.store.opening import open_engines
from broker.store.port import Store
from broker.store.sql import SqlStore, upgrade
from tests.builders import Realm
from tests.contract.rows import EMPTY, append, new_clock, new_entry, new_head, new_packet, new_place

OPEN = ("running", "overdue")


def filled(store: Store, *clocks: ClockRow, **rows: object):
    made = {
        "packets": [new_packet(n) for n in range(4)],
        "places": [new_place(n, state="opened") for n in range(4)],
        **rows,
    }
    return append(store, EMPTY, *(new_entry(n) for n in range(4)), clocks=clocks, **made)


def test_clocks_are_kept_and_put_in_place_of_what_was(store: Store, url: str):
    two = (new_clock(0), new_clock(0, what="destruction", due=7))
    head = filled(store, *two, new_clock(1, "us-cbp"))
    with store.transaction() as transaction:
        assert transaction.clocks([0, 1]) == [*two, new_clock(1, "us-cbp")]
        assert transaction.clocks([]) == transaction.clocks([2]) == []
    append(store, head, new_entry(4), clocks=[new_clock(0, due=9, state="stopped"), new_clock(2)], head=new_head(5))
    store.close()
    again = SqlStore(url)
    assert again.clocks([2, 0]) == [new_clock(0, due=9, state="stopped"), two[1], new_clock(2)]
    again.close()


def test_open_clocks_are_the_senders_and_the_recipients_own(store: Store):
    filled(
        store,
        *(new_clock(n, state=state) for n, state in enumerate(("running", "stopped", "overdue", "running"))),
        new_clock(3, "us-cbp", due=1),
        packets=[*(new_packet(n) for n in range(3)), new_packet(3, "in-nia")],
        places=[*(new_place(n, state="opened") for n in range(3)), new_place(3), new_place(3, "us-cbp")],
    )
    overdue, running = new_clock(2, state="overdue"), new_clock(0)

    def found(agency: str, limit: int = 9) -> list[ClockRow]:
        return [each.clock for each in store.open_clocks(agency, OPEN, "pending", limit)]

    assert found("in-ncb") == found("us-dea") == [overdue, running]
    assert found("in-nia") == [new_clock(3, "us-cbp", due=1), new_clock(3)]
    assert found("us-cbp") == found("us-fincen") == []
    assert found("us-dea", 1) == [overdue]
    assert store.open_clocks("us-dea", OPEN, "pending", 1)[0][1:] == ("digest-2", "in-ncb", "tip")


def test_clocks_that_are_due(store: Store):
    filled(store, new_clock(0), new_clock(1, state="stopped"), new_clock(2), new_clock(3))
    assert store.clocks_due(99, "running", 9) == []
    assert store.clocks_due(102, "running", 9) == [("digest-0", new_clock(0)), ("digest-2", new_clock(2))]
    assert store.clocks_due(200, "running", 1) == [("digest-0", new_clock(0))]


def test_clocks_are_counted(store: Store):
    filled(
        store,
        new_clock(0, state="overdue"),
        new_clock(1, state="overdue"),
        new_clock(2),
        new_clock(3, "us-cbp", state="overdue"),
        packets=[*(new_packet(n) for n in range(3)), new_packet(3, kind="pen")],
    )
    assert store.clock_counts("us-dea", "overdue") == {"tip": 2}
    assert store.clock_counts("us-cbp", "overdue") == {"pen": 1}
    assert store.clock_counts("in-ncb", "overdue") == {}
    assert (store.clocks_in("overdue"), store.clocks_in("stopped")) == (3, 0)


def test_what_is_purged_keeps_what_it_is_told_to(store: Store, url: str):
    packets = [new_packet(0, purge=50), new_packet(1, purge=40), new_packet(2), new_packet(3, purge=60)]
    head = filled(store, packets=packets)
    assert store.purge_due() == 40
    assert store.purgeable(39, 9) == []
    assert store.purgeable(50, 9) == ["digest-1", "digest-0"]
    assert store.purgeable(99, 1) == ["digest-1"]
    append(store, head, new_entry(4), purges=[Purge(1, b"kept", b"its hash")], ended=[(1, 7), (2, 7)], head=new_head(5))
    assert store.purgeable(50, 9) == ["digest-2", "digest-0"]
    assert store.scrub()
    store.close()
    again = SqlStore(url)
    found = {row.idx: row for row, _ in again.packets([f"digest-{n}" for n in range(4)])}
    assert found[1] == packets[1]._replace(raw=None, purge=None, kept=b"kept", kept_hash=b"its hash")
    assert found[2] == packets[2]._replace(purge=7)
    assert again.found("in-ncb", ["id-1"]) == {"id-1": (1, "digest-1")}
    assert again.purge_due() == 7
    again.close()


def test_a_store_where_nothing_is_to_be_purged(store: Store):
    filled(store)
    assert store.purge_due() is None
    assert store.purgeable(10**9, 9) == []
    assert store.scrub()


def test_an_older_store_comes_to_know_when_its_packets_are_to_be_purged(store: Store, url: str):
    """What was accepted before this schema is not kept any longer for that."""
    sealed = Realm().sealed("in-ncb", ["us-dea"])
    append(store, EMPTY, new_entry(0), new_entry(1), packets=[new_packet(0), new_packet(1, raw=sealed.raw)])
    store.close()
    engines = open_engines(url)
    with engines.upgrade.begin() as connection:
        for statement in (
            "DROP TABLE clocks",
            "ALTER TABLE heads DROP COLUMN denied",
            "DROP INDEX ix_packets_purge",
            *(f"ALTER TABLE packets DROP COLUMN {each}" for each in ("purge", "kept", "kept_hash")),
            "UPDATE alembic_version SET version_num = '0003'",
        ):
            connection.exec_driver_sql(statement)
    engines.dispose()
    assert upgrade(url) == ("0003", "0005")
    again = SqlStore(url)
    assert again.purge_due() == datetime(2030, 1, 2, tzinfo=UTC).timestamp()
    assert again.purgeable(2**40, 9) == ["digest-1"]
    again.close()
