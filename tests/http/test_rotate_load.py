"""Keys exchanged under load, over a real gateway: nobody is refused, nothing is lost, all that was signed stays good."""

import json
import shutil
from collections import Counter

import pytest
from typer.testing import CliRunner

from broker.assembly import connect
from broker.cli.app import app
from broker.directory.logs import row_of
from broker.ledger.fsck import check_log
from broker.ledger.mirror import files_in, mirror
from broker.merkle.note import judged
from broker.merkle.receipt import verify_receipt
from schemas.packet import MEDIA_TYPE
from tests.http.live import Live
from tests.http.rotating import HANDLING, RECIPIENT, TIP, Load, all_verify
from tests.system.killing import start

SOME = 12


def setu(*words):
    done = CliRunner().invoke(app, [str(word) for word in (*words, "--json")])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def live(tmp_path):
    made = Live(tmp_path)
    yield made
    made.close()


class Watching:
    """An auditor with a mirror that is brought up to date at each stage, and the rows that readers of each stage have."""

    def __init__(self, live, folder):
        self.live = live
        self.folder = folder
        self.rows, self.sizes = [], []

    def look(self):
        auditor = self.live.clients["in-audit"]
        row = row_of(auditor.directory.refresh().document, self.live.gateway)
        found = mirror(auditor.log_fetch, self.folder / "mirror", row)
        assert found.before == (self.sizes[-1] if self.sizes else 0)
        shutil.copytree(self.folder / "mirror", self.folder / f"mirror-{len(self.rows)}")
        self.rows.append(row)
        self.sizes.append(found.size)
        return row


def test_nobody_notices_that_keys_are_exchanged(live, tmp_path):
    config, watching = live.deployment.config, Watching(live, tmp_path)
    rotate = ("rotate", "log", "--config", config)
    with Load(live.deployment.agencies, ["in-ncb", "in-nia"], [live.deployment.url] * 2) as load:

        def stage(*words):
            found = setu(*words) if words else {}
            load.wait(SOME)
            watching.look()
            return found

        stage()
        stage(*rotate)
        ended = stage(*rotate, "--finish")
        stage("rotate", "targets", "IND", "--config", config)
        stage("rotate", "root", "USA", "--config", config)
        broken = stage(*rotate, "--compromised")
        load.wait(SOME)
    answers = load.answers
    assert (load.refused, load.failed) == ([], [])
    assert {each.status for each in answers} == {201}
    assert Counter(each.digest for each in answers).most_common(1)[0][1] == 1
    assert len(load.read) == len(set(load.read)) == len(answers)
    assert live.accepted() == len(answers)

    newest = watching.look()
    assert [each.size for each in newest.pairs] == [None, broken["size"], ended["size"]]
    all_verify(answers, newest)
    # Who still holds the version before the change reads all that names a version before the last step.
    named = {each.digest: verify_receipt(each.receipt, newest).directory.version for each in answers}
    both = [each for each in answers if named[each.digest] < ended["version"]]
    all_verify(both, watching.rows[0])
    assert len(both) > 2 * SOME
    # And so do an auditor's old mirrors, each with what its directory said then and with the newest.
    for number, row in enumerate(watching.rows[:-1]):
        copy = files_in(tmp_path / f"mirror-{number}")
        assert check_log(copy, row).size == check_log(copy, newest).size == watching.sizes[number]
        assert check_log(files_in(tmp_path / "mirror"), newest, known=row_head(copy, newest)).size == watching.sizes[-1]
    # A reader that comes now pins the first root, and finds every version that was in force.
    fresh = tmp_path / "fresh"
    shutil.copytree(live.deployment.agencies[RECIPIENT].parent, fresh, ignore=shutil.ignore_patterns("cache"))
    with connect(fresh / "agency.toml", judging=False) as reader:
        current = reader.directory.current().ref.version
        assert [reader.directory.at(n).ref.version for n in range(1, current + 1)] == list(range(1, current + 1))
        assert {1, 2, 3, broken["version"]} <= set(named.values()) <= set(range(1, current + 1))
    left = sorted(each.name for each in (live.deployment.path / "keys").glob("[cl]*.key"))
    assert left == ["cursor-1.key", "cursor-2.key", "log-ed25519-3.key", "log-mldsa44-3.key"]


def row_head(copy, row):
    return judged(copy("checkpoint"), row.origin, row.pairs).checkpoint


@pytest.mark.long
def test_a_restart_after_each_stage_is_good(live, tmp_path):
    config = live.deployment.config
    sender, receipts = live.clients["in-ncb"], []
    first = sender.seal("tip", to=RECIPIENT, payload=TIP, handling=HANDLING).raw
    answers = []

    def lived():
        live.process.terminate()
        live.process.join(20)
        live.process = start(config, tmp_path / "gateway.log")
        live._await()
        sent = sender.send("tip", to=RECIPIENT, payload=TIP, handling=HANDLING)
        receipts.append(sent.receipt)
        answers.append(live.http["in-ncb"].post("/v1/packets", content=first, headers={"content-type": MEDIA_TYPE}))

    lived()
    setu("rotate", "log", "--config", config)
    lived()
    setu("rotate", "log", "--finish", "--config", config)
    lived()
    setu("rotate", "log", "--compromised", "--config", config)
    lived()
    row = row_of(sender.directory.refresh().document, live.gateway)
    assert [len(judged(each.checkpoint.encode(), row.origin, row.pairs).pairs) for each in receipts] == [1, 2, 1, 1]
    for each in receipts:
        verify_receipt(each, row)
    assert [each.status_code for each in answers] == [201, 200, 200, 200]
    assert len({each.content for each in answers}) == 1
    assert [each.header.from_ for each in live.clients[RECIPIENT].follow("tip", drain=True, wait=0)] == ["in-ncb"] * 5
