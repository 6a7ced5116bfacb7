# mypy: ignore-errors
"""``python -m bench.neighbours.drf.seed LINES USERS`` fills the database and prints an item and a token a line."""

import sys

import django

django.setup()

from django.contrib.auth.models import User  # noqa: E402 - needs the settings to be set up
from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from rest_framework.authtoken.models import Token  # noqa: E402


def seed(lines: int, users: int) -> None:
    call_command("migrate", verbosity=0)
    people = User.objects.bulk_create([User(username=f"u{number}") for number in range(users)])
    tokens = Token.objects.bulk_create([Token(user=user, key=Token.generate_key()) for user in people])
    keys = {token.user_id: token.key for token in tokens}
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO orders_order (customer_id, status, created_at)"
            " SELECT (%s::bigint[])[1 + n %% %s], 'placed', now() FROM generate_series(1, %s) n",
            [[user.id for user in people], users, lines],
        )
        cursor.execute(
            "INSERT INTO orders_orderitem (id, order_id, sku, quantity, unit_price, state, updated_at)"
            " SELECT gen_random_uuid(), id, 'SKU' || (id %% 500), 1, 19.99, 'open', now() FROM orders_order",
            [],
        )
        cursor.execute("ANALYZE")
        cursor.execute(
            "SELECT i.id, o.customer_id FROM orders_orderitem i JOIN orders_order o ON o.id = i.order_id"
            " ORDER BY md5(i.id::text)"
        )
        for item, customer in cursor.fetchall():
            print(item, keys[customer])


if __name__ == "__main__":
    seed(int(sys.argv[1]), int(sys.argv[2]))
