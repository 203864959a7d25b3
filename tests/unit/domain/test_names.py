# ruff: noqa: RUF001 - letters that look like others are what this is about

import time
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chalicelib.domain.names import EmailAddress, Username, fold, lookup_key

INVISIBLE = {
    "a control character": "\x07",
    "a NUL": "\x00",
    "a C1 control": "\x85",
    "a line separator": "\u2028",
    "a paragraph separator": "\u2029",
    "a zero-width space": "\u200b",
    "a zero-width joiner": "\u200d",
    "a soft hyphen": "\xad",
    "a byte order mark": "\ufeff",
    "a right-to-left override": "\u202e",
    "a tag": "\U000e0041",
    "a combining grapheme joiner": "\u034f",
    "a Hangul filler": "\u3164",
    "a half-width Hangul filler": "\uffa0",
    "a Hangul choseong filler": "\u115f",
    "a Khmer inherent vowel": "\u17b4",
    "a Mongolian vowel separator": "\u180e",
    "a variation selector": "\ufe0f",
    "a variation selector of the supplement": "\U000e0100",
    "the last of that supplement": "\U000e01ef",
    "a blank Braille pattern": "\u2800",
    "a private-use character": "\ue000",
    "an unassigned character": "\u0378",
    "a lone surrogate": "\ud800",
}
invisible = pytest.mark.parametrize("letter", INVISIBLE.values(), ids=INVISIBLE.keys())

texts = st.text(st.characters(codec="utf-8"), max_size=20)
# Marks and letters whose case folding and normal forms are known to get in each other's way.
awkward = st.text("aAßẞİıſΣςΐΰͅᾳΆ̈̇ͅͅǰŉﬁﬃẞÅÅ℡㎞ʼnᏰꭰჀⴠ㍍＠．", max_size=12)


@given(texts | awkward)
@example("\u0345\u0301")
@example("\u1fb3\u0301")
@example("\u03b1\u0345\u0301\u0327")
@example("\u2126\u0345")
def test_folding_a_second_time_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(texts | awkward)
def test_folding_forgets_case_and_form(text: str) -> None:
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert fold(unicodedata.normalize(form, text)) == fold(text)
    assert unicodedata.is_normalized("NFKC", fold(text))


def test_folding_any_single_character_twice_changes_nothing() -> None:
    changing = [
        letter
        for letter in map(chr, range(0x110000))
        if not letter.isascii() and (letter.casefold() != letter or _is_composite(letter))
    ]
    assert len(changing) > 6_000
    assert [letter for letter in changing if fold(fold(letter)) != fold(letter)] == []


def _is_composite(letter: str) -> bool:
    return unicodedata.decomposition(letter) != ""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Zoe", "zOE"),
        ("Zoë", "ZOE\u0308"),
        ("Straße", "STRASSE"),
        ("ｆｕｌｌ", "full"),
        ("ﬁx", "fix"),
        ("Ω", "ω"),  # the ohm sign
        ("ΣΊΣΥΦΟΣ", "σίσυφος"),
        ("Ⅳ", "iv"),
    ],
)
def test_names_that_differ_in_case_or_form_have_one_key(one: str, other: str) -> None:
    assert fold(Username.parse(one)) == fold(Username.parse(other))


@pytest.mark.parametrize(("one", "other"), [("Zoe", "Zoë"), ("ı", "i"), ("o", "0")])
def test_names_that_merely_look_alike_are_two(one: str, other: str) -> None:
    assert fold(Username.parse(one)) != fold(Username.parse(other))


