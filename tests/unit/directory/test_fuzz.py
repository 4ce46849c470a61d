"""Whatever bytes stand in the repository's files, a reader takes them or refuses them in its own words."""

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from broker.directory.tuf import RemoteDirectory
from broker.errors import IntegrityError, NotFoundError, UnavailableError
from tests.unit.directory.realm import Clock, document, found_realm

with TemporaryDirectory() as _name:
    found_realm(Path(_name), Clock())
    FILES = {str(path.relative_to(_name)): path.read_bytes() for path in Path(_name).rglob("*.json")}
NAMES = sorted(FILES)


@st.composite
def spoilt(draw: st.DrawFn) -> tuple[str, bytes]:
    """One file's name, and other bytes for it: a stretch replaced, or JSON of another shape."""
    name = draw(st.sampled_from(NAMES))
    raw = FILES[name]
    start = draw(st.integers(0, len(raw)))
    end = draw(st.integers(start, min(len(raw), start + 40)))
    stretch = draw(
        st.one_of(
            st.binary(max_size=8),
            st.sampled_from(
                [b"null", b"[]", b"{}", b"1e999", b"-1", b'""', b"[" * 5000, b"9" * 5000, b"\xff", b"\x00"]
            ),
        )
    )
    return name, draw(st.sampled_from([raw[:start] + stretch + raw[end:], stretch]))


@settings(max_examples=120, deadline=None)
@given(changed=spoilt())
def test_taken_or_refused(changed: tuple[str, bytes]) -> None:
    files = FILES | dict([changed])

    def fetch(name: str) -> bytes:
        if name not in files:
            raise NotFoundError
        return files[name]

    with TemporaryDirectory() as cache:
        try:
            pinned = files["metadata/1.root.json"]
            found = RemoteDirectory(fetch, pinned, Path(cache), Clock()).refresh()
        except (IntegrityError, UnavailableError):
            return
        assert found.document == document()
