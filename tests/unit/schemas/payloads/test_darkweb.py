from typing import Any

import pytest

from schemas import registry
from tests.unit.schemas.refusals import GONE, MARKER, changed, fault

ONION = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion"
SAMPLES = ("onion-market", "web-market", "messenger", "social")


@pytest.mark.parametrize("name", SAMPLES)
def test_a_platform_has_a_sample_of_its_own(name: str) -> None:
    assert registry.samples("darkweb")[name]["platform"] == name


@pytest.mark.parametrize(
    ("sample", "pointer", "value", "at", "sentence"),
    [
        pytest.param("onion-market", "/platform", MARKER, "/platform", "'onion-market'", id="platform"),
        pytest.param("onion-market", "/market", GONE, "/market", "onion-market, found none", id="onion-without-market"),
        pytest.param("onion-market", "/onion", GONE, "/onion", "found none", id="onion-market-without-onion"),
        pytest.param(
            "onion-market", "/vendor_handle", GONE, "/vendor_handle", "found none", id="market-without-vendor"
        ),
        pytest.param("web-market", "/market", GONE, "/market", "found none", id="web-market-without-market"),
        pytest.param("web-market", "/site", GONE, "/site", "found none", id="web-market-without-site"),
        pytest.param("web-market", "/vendor_handle", GONE, "/vendor_handle", "found none", id="web-without-vendor"),
        pytest.param("messenger", "/service", GONE, "/service", "found none", id="messenger-without-service"),
        pytest.param("messenger", "/account_id", GONE, "/account_id", "found none", id="messenger-without-account"),
        pytest.param("social", "/service", GONE, "/service", "found none", id="social-without-service"),
        pytest.param("social", "/account_id", GONE, "/account_id", "found none", id="social-without-account"),
        pytest.param("web-market", "/onion", ONION, "/onion", "only with platform onion-market", id="onion-on-the-web"),
        pytest.param("messenger", "/onion", ONION, "/onion", "only with platform", id="onion-of-a-messenger"),
        pytest.param("social", "/onion", ONION, "/onion", "only with platform", id="onion-of-a-network"),
        pytest.param("onion-market", "/site", "shop.example", "/site", "only with platform web", id="site-of-an-onion"),
        pytest.param(
            "messenger", "/market", "x", "/market", "only with platform onion-market or", id="market-messenger"
        ),
        pytest.param(
            "onion-market", "/topic", "x", "/topic", "only with platform messenger or", id="topic-of-a-market"
        ),
        pytest.param("web-market", "/service", "x", "/service", "only with platform", id="service-of-a-market"),
        pytest.param("onion-market", "/onion", ONION.replace("pg", "ag", 1), "/onion", "does not exist", id="onion"),
        pytest.param("onion-market", "/onion", "facebookcorewwwi.onion", "/onion", "56 characters", id="onion-v2"),
        pytest.param("web-market", "/site", ONION, "/site", "not an onion address", id="onion-as-a-site"),
        pytest.param("web-market", "/site", "Shop.Example", "/site", "lower case", id="site-in-capitals"),
        pytest.param("web-market", "/site", "https://shop.example", "/site", "a host name", id="url-as-a-site"),
        pytest.param("web-market", "/site", "sh\u043ep.example", "/site", "outside ASCII", id="cyrillic-in-a-site"),
        pytest.param("onion-market", "/listing", GONE, "/listing", "found none", id="no-listing"),
        pytest.param("onion-market", "/listing/text", GONE, "/listing/text", "found none", id="no-text"),
        pytest.param("onion-market", "/listing/sha256", GONE, "/listing/sha256", "found none", id="no-hash"),
        pytest.param("onion-market", "/listing/text", MARKER, "/listing/sha256", "SHA-256", id="text-of-another-hash"),
        pytest.param(
            "onion-market", "/listing/sha256", "0" * 64, "/listing/sha256", "SHA-256", id="hash-of-another-text"
        ),
        pytest.param(
            "onion-market", "/listing/sha256", "A" * 64, "/listing/sha256", "another form", id="hash-in-capitals"
        ),
        pytest.param("onion-market", "/offers", [], "/offers", "at least 1", id="nothing-offered"),
        pytest.param(
            "onion-market", "/offers/0/substance/cas", "437-38-8", "/offers/0/substance/cas", "does not exist", id="cas"
        ),
        pytest.param(
            "onion-market",
            "/offers/0/prices/0/amount",
            "0",
            "/offers/0/prices/0/amount",
            "above zero",
            id="for-nothing",
        ),
        pytest.param(
            "onion-market", "/offers/0/prices/0/asset", "XMQ", "/offers/0/prices/0/asset", "ISO 4217", id="currency"
        ),
        pytest.param(
            "onion-market", "/vendor_handle", "bridge_m\u0435ds", "/vendor_handle", "ASCII", id="cyrillic-handle"
        ),
        pytest.param("onion-market", "/pgp_fingerprint", "AB" * 19, "/pgp_fingerprint", "40 or 64", id="fingerprint"),
        pytest.param("onion-market", "/captured_at", GONE, "/captured_at", "found none", id="never-captured"),
        pytest.param("onion-market", "/listed_since", "2026-02-14", "/listed_since", "not after", id="listed-later"),
        pytest.param("onion-market", "/ships_from", ["IND", "IND"], "/ships_from", "each once", id="from-twice"),
        pytest.param("onion-market", "/ships_to", ["USA", "USA"], "/ships_to", "each once", id="to-twice"),
        pytest.param("onion-market", "/ships_to", ["US"], "/ships_to/0", "alpha-3", id="to-two-letters"),
        pytest.param("onion-market", "/ships_worldwide", True, "/ships_to", "worldwide", id="worldwide-and-named"),
        pytest.param(
            "onion-market",
            "/payment_accounts/0",
            "tron:0x2b6653dc:TKMApvjMZNkXWuF77727LGsqYyiWvmLuhW",
            "/payment_accounts/0",
            "CAIP-10",
            id="wallet-checksum",
        ),
    ],
)
def test_is_refused(sample: str, pointer: str, value: Any, at: str, sentence: str) -> None:
    found = fault("darkweb", changed("darkweb", sample, pointer, value))
    assert found.pointer == at
    assert sentence in found.sentence


