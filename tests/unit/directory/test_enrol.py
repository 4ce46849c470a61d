"""A request held against the directory it is to join; the row and the version that come of a good one."""

import pytest

from broker.crypto.certificates import directory_row, pem_to_der
from broker.crypto.keys import PublicKey
from broker.directory.enrol import DAY, Terms, admitted, check_country, check_request, faults
from broker.envelope.enrolment import parse_enrolment
from broker.errors import IntegrityError, MalformedError, PacketError, SetuError
from schemas.directory import Channel, Role
from schemas.handling import Classification, Level, Purpose
from schemas.packet import SuiteName
from tests.builders import NOW, Realm, authority, client_certificate, key_row, private_key
from tests.enrolling import Applicant

REALM = Realm()
TERMS = Terms(Classification(system="US", level=Level.US_LES), mandates=(Purpose.BORDER,), communities=("narcotics",))


def refused(applicant, code, *, wrap=None, realm=REALM, now=NOW):
    parsed = parse_enrolment(applicant.request(wrap))
    with pytest.raises(SetuError) as found:
        check_request(parsed, realm.snapshot, now)
    assert found.value.code == code, str(found.value)
    return str(found.value)


def test_a_good_request_has_no_faults():
    assert list(faults(Applicant().parsed(), REALM.snapshot, NOW)) == []


@pytest.mark.parametrize(
    ("applicant", "code"),
    [
        pytest.param(Applicant(realm=Realm(name="another").realm), "wrong-audience", id="another-realm"),
        pytest.param(Applicant(suite=SuiteName.HYBRID_1024), "wrong-suite", id="another-suite"),
        pytest.param(Applicant(made=NOW - 91 * DAY), "expired", id="too-old"),
        pytest.param(Applicant(made=NOW + 400), "clock-skew", id="made-later"),
        pytest.param(Applicant(id="xx-tst"), "schema", id="no-country"),
        pytest.param(Applicant(id="us-dea"), "id-conflict", id="an-id-that-is-taken"),
        pytest.param(Applicant(id="us-d3a"), "id-conflict", id="an-id-that-looks-like-another"),
        pytest.param(Applicant(id="us-clea"), "id-conflict", id="cl-for-d"),
        pytest.param(Applicant(name="Narcotics Contro1 Bureau"), "id-conflict", id="a-name-that-looks-like-another"),
        pytest.param(Applicant(name="T\u0435st Service"), "schema", id="a-name-of-two-alphabets"),
    ],
)
def test_what_may_not_join(applicant, code):
    refused(applicant, code)


def test_a_wrap_key_that_another_agency_has():
    assert "one of in-ncb" in refused(Applicant(), "id-conflict", wrap=REALM.members["in-ncb"].wrap)


def test_signing_keys_that_another_agency_has():
    class Reuses(Applicant):
        signer = REALM.members["us-cbp"].sign

    assert "one of us-cbp" in refused(Reuses(), "id-conflict")


def test_half_of_a_wrap_key_is_enough():
    """The curve's half of another agency's wrap key, under a lattice half of one's own."""
    theirs, mine = REALM.members["in-ncb"].wrap.public.raw, private_key("HPKE-9-KE", "half").public.raw

    class Half:
        public = PublicKey("HPKE-9-KE", mine[:-32] + theirs[-32:])

    assert "one of in-ncb" in refused(Applicant(), "id-conflict", wrap=Half)


def test_a_retired_key_is_not_free_either():
    old = private_key("HPKE-9-KE", "retired")
    rows = next(each.to_object() for each in REALM.directory.agencies if each.id == "us-dea")["keys"]
    realm = REALM.with_(agencies={"us-dea": {"keys": [*rows, key_row(old, "wrap", state="revoked").to_object()]}})
    assert "one of us-dea" in refused(Applicant(), "id-conflict", wrap=old, realm=realm)


@pytest.mark.parametrize("country", ["IND", "US", "", None])
def test_a_country_vouches_for_its_own_agencies_alone(country):
    with pytest.raises(PacketError) as found:
        check_country("us-tst", country)
    assert found.value.code == "sender-mismatch"


def test_its_own_country_does():
    check_country("us-tst", "USA")
    check_country("au-afp", "AUS")


def test_a_practice_partner_is_vouched_for_by_whoever_runs_it():
    """Decision 21: it is of no country; an authority of none does not vouch for it either."""
    for country in ("IND", "USA"):
        check_country("zz-try", country)
    with pytest.raises(PacketError):
        check_country("zz-try", None)


def row():
    return directory_row(client_certificate("us-tst").der)


def test_the_row_says_what_was_granted_and_offered():
    applicant = Applicant()
    pem = authority("us").certify_client("us-tst", 1, applicant.parsed().csr.key, now=NOW)
    made = admitted(REALM.directory, applicant.parsed(), TERMS, directory_row(pem_to_der(pem)), NOW)
    agency = made.agencies[-1]
    assert (made.version, agency.id, agency.name, agency.country) == (2, "us-tst", "Test Service", "USA")
    assert (agency.roles, agency.channels, agency.mandates) == ((Role.AGENCY,), (Channel.HTTPS,), (Purpose.BORDER,))
    assert {key.kid for key in agency.keys} == {key.kid for key in applicant.parsed().keys}
    assert {(key.not_before, key.not_after) for key in agency.keys} == {(NOW - 300, NOW - 300 + 731 * DAY)}
    assert agency.certificates[0].uri == "urn:setu:agency:us-tst:g1"
    assert made.communities[0].members[-1] == "us-tst"
    assert made.agencies[:-1] == REALM.directory.agencies


@pytest.mark.parametrize(
    "over",
    [
        pytest.param({"roles": (Role.GATEWAY,)}, id="a-gateway"),
        pytest.param({"roles": (Role.AGENCY, Role.OPERATOR)}, id="an-operator"),
        pytest.param({"communities": ("tea",)}, id="no-such-community"),
        pytest.param({"clients": ("us-none",)}, id="no-such-client"),
    ],
)
def test_terms_that_the_directory_does_not_know(over):
    terms = Terms(**{**{each: getattr(TERMS, each) for each in Terms.__slots__}, **over})
    with pytest.raises(MalformedError) as found:
        admitted(REALM.directory, Applicant().parsed(), terms, row(), NOW)
    assert found.value.code == "bad-request"


def test_another_agencys_certificate_is_refused():
    theirs = directory_row(client_certificate("us-cbp", 2).der)
    with pytest.raises(IntegrityError) as found:
        admitted(REALM.directory, Applicant().parsed(), TERMS, theirs, NOW)
    assert found.value.code == "directory-invalid"
