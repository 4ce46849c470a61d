"""What a process tells of its own certificates."""

import re

from broker.assembly.figures import end_of, watch_certificates
from broker.crypto.certificates import Authority
from broker.telemetry.metrics import Figures

NOW = 1_790_000_000
DAY = 86_400


def test_the_first_of_its_certificates_to_end_is_the_one_that_is_told(tmp_path):
    authority = Authority.create("IND", now=NOW)
    paths = []
    for days in (300, 20, 100):
        issued = authority.issue_client("in-setu", days, now=NOW, unit="gateway", days=days)
        issued.save(tmp_path / f"{days}.pem", tmp_path / f"{days}.key")
        paths.append(tmp_path / f"{days}.pem")
    figures = Figures()
    watch_certificates(figures, *map(end_of, paths))
    told = re.search(rb"^setu_certificate_expiry_timestamp_seconds (\S+)$", figures.render(), re.MULTILINE)
    assert 19 * DAY < float(told[1]) - NOW <= 20 * DAY + 60


def test_once_a_file_is_replaced_the_new_one_is_told(tmp_path):
    authority, pem = Authority.create("IND", now=NOW), tmp_path / "x.pem"
    authority.issue_client("in-setu", 1, now=NOW, unit="gateway", days=20).save(pem, tmp_path / "x.key")
    end = end_of(pem)
    first = end()
    pem.write_bytes(authority.issue_client("in-setu", 2, now=NOW, unit="gateway", days=60).certificate)
    assert end() - first == 40 * DAY
