BEGIN;
UPDATE item SET state = 'cancelled', updated_at = now() WHERE id = (SELECT md5(nextval('pick')::text)::uuid) AND state = 'open' RETURNING id, order_id \gset
INSERT INTO cancellation (item_id, reason, actor) VALUES (:id, 'customer_request', 'bench');
INSERT INTO outbox (topic, key, payload) VALUES ('order.item.cancelled', :id, '{"v": 1}');
COMMIT;
