"""Files replaced under programs that read them."""

import stat
import tomllib

import pytest

from broker.cli.inplace import in_place, put, renamed
from broker.errors import IntegrityError, MalformedError

NEW = {"certificate": "tls-2.pem", "certificate_key": "tls-2.key"}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('agency = "us-dea"\n', id="not-there"),
        pytest.param('agency = "us-dea"', id="without-a-last-line-feed"),
        pytest.param('certificate = "tls.pem"\ncertificate_key = "tls.key"\nagency = "us-dea"\n', id="there"),
        pytest.param("certificate = 'tls.pem' # the first\nagency = \"us-dea\"\n", id="in-single-quotes"),
        pytest.param('agency = "us-dea"\n\n[kafka]\nbootstrap = ["k:1"]\n', id="before-a-table"),
        pytest.param(
            'agency = "us-dea"\n[kafka]\nca = "a"\ncertificate = "of another kind"\n', id="a-table-has-one-too"
        ),
        pytest.param('# certificate = "no"\nagency = "us-dea"\n', id="in-a-comment"),
        pytest.param("", id="nothing"),
    ],
)
def test_two_members_change_and_nothing_else(text):
    after = renamed(text, NEW)
    assert tomllib.loads(after) == {**tomllib.loads(text), **NEW}
    assert [line for line in text.splitlines() if line.startswith("#")] == [
        line for line in after.splitlines() if line.startswith("#")
    ]
    assert renamed(after, NEW) == after


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('certificate = """\ntls.pem"""\n', id="on-several-lines"),
        pytest.param('"certificate" = "tls.pem"\n', id="a-quoted-name"),
        pytest.param("certificate = 3\n", id="no-text"),
    ],
)
def test_what_cannot_be_changed_is_told(text):
    with pytest.raises(MalformedError) as found:
        renamed(text, NEW)
    assert 'certificate = "tls-2.pem"' in found.value.advice


def test_a_file_keeps_its_mode_and_a_link_stays_one(tmp_path):
    file, link = tmp_path / "real.toml", tmp_path / "agency.toml"
    file.write_text("old")
    file.chmod(0o640)
    link.symlink_to(file)
    in_place(link, b"new")
    assert (link.is_symlink(), file.read_text(), stat.S_IMODE(file.stat().st_mode)) == (True, "new", 0o640)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["agency.toml", "real.toml"]


def test_a_new_file_is_there_at_once_and_never_over_another(tmp_path):
    put(tmp_path / "a.pem", b"one")
    put(tmp_path / "a.pem", b"one")
    with pytest.raises(IntegrityError):
        put(tmp_path / "a.pem", b"two")
    put(tmp_path / "a.key", b"secret", secret=True)
    with pytest.raises(IntegrityError):
        put(tmp_path / "a.key", b"secret", secret=True)
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("a.pem", "a.key")] == [0o644, 0o600]
    assert len(list(tmp_path.iterdir())) == 2
