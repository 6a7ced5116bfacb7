import socket
import ssl
from typing import Any

import pytest

from countermand.domain.delivery import Attempt, Verdict
from countermand.outlets.smtp import Mail
from countermand.settings import Settings
from tests.support.certificates import Authority
from tests.support.mailbox import Mailbox
from tests.support.waiting import HANGS_S
from tests.support.world import Clock

pytestmark = pytest.mark.anyio

TAKEN = Attempt(verdict=Verdict.DELIVERED, result="The mail server took the message.")


def mail(box: Mailbox | int, **more: Any) -> Mail:
    port = box if isinstance(box, int) else box.port
    given = {
        "host": "localhost",
        "sender": "Shöp <mail@shop.example>",
        "encryption": "none",
        "total_s": HANGS_S,
        **more,
    }
    return Mail(port=port, clock=Clock(), **given)


async def send(by: Mail, to: str = "orders@supplier.example", **more: str) -> Attempt:
    given = {"subject": "Can 2 units be cancelled?", "text": "Yes?\n.\n", "html": "<p>Yes?</p>", **more}
    return await by.send(to, given["subject"], given["text"], given["html"], message_id=given.get("id", ""))


async def test_a_message_arrives_as_it_is() -> None:
    async with Mailbox() as box:
        text = "Gr\u00fc\u00dfe \u2013 " + "x" * 3000 + "\n.\nFrom here\nhttps://shop.example/answer/" + "a" * 115
        assert await send(mail(box), subject="Bestellung Nº 7 \u2013 zwei Stück", text=text, id="evt_1") == TAKEN
    letter = box.letters[0]
    assert (letter.sender, letter.to) == ("mail@shop.example", ["orders@supplier.example"])
    message = letter.message
    assert {name: message[name] for name in ("From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted")} == {
        "From": "Shöp <mail@shop.example>",
        "To": "orders@supplier.example",
        "Subject": "Bestellung Nº 7 \u2013 zwei Stück",
        "Date": "Mon, 02 Nov 2026 09:00:00 +0000",
        "Message-ID": "<evt_1@shop.example>",
        "Auto-Submitted": "auto-generated",
    }
    assert message.get_content_type() == "multipart/alternative"
    assert letter.body("plain").splitlines() == text.splitlines()
    assert letter.body("html").strip() == "<p>Yes?</p>"
    assert max(len(line) for line in letter.raw.splitlines()) <= 998


@pytest.mark.parametrize(
    "evil",
    [
        "a\r\nBcc: evil@evil.example",
        "a\nBcc: evil@evil.example",
        "a\rBcc: evil@evil.example",
        "a\r\n\r\nbody",
        "a\u2028Bcc: evil@evil.example",
        "a\x85Bcc: evil@evil.example",
        "a\x00\x0b\x0cb",
        "\udcff",
        "=?utf-8?q?a=0D=0ABcc:_evil@evil.example?=",
        "x" * 100_000,
    ],
)
async def test_a_subject_cannot_add_a_header(evil: str) -> None:
    async with Mailbox() as box:
        assert await send(mail(box), subject=evil, text=evil, html=evil) == TAKEN
    letter = box.letters[0]
    assert letter.to == ["orders@supplier.example"]
    assert letter.message["Bcc"] is None
    assert sorted(letter.message.keys()) == sorted(
        ["From", "To", "Subject", "Date", "Auto-Submitted", "MIME-Version", "Content-Type"]
    )


@pytest.mark.parametrize(
    "to",
    [
        "",
        "nobody",
        "a@b.example\r\nRCPT TO:<evil@evil.example>",
        "a@b.example\n",
        "a@b.example, c@d.example",
        "a@b.example>",
        "<a@b.example>",
        "A <a@b.example>",
        "a b@c.example",
        '"a b"@c.example',
        "a@[127.0.0.1]",
        "a@b@c.example",
        "@b.example",
        "a@",
        "a@.example",
        "a..b@c.example",
        "ä@b.example",
        "a@bü.example",
        "a@b.example?bcc=evil@evil.example",
        "a@b.example\x00",
        "\udcff@b.example",
    ],
)
async def test_what_is_no_address_is_not_written_to(to: str) -> None:
    async with Mailbox() as box:
        attempt = await send(mail(box), to)
    assert attempt == Attempt(verdict=Verdict.FAILED, result="This is not an e-mail address that can be written to.")
    assert box.letters == []


