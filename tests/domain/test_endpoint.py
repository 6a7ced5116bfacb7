"""Which addresses an endpoint can have, by their text alone."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countermand.domain.addresses.address import URL_MAX, AddressKind, AddressRules, BadAddressError
from countermand.domain.addresses.kinds import KINDS, check_address, kind_of
from countermand.domain.addresses.mailbox import MAILBOX, mailbox_of
from countermand.domain.addresses.web import WEBHOOK
from countermand.domain.endpoint import UnknownKindError, check_kinds
from countermand.domain.events import EventKind

ANY_PORT = AddressRules(ports=())


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "https://example.com/",
        "https://example.com:443/hooks?token=a%20b&c=d",
        "https://example.com?x",
        "HTTPS://Example.COM/Hooks",
        "https://xn--bcher-kva.example/",
        "https://intranet/",
        "https://198.51.100.7/",
        "https://[2001:db8::7]/",
        "https://example.com/" + "a" * (URL_MAX - len("https://example.com/")),
        "mailto:someone@example.com",
        "mailto:some.one+orders@mail.example.com",
        "MAILTO:Someone@Example.com",
    ],
)
def test_these_can_be_registered(url: str) -> None:
    kept = check_address(url)
    assert kept.lower() == url.lower()
    assert check_address(kept) == kept


@pytest.mark.parametrize("host", ["localhost", "hooks.localhost", "127.0.0.1", "127.8.8.8", "[::1]"])
def test_this_machine_may_be_called_without_encryption(host: str) -> None:
    check_address(f"http://{host}:9000/hooks", ANY_PORT)
    with pytest.raises(BadAddressError, match="has port 9000; allowed are 443"):
        check_address(f"http://{host}:9000/hooks")


@pytest.mark.parametrize("host", ["example.com", "10.0.0.1", "[2001:db8::7]", "localhost.example.com", "128.0.0.1"])
def test_others_are_called_by_https_unless_a_setting_allows_more(host: str) -> None:
    with pytest.raises(BadAddressError, match="not https"):
        check_address(f"http://{host}/", ANY_PORT)
    check_address(f"http://{host}/", AddressRules(http=True, ports=(80,)))


def test_the_ports_are_those_of_the_rules() -> None:
    rules = AddressRules(ports=(443, 8443))
    check_address("https://example.com:8443/", rules)
    for wrong in ("https://example.com:80/", "https://example.com:0/", "https://example.com:8444/"):
        with pytest.raises(BadAddressError):
            check_address(wrong, rules)
    check_address("https://example.com:8444/", ANY_PORT)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "character"),
        ("example.com", "does not start with"),
        ("ftp://example.com/", "does not start with"),
        ("javascript:alert(1)", "does not start with"),
        ("https:example.com", "host"),
        ("https:///hooks", "host"),
        ("https://:443/", "host"),
        ("https://example.com:/", "host"),
        ("https://-example.com/", "host"),
        ("https://example..com/", "host"),
        ("https://example.com./", "host"),
        ("https://under_score.example/", "host"),
        ("https://%65xample.com/", "host"),
        ("https://" + "a" * 64 + ".com/", "host"),
        ("https://2130706433/", "host"),
        ("https://0x7f.1/", "host"),
        ("https://127.1/", "host"),
        ("https://0177.0.0.1/", "host"),
        ("https://1.2.3.4.5/", "host"),
        ("https://example.1/", "host"),
        ("https://[::1%25eth0]/", "host"),
        ("https://[::g]/", "host|URL"),
        ("https://[v1.a]/", "host|URL"),
        ("https://[::1/", "URL"),
        ("https://example.com:99999/", "URL"),
        ("https://example.com:4a/", "URL"),
        ("https://user@example.com/", "user"),
        ("https://user:canary@example.com/", "user"),
        ("https://example.com/#", "fragment"),
        ("https://example.com/#canary", "fragment"),
        ("https://example.com/ canary", "character"),
        (" https://example.com/", "character"),
        ("https://example.com/\n", "character"),
        ("https://exam\tple.com/", "character"),
        ("https://example.com\\@canary.example/", "character"),
        ("https://münchen.example/", "character"),
        ("https://example.com/\0", "character"),
        ("https://example.com/" + "a" * URL_MAX, "longer than"),
        ("mailto:", "one e-mail address"),
        ("mailto:someone", "one e-mail address"),
        ("mailto:someone@localhost", "one e-mail address"),
        ("mailto:a@example.com,b@example.com", "one e-mail address"),
        ("mailto:a@example.com?bcc=b@example.com", "one e-mail address"),
        ("mailto:a%0Ab@example.com", "one e-mail address"),
        ("mailto://a@example.com", "one e-mail address"),
        ("mailto:.a@example.com", "one e-mail address"),
        ("mailto:a@127.0.0.1", "one e-mail address"),
        ("mailto:" + "a" * 65 + "@example.com", "one e-mail address"),
    ],
)
def test_these_cannot_and_the_sentence_says_why(url: str, why: str) -> None:
    with pytest.raises(BadAddressError, match=why) as refused:
        check_address(url)
    assert str(refused.value).endswith(".")
    assert "canary" not in str(refused.value)


@given(st.text(max_size=60) | st.text("htps:/@.#?[]%:0127mailocexn-", max_size=60))
def test_any_text_is_taken_or_refused(text: str) -> None:
    for rules in (AddressRules(), AddressRules(http=True, ports=())):
        for url in (text, f"https://{text}", f"mailto:{text}"):
            with suppress(BadAddressError):
                kept = check_address(url, rules)
                assert check_address(kept, rules) == kept


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("mailto:a@example.com", MAILBOX),
        ("MAILTO:a@example.com", MAILBOX),
        ("https://example.com/mailto:a@example.com", WEBHOOK),
        ("HTTP://example.com", WEBHOOK),
    ],
)
def test_the_scheme_tells_the_kind_of_an_address(url: str, kind: AddressKind) -> None:
    assert kind_of(url) is kind
    assert kind.mailbox(url) == ("a@example.com" if kind is MAILBOX else None)


def test_each_scheme_is_of_one_kind() -> None:
    schemes = [scheme for kind in KINDS for scheme in kind.schemes]
    assert len(schemes) == len(set(schemes))
    assert all(kind.starts.partition(":")[0] in kind.schemes for kind in KINDS)


def test_kinds_are_put_in_the_order_of_the_list() -> None:
    assert check_kinds([]) == ()
    assert check_kinds(["line.shipped", "cancellation.asked", "line.shipped"]) == (
        EventKind.LINE_SHIPPED,
        EventKind.CANCELLATION_ASKED,
    )
    assert check_kinds(list(EventKind)) == tuple(EventKind)


@pytest.mark.parametrize("kind", ["", "line", "line.*", "LINE.SHIPPED", "endpoint.test", "countermand.line.shipped.v1"])
def test_an_unknown_kind_is_refused_with_the_list(kind: str) -> None:
    with pytest.raises(UnknownKindError) as refused:
        check_kinds(["line.shipped", kind])
    assert repr(kind) in str(refused.value)
    assert all(each.value in str(refused.value) for each in EventKind)


@pytest.mark.parametrize(
    "url",
    [
        "mailto:Orders@alpine.example",
        "MAILTO:Orders@alpine.example",
        "MailTo:Orders@ALPINE.Example",
        "mailto:Orders%40alpine.example",
        "mailto:%4frders@alpine.example",
        "mailto:%4Frders%40alpine%2Eexample",
    ],
)
def test_a_mailbox_has_one_spelling(url: str) -> None:
    assert check_address(url) == "mailto:Orders@alpine.example"
    assert mailbox_of(url) == "Orders@alpine.example"


@pytest.mark.parametrize(
    "url", ["mailto:a%2Cb@x.example", "mailto:a%0Ab@x.example", "mailto:a%40b@x.example", "mailto:a%25@x.example"]
)
def test_what_is_encoded_in_a_mailbox_is_checked_decoded(url: str) -> None:
    with pytest.raises(BadAddressError):
        check_address(url)
