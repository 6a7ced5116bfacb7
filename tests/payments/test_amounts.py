import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from countermand.domain.money.amounts import MINOR_DIGITS
from countermand.payments.mollie.adapter import Mollie
from countermand.payments.registry import open_providers
from countermand.payments.stripe.adapter import Stripe
from countermand.payments.stripe.amounts import UnwritableError, from_stripe, to_stripe
from countermand.settings import Settings
from tests.payments.conftest import outbound

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("amount_minor", "currency", "written"),
    [
        (1250, "EUR", 1250),
        (500, "JPY", 500),
        (5120, "KWD", 5120),
        (5, "ISK", 500),
        (5, "UGX", 500),
        (500, "MGA", 5),
        (1250, "HUF", 1250),
        (1250, "TWD", 1250),
    ],
)
def test_stripe_counts_as_its_documentation_says(amount_minor: int, currency: str, written: int) -> None:
    assert to_stripe(amount_minor, currency) == written
    assert from_stripe(written, currency) == amount_minor


@pytest.mark.parametrize(("amount_minor", "currency"), [(5124, "KWD"), (1, "BHD"), (550, "MGA")])
def test_what_stripe_cannot_write_is_refused_and_not_rounded(amount_minor: int, currency: str) -> None:
    with pytest.raises(UnwritableError, match="too fine"):
        to_stripe(amount_minor, currency)


@pytest.mark.parametrize(("amount", "currency"), [(550, "ISK"), (1, "UGX")])
def test_what_is_finer_than_its_currency_is_not_read(amount: int, currency: str) -> None:
    with pytest.raises(UnwritableError):
        from_stripe(amount, currency)


@given(st.integers(0, 10**15), st.sampled_from([*MINOR_DIGITS]))
def test_an_amount_is_written_exactly_or_not_at_all(amount_minor: int, currency: str) -> None:
    try:
        written = to_stripe(amount_minor, currency)
    except UnwritableError:
        return
    assert from_stripe(written, currency) == amount_minor


# Settings

SECRETS = {
    "stripe_api_key": SecretStr("sk_1"),
    "stripe_webhook_secret": SecretStr("whsec_1"),
    "mollie_api_key": SecretStr("live_1"),
}


@pytest.mark.parametrize("blank", [None, "", " \t"])
@pytest.mark.parametrize("name", SECRETS)
def test_a_blank_secret_refuses_to_start(name: str, blank: str | None) -> None:
    given = {**SECRETS, name: None if blank is None else SecretStr(blank)}
    with pytest.raises(ValidationError, match=f"{name} must be set"):
        Settings(payment_providers=[name.split("_")[0]], **given)  # type: ignore[arg-type]


def test_a_blank_secret_of_mollie_s_webhooks_refuses_to_start() -> None:
    with pytest.raises(ValidationError, match="must not be blank"):
        Settings(mollie_webhook_secret=SecretStr(" "))


def test_secrets_are_not_shown() -> None:
    shown = repr(Settings(payment_providers=["stripe", "mollie"], **SECRETS))  # type: ignore[arg-type]
    assert not any(each.get_secret_value() in shown for each in SECRETS.values())


async def test_the_providers_named_are_opened() -> None:
    opened = open_providers(Settings(payment_providers=["stripe", "mollie"], **SECRETS))  # type: ignore[arg-type]
    assert {name: each.name for name, each in opened.items()} == {"stripe": "stripe", "mollie": "mollie"}
    for each in opened.values():
        await each.close()
    assert open_providers(Settings()) == {}


async def test_an_adapter_without_its_secrets_cannot_be_made() -> None:
    calls = outbound()
    with pytest.raises(ValueError, match="API key"):
        Stripe(calls, api_key=" ", webhook_secret="s")
    with pytest.raises(ValueError, match="secret"):
        Stripe(calls, api_key="k", webhook_secret="")
    with pytest.raises(ValueError, match="API key"):
        Mollie(calls, api_key="")
    await calls.close()