def test_an_account_may_not_be_named_twice() -> None:
    document = registry.samples("darkweb")["onion-market"]
    document["payment_accounts"] *= 2
    assert fault("darkweb", document).pointer == "/payment_accounts"


@pytest.mark.parametrize(
    ("sample", "pointer", "value"),
    [
        pytest.param("onion-market", "/account_id", "4417", id="account-behind-the-vendor"),
        pytest.param("onion-market", "/listed_since", "2026-02-12", id="listed-that-day"),
        pytest.param("onion-market", "/listed_since", "2026-02-13", id="where-the-day-has-begun"),
        pytest.param("onion-market", "/ships_worldwide", False, id="named-and-not-worldwide"),
        pytest.param("web-market", "/site", "xn--e1afmkfd.xn--p1ai", id="a-label"),
        pytest.param("messenger", "/vendor_handle", GONE, id="account-without-handle"),
        pytest.param("messenger", "/topic", GONE, id="no-topic"),
        pytest.param("onion-market", "/pgp_fingerprint", "AB" * 32, id="fingerprint-v6"),
        pytest.param("social", "/offers/0/substance/name", "something new", id="unlisted-substance"),
    ],
)
def test_is_taken(sample: str, pointer: str, value: Any) -> None:
    document = changed("darkweb", sample, pointer, value)
    assert registry.check("darkweb", 1, document).to_object() == document


@pytest.mark.parametrize(
    ("sample", "people"),
    [
        ("onion-market", ("/vendor_handle",)),
        ("web-market", ("/vendor_handle",)),
        ("messenger", ("/vendor_handle", "/account_id")),
        ("social", ("/account_id",)),
    ],
)
def test_a_vendor_is_a_person(sample: str, people: tuple[str, ...]) -> None:
    assert registry.check("darkweb", 1, registry.samples("darkweb")[sample]).people() == people
