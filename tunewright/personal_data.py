"""Personal data in texts: e-mail addresses, phone, card and account numbers, IP addresses, URLs with user names.

Only what has the exact form is reported, and its value never whole. What cannot belong to a person is left out:
addresses and numbers reserved for examples and fiction (RFC 2606, RFC 5737, 555-01xx in North America, Ofcom's in
Britain), toll-free and short help lines, addresses inside a network. Names and places are not looked for.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

KINDS = ("e-mail address", "phone number", "card number", "bank account (IBAN)", "IP address", "URL with a user name")
_DIGITS = re.compile(r"\d[\d\s().-]{5}")
_EMAIL = re.compile(r"(?<![\w.+%/:@-])[\w.+%-]+@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,24}(?![\w-])")
_RESERVED_DOMAIN = re.compile(r"(?:^|\.)(?:example(?:\.(?:com|org|net))?|test|invalid|localhost)$", re.IGNORECASE)
_CARD = re.compile(r"(?<![\w.+-])[2-6]\d{3}(?:[ -]?\d){9,15}(?![\w-])")
_IBAN = re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?!\w)")
_PHONE = re.compile(
    r"(?<![\w.+/:-])(?:"
    r"\+\d{1,3}(?:[ .-]?\(?\d{1,4}\)?){2,6}"  # +44 20 7946 0000
    r"|(?:1[ .-])?(?:\([2-9]\d{2}\) ?|[2-9]\d{2}[ .-])[2-9]\d{2}[ .-]\d{4}"  # (212) 736-5000
    r"|0\d{2,4}[ -/]\d{3,4}[ -]?\d{3,4}"  # 020 7946 0000
    r")(?![\w-]|\.\d)"
)
_TOLL_FREE = re.compile(r"1?8(?:00|33|44|55|66|77|88)\d{7}|44?0?800\d+|0800\d+")
_FICTION = re.compile(  # 555-01xx; Ofcom, telephone numbers for use in TV and radio drama
    r"1?\d{3}55501\d{2}|(?:44|0)(?:1632960\d{3}|1(?:1[3-8]|[2-69]1)4960\d{3}|2079460\d{3}|7700900\d{3})"
)
_IPV4 = re.compile(r"(?<![\w.-])\d{1,3}(?:\.\d{1,3}){3}(?![\w-]|\.\d)")
_IPV6 = re.compile(r"(?<![\w:.])[0-9A-Fa-f:]*:[0-9A-Fa-f]*:[0-9A-Fa-f:]*(?![\w:])")
_USER_URL = re.compile(
    r"https?://[^\s/@]+@[^\s/]+"  # https://name:word@host
    r"|(?:https?://|www\.|(?<![\w.@]))[\w.-]+\.\w+/(?:@|~|u/|users?/|profiles?/|people/|in/)[\w.-]{2,}"
    r"|(?<![\w@])(?:www\.|m\.)?(?:facebook|instagram|twitter|x|tiktok|github|linkedin|t)\.(?:com|me)/[\w.-]{2,}",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class PersonalData:
    """One finding: its kind and its value with all but the ends hidden."""

    kind: str
    masked: str


def find_personal_data(text: str, public: Sequence[str] = ()) -> list[PersonalData]:
    """All personal data of a text, by kind; what one kind has taken (a card number) is not another kind too.

    `public`: addresses and numbers that are nobody's in particular, as they are written.
    """
    if not ("@" in text or "/" in text or text.count(":") > 1 or _DIGITS.search(text)):
        return []  # none of the patterns can match; most texts end here
    found: list[PersonalData] = []
    for value in public:
        text = text.replace(value, " ")
    for kind, pattern, valid in _SEARCHES:
        for value in {m.group().rstrip(".,;:!?)-") for m in pattern.finditer(text)}:
            if valid(value):
                found.append(PersonalData(kind, mask(value)))
                text = text.replace(value, " ")
    return sorted(found, key=lambda f: (KINDS.index(f.kind), f.masked))


def mask(value: str) -> str:
    """The first character and the last two, the rest hidden: enough to find it, too little to use."""
    return f"{value[0]}...{value[-2:]}"


def is_card_number(value: str) -> bool:
    """13 to 19 digits, not all one digit, whose Luhn sum ends in 0 (ISO/IEC 7812-1)."""
    digits = [int(c) for c in _digits(value)]
    if not 13 <= len(digits) <= 19 or len(set(digits)) == 1:
        return False
    doubled = [d if at % 2 == 0 else (2 * d - 9 if d > 4 else 2 * d) for at, d in enumerate(reversed(digits))]
    return sum(doubled) % 10 == 0


def is_iban(value: str) -> bool:
    """15 to 34 characters whose number is 1 modulo 97 (ISO 13616)."""
    plain = value.replace(" ", "")
    number = "".join(str(int(c, 36)) for c in plain[4:] + plain[:4])
    return 15 <= len(plain) <= 34 and int(number) % 97 == 1


def is_phone_number(value: str) -> bool:
    """8 to 15 digits (ITU-T E.164), three of them different, that can be a person's."""
    digits = _digits(value)
    return (
        8 <= len(digits) <= 15
        and len(set(digits)) > 2
        and not _TOLL_FREE.fullmatch(digits)
        and not _FICTION.fullmatch(digits)
    )


def is_public_address(value: str) -> bool:
    """An IP address that is somebody's on the internet."""
    try:
        return ipaddress.ip_address(value).is_global
    except ValueError:
        return False


def _is_real_mailbox(value: str) -> bool:
    return not _RESERVED_DOMAIN.search(value.split("@")[1])


def _digits(value: str) -> str:
    return "".join(c for c in value if c in "0123456789")


_SEARCHES: tuple[tuple[str, re.Pattern[str], Callable[[str], bool]], ...] = (
    ("URL with a user name", _USER_URL, lambda value: True),
    ("e-mail address", _EMAIL, _is_real_mailbox),
    ("bank account (IBAN)", _IBAN, is_iban),
    ("card number", _CARD, is_card_number),
    ("IP address", _IPV6, is_public_address),
    ("IP address", _IPV4, is_public_address),
    ("phone number", _PHONE, is_phone_number),
)
