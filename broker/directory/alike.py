"""Which ids and names people could take for each other: in writing (after Unicode TR39) or by a slip of one letter."""

import re
import unicodedata

SHORT = 5
"""Shorter words, acronyms, often differ by one letter (`nia`, `nca`): there only letters that swapped places count."""

_DIGITS = str.maketrans({"0": "o", "1": "l", "2": "z", "3": "e", "4": "a", "5": "s", "7": "t", "8": "b", "9": "g"})
_PAIRS = (("rn", "m"), ("vv", "w"), ("cl", "d"))
# Letters that are drawn as a Latin one (confusables.txt of TR39, small letters of Cyrillic and Greek).
_DRAWN = str.maketrans("авекмнорстухієјѕԁһԛԝӏοαρνκιτυχεσβηγı", "abekmhopctyxiejsdhqwloapvkituxeobnyi")
_MARKS = re.compile("[\u0300-\u036f]")
_PHONETIC = re.compile(
    "[\u0251\u0261\u0262\u0269\u026a\u0274\u0280\u028f\u0299\u029c\u029f\u1d00-\u1dbf\ua730\ua731\uab30-\uab6f]"
)
"""Small capitals and others of phonetic alphabets that are drawn as Latin letters, and that no language writes."""

_ALPHABETS = frozenset({"LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC", "GEORGIAN"})


def ids_alike(one: str, other: str) -> bool:
    """Agency ids of one country; of two, the country's letters tell them apart."""
    return one[:3] == other[:3] and _alike(one[3:], other[3:])


def names_alike(one: str, other: str) -> bool:
    """Names of agencies, in any script, also of two countries: what is shown beside a packet is the name."""
    return _alike(_drawn(one), _drawn(other))


def mixes_alphabets(name: str) -> bool:
    """A word with letters of two alphabets that resemble each other, as Latin and Cyrillic do; or phonetic ones."""
    return _PHONETIC.search(name) is not None or any(
        len(_ALPHABETS & {unicodedata.name(letter, "").split(" ")[0] for letter in word}) > 1
        for word in re.split(r"[\W_]+", unicodedata.normalize("NFKC", name))
    )


def _drawn(name: str) -> str:
    plain = _MARKS.sub("", unicodedata.normalize("NFKD", name)).casefold().translate(_DRAWN)
    return "".join(each for each in plain if unicodedata.category(each)[0] in "LMN")


def _alike(one: str, other: str) -> bool:
    one, other = one.replace("-", ""), other.replace("-", "")
    if _skeleton(one) == _skeleton(other):
        return True
    if sorted(one) == sorted(other) and _one_swap(one, other):
        return True
    return min(len(one), len(other)) >= SHORT and _one_slip(one, other)


def _skeleton(text: str) -> str:
    text = text.translate(_DIGITS)
    for pair, single in _PAIRS:
        text = text.replace(pair, single)
    return text.replace("i", "l")


def _one_swap(one: str, other: str) -> bool:
    """Two neighbours that changed places."""
    at = [n for n, (left, right) in enumerate(zip(one, other, strict=True)) if left != right]
    return len(at) == 2 and at[1] - at[0] == 1  # noqa: PLR2004 - two places


def _one_slip(one: str, other: str) -> bool:
    """One letter put in, left out, doubled or replaced. Two numbers are told apart: `zone1`, `zone2`."""
    if len(one) == len(other):
        differing = [pair for pair in zip(one, other, strict=True) if pair[0] != pair[1]]
        return len(differing) == 1 and not all(each.isdigit() for each in differing[0])
    longer, shorter = sorted((one, other), key=len, reverse=True)
    if len(longer) - len(shorter) != 1:
        return False
    return any(longer[:n] + longer[n + 1 :] == shorter and not longer[n].isdigit() for n in range(len(longer)))
