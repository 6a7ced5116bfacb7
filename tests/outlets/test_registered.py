"""What can be registered can be sent to: the two readings of an address agree."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from countermand.domain.addresses.address import AddressRules, BadAddressError
from countermand.domain.addresses.kinds import check_address, kind_of
from countermand.domain.addresses.mailbox import MAILBOX
from countermand.domain.addresses.web import check_port, read_url
from countermand.outlets.smtp import ADDRESS

LABELS = st.text("abz09-._~%", min_size=1, max_size=8)
WEB = st.builds(
    "{}://{}{}{}".format,
    st.sampled_from(["https", "http", "HTTPS"]),
    st.lists(LABELS, min_size=1, max_size=4).map(".".join)
    | st.ip_addresses(v=4).map(str)
    | st.ip_addresses(v=6).map("[{}]".format),
    st.sampled_from(["", ":", ":443", ":0443", ":80", ":8443", ":0", ":65536", ":00000443"]),
    st.just("") | st.text("/?a=&%20.;:@!$'()*+,[]\"<>|^`{}", max_size=10),
)
MAIL = st.builds("mailto:{}@{}.{}".format, LABELS, LABELS, LABELS)


@given(WEB | MAIL, st.sampled_from([(443,), (), (443, 8443)]))
@settings(max_examples=500)
@example("https://0.0.0.0:", (443,))
@example("https://example.com", (443,))
@example("https://example.com?a[]=b", (443,))
def test_what_can_be_registered_can_be_sent_to(url: str, ports: tuple[int, ...]) -> None:
    try:
        check_address(url, AddressRules(http=True, ports=ports))
    except BadAddressError:
        return
    if kind_of(url) is MAILBOX:
        assert ADDRESS.fullmatch(url.partition(":")[2])
    else:
        check_port(read_url(url), frozenset(ports))