@pytest.mark.parametrize(
    "address",
    [
        "zoe@example.com",
        "Zoe.Of-Example+tag@Sub.Example.CO.UK",
        "o'neill@example.ie",
        "!#$%&'*+/=?^_`{|}~-@example.com",
        "1@2.example",
        "x@xn--80akhbyknj4f.xn--p1ai",
        "коля@пример.рф",
        "用户@例子.广告",
        "user@مثال.إختبار",
        "ईमेल@डाटामेल.भारत",
        "ผู้ใช้@ตัวอย่าง.ไทย",
        "Dörte@Sörensen.example.com",
        "do\u0308rte@so\u0308rensen.example.com",
        "a" * 64 + "@example.com",
        "a@" + "b" * 63 + ".example",
    ],
)
def test_an_email_is_shown_as_it_was_given(address: str) -> None:
    assert EmailAddress.parse(address) == address


@pytest.mark.parametrize(
    "address",
    [
        "",
        "@",
        "zoe",
        "zoe@",
        "@example.com",
        "zoe@localhost",
        "zoe@example..com",
        "zoe@.example.com",
        "zoe@example.com.",
        "zoe@-example.com",
        "zoe@example-.com",
        "zoe@exa_mple.com",
        "zoe@exa+mple.com",
        "zoe@" + "b" * 64 + ".example",
        ".zoe@example.com",
        "zoe.@example.com",
        "zo..e@example.com",
        "zoe@@example.com",
        "zo@e@example.com",
        "zoe @example.com",
        " zoe@example.com",
        "zoe@example.com ",
        "zoe@example.com\n",
        "zoe\t@example.com",
        "zoe@exam ple.com",
        "zoe\x7f@example.com",
        "zoe\x00@example.com",
        "zoe\xa0@example.com",
        '"zoe"@example.com',
        '"zo e"@example.com',
        "zoe(comment)@example.com",
        "Zoe <zoe@example.com>",
        "zoe@[127.0.0.1]",
        "zoe@exam\\ple.com",
        "zoe,bob@example.com",
        "zoe@example.com,bob@example.com",
        "zoe\r\nBcc: bob@example.com",
        "mailto:zoe@example.com",
        "zoe\uff20example.com",  # a full-width @
        "zo\uff20e@example.com",  # one that would become a second @
        "zo\uff0c@example.com",  # a full-width comma
        "zo\uff1c@example.com",  # a full-width <
        "zoe\u2024\u2024@example.com",  # one-dot leaders
        "zoe@example\uff0ecom",  # a full-width full stop
        "zoe@example\u3002com",  # an ideographic one
        "zoe@exa\uff0fmple.com",  # a full-width slash
        "zoe@\u2100.example.com",  # a/c, in one character
        "zoe@example.c\u0301\u200dom",
        "zoe@\u0301example.com",  # a label that begins with a mark
        "=?utf-8?q?zoe=40example.net=3E=20?=@example.com",
        "zoe=\uff1fx?B?eA?=@example.com",
    ],
)
def test_what_is_not_an_email_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match=r"Not a valid email address\."):
        EmailAddress.parse(address)


@invisible
@pytest.mark.parametrize("place", ["zo{}e@example.com", "zoe@exam{}ple.com", "{}zoe@example.com"])
def test_an_email_with_something_invisible_is_refused(letter: str, place: str) -> None:
    with pytest.raises(ValueError, match="Not a valid email address"):
        EmailAddress.parse(place.format(letter))


@pytest.mark.parametrize(
    "address",
    [
        "a" * 65 + "@example.com",
        "ä" * 33 + "@example.com",  # 66 octets
        "zoe@" + ("b" * 60 + ".") * 4 + "example",
        "\ufdfa" * 12 + "@example.com",  # 36 octets that become many
    ],
)
def test_an_email_that_no_mail_server_carries_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match=r"too long|Not a valid"):
        EmailAddress.parse(address)


def test_the_longest_email_that_mail_servers_carry_is_taken() -> None:
    address = "a" * 64 + "@" + ("b" * 60 + ".") * 3 + "c" * 6
    assert len(address) == 254
    assert EmailAddress.parse(address).key == address
    with pytest.raises(ValueError, match="too long"):
        EmailAddress.parse(address + "c")


