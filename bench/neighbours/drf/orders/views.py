# mypy: ignore-errors
from django.db import transaction
from django.shortcuts import get_object_or_404
from rest_framework import serializers, status
from rest_framework.generics import DestroyAPIView
from rest_framework.response import Response

from bench.neighbours.drf.orders.models import Cancellation, OrderItem, OutboxEvent


class OrderItemSerializer(serializers.ModelSerializer):
    class Meta:
        model = OrderItem
        fields = ("id", "order", "sku", "quantity", "unit_price", "state", "updated_at")


class CancelOrderItemView(DestroyAPIView):
    serializer_class = OrderItemSerializer

    def get_queryset(self):
        return OrderItem.objects.filter(order__customer=self.request.user)

    @transaction.atomic
    def destroy(self, request, *args, **kwargs):
        item = get_object_or_404(self.get_queryset().select_for_update(of=("self",)), pk=kwargs["pk"])
        if item.state != OrderItem.State.OPEN:
            return Response({"detail": f"Item is {item.state}."}, status=status.HTTP_409_CONFLICT)
        item.state = OrderItem.State.CANCELLED
        item.save(update_fields=["state", "updated_at"])
        Cancellation.objects.create(item=item, actor=request.user, reason="customer_request")
        data = self.get_serializer(item).data
        payload = {"item": str(item.pk), "order": item.order_id}
        OutboxEvent.objects.create(topic="order.item.cancelled", key=item.pk, payload=payload)
        return Response(data)
