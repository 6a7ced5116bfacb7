# mypy: ignore-errors
from django.urls import path

from bench.neighbours.drf.orders.views import CancelOrderItemView

urlpatterns = [path("orders/items/cancel/<uuid:pk>/", CancelOrderItemView.as_view())]