@pytest.mark.parametrize(
    "name",
    [
        "z",
        "Zoë",
        "zoe of example",
        "李小龍",
        "नमस्ते",
        "Ὀδυσσεύς",
        "🦊",
        "<script>",
        "a" * 64,
        "é" * 64,
    ],
)
def test_a_username_is_shown_as_it_was_given(name: str) -> None:
    assert Username.parse(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a" * 65,
        "\ufb03" * 22,  # ffi, in one character: 66 after NFKC
        "\ufdfa" * 4,  # 18 letters in one character
    ],
)
def test_a_username_has_1_to_64_characters_after_nfkc(name: str) -> None:
    with pytest.raises(ValueError, match="1 to 64 characters"):
        Username.parse(name)


def test_a_username_is_measured_after_nfkc() -> None:
    assert Username.parse("e\u0301" * 64)  # 64 characters when composed
    assert Username.parse("\ufb03" * 21)


@invisible
@pytest.mark.parametrize("place", ["zo{}e", "{}zoe", "zoe{}", "{}"])
def test_a_username_with_something_invisible_is_refused(letter: str, place: str) -> None:
    with pytest.raises(ValueError, match="invisible"):
        Username.parse(place.format(letter))


def test_normalising_neither_hides_a_character_nor_shows_one() -> None:
    """So a name of any can be judged in either form; it is in both, in case a later Unicode can."""

    def refusal(name: str) -> str | None:
        try:
            Username.parse(name)
        except ValueError as error:
            return str(error)
        return None

    changing = [
        letter
        for letter in map(chr, range(0x110000))
        if not unicodedata.is_normalized("NFKC", letter)
    ]
    assert len(changing) > 4_000
    assert [
        letter
        for letter in changing
        if refusal(f"a{letter}a") != refusal(f"a{unicodedata.normalize('NFKC', letter)}a")
    ] == []


@pytest.mark.parametrize("name", [" zoe", "zoe ", " ", "\u3000zoe", "zoe\xa0", "\u2003"])
def test_a_username_with_space_around_it_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="space"):
        Username.parse(name)


@given(texts | awkward)
def test_whatever_parses_has_a_key_that_a_login_finds(text: str) -> None:
    for parse in (EmailAddress.parse, Username.parse):
        try:
            name = parse(text)
        except ValueError as refusal:
            assert text not in str(refusal) or len(text) < 2  # noqa: PT017 - both ways are right
        else:
            assert lookup_key(text) == fold(name)
            assert lookup_key(fold(name)) == fold(name)


@pytest.mark.parametrize("text", ["", "a" * 1_025, "ﷺ" * 1_000, "ü" * 513, "x" * 1_000_000])
def test_a_name_that_no_account_can_have_has_no_key(text: str) -> None:
    assert lookup_key(text) is None


@pytest.mark.parametrize("text", ["a" * 1_024, "ü" * 512, " zoe ", "not an email", "\x00"])
def test_any_other_text_may_be_looked_for(text: str) -> None:
    assert lookup_key(text) == text


@pytest.mark.parametrize("parse", [EmailAddress.parse, Username.parse])
def test_a_huge_name_is_refused_before_it_is_normalised(parse: type[str]) -> None:
    # Putting marks in order takes the square of their number: seconds, for a body's worth.
    marks = "a" + "\u0301" * 15_000 + "\u0327" * 15_000
    started = time.process_time()
    for text in (marks, f"{marks}@example.com"):
        with pytest.raises(ValueError, match=r"Must have|too long|Not a valid"):
            parse(text)
    assert time.process_time() - started < 0.25


def test_no_character_has_more_canonical_parts_than_the_bounds_allow_for() -> None:
    parts = max(len(unicodedata.normalize("NFD", letter)) for letter in map(chr, range(0x110000)))
    assert parts == 4


def test_the_keys_are_where_texts_are_compared_not_the_names() -> None:
    assert EmailAddress.parse("Zoe@Example.com") != EmailAddress.parse("zoe@example.com")
    assert EmailAddress.parse("Zoe@Example.com").key == "zoe@example.com"
