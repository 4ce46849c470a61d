"""A receipt writes its canonical bytes by itself: they are those of its object, whatever stands in it."""

from hypothesis import given
from hypothesis import strategies as st

from schemas.canonical import canonical
from schemas.evidence import Receipt

B64U = st.text("ABCxyz019-_", min_size=1, max_size=60)


@given(
    st.builds(
        Receipt,
        entry=B64U,
        index=st.integers(0, 2**53 - 1),
        path=st.lists(B64U, max_size=4).map(tuple),
        checkpoint=st.text(st.characters(exclude_categories=("Cs",)), max_size=80),
    )
)
def test_it_writes_what_its_object_is(receipt):
    assert receipt.canonical() == canonical(receipt.to_object())
    assert Receipt.from_json(receipt.canonical()) == receipt
