# mypy: ignore-errors
from django.apps import AppConfig


class OrdersConfig(AppConfig):
    name = "bench.neighbours.drf.orders"
    label = "orders"
