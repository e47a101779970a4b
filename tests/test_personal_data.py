"""Personal data: what is found, what is not, and that no value is shown whole."""

import pytest

from tunewright.personal_data import find_personal_data, is_card_number, is_iban, mask

FOUND = {
    "e-mail address": ["jo.bloggs+x@mail.co.uk", "JO@uni-mail.de"],
    "phone number": [
        "+44 20 7219 3000", "(212) 736-5000", "212-736-5000", "1-212-736-5000", "020 7219 3000", "+49 (30) 901820",
        "07911 123456",
    ],
    "card number": ["4111 1111 1111 1111", "4111-1111-1111-1111", "378282246310005", "5555555555554444"],
    "bank account (IBAN)": ["GB29 NWBK 6016 1331 9268 19", "DE89370400440532013000", "NO93 8601 1117 947"],
    "IP address": ["8.8.8.8", "2001:4860:4860::8888"],
    "URL with a user name": [
        "https://jo:secret@host.org", "https://social.host/@jo_b", "www.site.org/users/jo.b", "github.com/jobloggs",
        "https://www.linkedin.com/in/jo-b",
    ],
}  # fmt: skip
NOT_FOUND = [
    "call 988 or 116 123, in the US 1-800-273-8255 or 0800 1111",  # help lines
    "212-555-0123, 07700 900123, 01632 960140, +44 20 7946 0000 and 0161 496 0000 are for films",
    "me@example.com, you@mail.example, it@site.test",  # RFC 2606
    "order 4111 1111 1111 1112",  # Luhn fails
    "GB29 NWBK 6016 1331 9268 18",  # 97 fails
    "at 12:30:45 on 2026-11-22, 22.11.2026, between 10.30 and 11.45",
    "192.168.1.1, 127.0.0.1, 192.0.2.7, 999.1.1.1, version 1.2.3",
    "https://www.who.int/news/item and either/or, and/or @home",
    "order number 10023456, 1,234,567 pounds, ratio 3:2:1, 10-15 20-25",
    "0000 0000 0000 0000",
]


@pytest.mark.parametrize(("kind", "value"), [(kind, value) for kind, values in FOUND.items() for value in values])
def test_each_kind_is_found_once_in_a_sentence_and_masked(kind, value):
    found = find_personal_data(f"Well, it is {value}, or was.")
    assert [f.kind for f in found] == [kind]
    assert value not in found[0].masked and found[0].masked == mask(value)
    assert [f.kind for f in find_personal_data(value + ".")] == [kind]


@pytest.mark.parametrize("text", NOT_FOUND)
def test_what_cannot_be_a_person_s_is_not_found(text):
    assert find_personal_data(text) == []


def test_what_the_domain_gives_to_everybody_is_nobody_s_in_particular():
    text = "Ring 020 7219 3000 or write to help@shop.net, or to jo@shop.net"
    assert [f.masked for f in find_personal_data(text, ("020 7219 3000", "help@shop.net"))] == ["j...et"]


def test_all_that_is_in_a_text_is_found_in_the_order_of_kinds():
    found = find_personal_data("8.8.8.8 then jo@mail.net, al@mail.net and jo@mail.net again")
    assert [(f.kind, f.masked) for f in found] == [
        ("e-mail address", "a...et"), ("e-mail address", "j...et"), ("IP address", "8....8"),
    ]  # fmt: skip


def test_check_digits_by_hand():
    assert is_card_number("79927398713".rjust(13, "0"))  # the Luhn example: 70, with two zeros before it
    assert not is_card_number("79927398714".rjust(13, "0"))
    assert is_iban("GB82WEST12345698765432") and not is_iban("GB28WEST12345698765432")
