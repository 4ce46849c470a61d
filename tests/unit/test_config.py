"""Settings of a gateway, a guard and an agency: what is taken, and what is refused with which words."""

import pytest

from broker.config import AgencySettings, GatewaySettings, GuardSettings, load
from broker.errors import IntegrityError

GUARD = '\n[guard]\nurl = "https://guard.example:8543"\n'
POSTGRES = 'gateway = "in-setu"\nstore = "postgresql://setu@db.example/setu?passfile=/etc/setu/pgpass"\n'
PROXIED = 'gateway = "in-setu"\n[listen]\nidentity = "client-cert"\n'


def written(tmp_path, text):
    path = tmp_path / "settings.toml"
    path.write_text(text)
    return path


def test_a_gateway_is_embedded_unless_it_names_a_database(tmp_path):
    assert load(GatewaySettings, written(tmp_path, 'gateway = "in-setu"\n')).embedded
    shared = load(GatewaySettings, written(tmp_path, POSTGRES + "workers = 4\n" + GUARD))
    assert (shared.embedded, shared.workers, shared.guard.url) == (False, 4, "https://guard.example:8543")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(POSTGRES, "expected `guard` beside a PostgreSQL store", id="no-guard"),
        pytest.param('gateway = "in-setu"\n' + GUARD, "only beside a PostgreSQL store", id="guard-embedded"),
        pytest.param('gateway = "in-setu"\nworkers = 2\n', "`workers` of 1", id="workers-embedded"),
        pytest.param(POSTGRES.replace("setu@", "setu:hunter2@") + GUARD, "no password", id="password"),
        pytest.param(POSTGRES.replace("passfile=", "password=") + GUARD, "no password", id="password-as-option"),
        pytest.param('gateway = "in-setu"\nstore = "mysql://x/y"\n', 'expected "sqlite"', id="another-database"),
        pytest.param(PROXIED, "one of `socket` and `proxy`", id="proxied-by-nobody"),
        pytest.param(PROXIED + f'socket = "a"\nproxy = "{"0" * 64}"\n', "one of `socket` and", id="proxied-twice"),
        pytest.param(PROXIED + 'proxy = "proxy.example"\n', "proxy", id="a-proxy-by-name"),
        pytest.param(PROXIED.replace("client-cert", "tls") + 'socket = "a"\n', "one of", id="socket-without-proxy"),
    ],
)
def test_what_does_not_fit_together_is_refused(tmp_path, text, said):
    with pytest.raises(IntegrityError, match=said) as caught:
        load(GatewaySettings, written(tmp_path, text))
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        pytest.param(
            AgencySettings, 'gateway = "in-setu"\n', "Expected an agency's .* found a gateway's", id="gateway"
        ),
        pytest.param(AgencySettings, 'profile = "agency.toml"\n', "found an adapter's", id="adapter"),
        pytest.param(GatewaySettings, 'agency = "us-dea"\ngateway = "in-setu"\n', "found an agency's", id="agency"),
        pytest.param(GatewaySettings, 'origin = "x/log"\nvkeys = ["a", "b"]\n', "found a guard's", id="guard"),
        pytest.param(GuardSettings, 'gateway = "in-setu"\n', "Expected a guard's .* found a gateway's", id="no-guard"),
        pytest.param(AgencySettings, 'agency = "us-dea"\n', "found at `url`: Field required", id="its-own-kind"),
        pytest.param(GatewaySettings, "# Setu\n\nHunter2 is\n", r"another text \(at line 3, column 9\)", id="no-toml"),
        pytest.param(GatewaySettings, 'gateway = "in-setu', r"another text \(at end of document\)", id="cut-off"),
    ],
)
def test_the_wrong_file_is_named_for_what_it_is(tmp_path, kind, text, said):
    with pytest.raises(IntegrityError, match=said) as caught:
        load(kind, written(tmp_path, text))
    assert "Hunter2" not in str(caught.value)


def test_an_agency_names_one_gateway_or_several(tmp_path):
    base = 'agency = "us-dea"\ngateway = "in-setu"\n'
    one = load(AgencySettings, written(tmp_path, base + 'url = "https://a:1"\n'))
    two = load(AgencySettings, written(tmp_path, base + 'url = ["https://a:1", "https://b:2"]\n'))
    assert (one.url, two.url) == (("https://a:1",), ("https://a:1", "https://b:2"))
    for wrong in ("[]", '["http://a:1"]', '"https://a:1/path"'):
        with pytest.raises(IntegrityError, match="url"):
            load(AgencySettings, written(tmp_path, base + f"url = {wrong}\n"))


def test_a_guard_needs_both_keys_of_the_log(tmp_path):
    text = 'origin = "in-setu.example/log"\nvkeys = ["a", "b"]\n'
    assert load(GuardSettings, written(tmp_path, text)).at(GuardSettings.model_fields["file"].default).name == "head"
    assert load(GuardSettings, written(tmp_path, text.replace('"b"]', '"b", "c", "d"]'))).vkeys == ("a", "b", "c", "d")
    for wrong in ('["a"]', '["a", "b", "c"]', "[]"):
        with pytest.raises(IntegrityError, match="vkeys"):
            load(GuardSettings, written(tmp_path, text.replace('["a", "b"]', wrong)))


@pytest.mark.parametrize(
    ("kind", "advice"),
    [
        pytest.param(GatewaySettings, "Make them with `setu init DIR`.", id="gateway"),
        pytest.param(GuardSettings, "beside the guard's certificate", id="guard"),
        pytest.param(AgencySettings, "in the folder it got or made when it was enrolled", id="agency"),
    ],
)
def test_settings_that_are_not_there_say_where_they_come_from(tmp_path, kind, advice):
    with pytest.raises(IntegrityError) as caught:
        load(kind, tmp_path / "settings.toml")
    assert advice in caught.value.advice