@pytest.mark.parametrize(
    ("stage", "answer", "result"),
    [
        ("RCPT", "550 5.1.1 No such\tuser", "The mail server refuses the message for good: 550 5.1.1 No such user"),
        ("RCPT", "450 4.2.1 Later", "The mail server puts the message off: 450 4.2.1 Later"),
        ("DATA", "554 5.7.1 Spam", "The mail server refuses the message for good: 554 5.7.1 Spam"),
        ("DATA", "451 4.3.0 Greylisted", "The mail server puts the message off: 451 4.3.0 Greylisted"),
    ],
)
async def test_a_refusal_is_told(stage: str, answer: str, result: str) -> None:
    async with Mailbox(answers={stage: answer}) as box:
        assert await send(mail(box)) == Attempt(verdict=Verdict.FAILED, result=result)


async def test_a_long_refusal_is_cut() -> None:
    async with Mailbox(answers={"RCPT": "550 " + "no " * 160}) as box:
        attempt = await send(mail(box))
    assert attempt.verdict is Verdict.FAILED
    assert len(attempt.result) <= 1000


async def test_a_silent_server_meets_the_deadline() -> None:
    async with Mailbox(silent=True) as box:
        assert await send(mail(box, total_s=0.2)) == Attempt(
            verdict=Verdict.FAILED, result="The mail server did not finish within 0.2 seconds."
        )


async def test_nobody_listens() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        attempt = await send(mail(unused.getsockname()[1]))
    assert attempt.verdict is Verdict.FAILED
    assert attempt.result.startswith("The mail server ")


async def test_without_a_mail_server_nothing_is_sent() -> None:
    assert await send(mail(25, host="")) == Attempt(
        verdict=Verdict.FAILED, result="No e-mail can be sent: the setting smtp_host is empty."
    )


def encrypted(encryption: str, context: ssl.SSLContext) -> Mailbox:
    return Mailbox(tls=context) if encryption == "tls" else Mailbox(starttls=context)


@pytest.mark.parametrize("encryption", ["starttls", "tls"])
async def test_the_connection_is_encrypted(authority: Authority, encryption: str) -> None:
    context = authority.server("localhost")
    async with encrypted(encryption, context) as box:
        attempt = await send(mail(box, encryption=encryption, trust=authority.believed()))
    assert attempt == TAKEN
    assert box.encrypted == [True]


@pytest.mark.parametrize("encryption", ["starttls", "tls"])
async def test_a_certificate_of_another_name_is_not_believed(authority: Authority, encryption: str) -> None:
    async with encrypted(encryption, authority.server("other.example")) as box:
        attempt = await send(mail(box, encryption=encryption, trust=authority.believed()))
    assert attempt.verdict is Verdict.FAILED
    assert attempt.result.startswith("The certificate of the mail server does not hold: ")
    assert box.letters == []


async def test_nothing_is_said_without_encryption_where_it_is_wanted(authority: Authority) -> None:
    async with Mailbox() as box:
        attempt = await send(mail(box, encryption="starttls", trust=authority.believed(), user="a", password="b"))
    assert attempt.verdict is Verdict.FAILED
    assert "STARTTLS" in attempt.result
    assert box.letters == []


async def test_who_may_send_is_asked_for() -> None:
    async with Mailbox(login=("shop", "secret")) as box:
        assert await send(mail(box, user="shop", password="secret")) == TAKEN
        attempt = await send(mail(box, user="shop", password="wrong"))
    assert attempt.verdict is Verdict.FAILED
    assert attempt.result.startswith("The mail server refuses the message for good: 535")


def test_the_settings_need_a_sender() -> None:
    with pytest.raises(ValueError, match="mail_from must be set"):
        Settings(smtp_host="mail.example")


@pytest.mark.parametrize("sender", ["nobody", "a@b\r\nBcc: x@y", "ä@b.example", "@b", "<>"])
def test_what_is_no_sender(sender: str) -> None:
    with pytest.raises(ValueError, match="is no sender"):
        Settings(mail_from=sender)


async def test_mail_as_the_settings_say() -> None:
    async with Mailbox(login=("shop", "opensesame")) as box:
        settings = Settings(
            smtp_host="127.0.0.1",
            smtp_port=box.port,
            smtp_tls="none",
            smtp_user="shop",
            smtp_password="opensesame",
            mail_from="mail@shop.example",
        )
        assert "opensesame" not in repr(settings)
        assert await send(Mail.from_settings(settings)) == TAKEN
