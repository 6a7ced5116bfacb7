"""The first schema.

Revision ID: 0001
Revises:
"""

from datetime import UTC, datetime
from uuid import UUID

import sqlalchemy as sa
from alembic import op

from countermand.store.columns import Document, Id, Instant

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create every table."""
    op.create_table('connections',
    sa.Column('retailer_id', Id, nullable=False),
    sa.Column('supplier_id', Id, nullable=False),
    sa.Column('since', Instant(), nullable=False),
    sa.PrimaryKeyConstraint('retailer_id', 'supplier_id', name=op.f('pk_connections'))
    )
    op.create_table('idempotency_records',
    sa.Column('retailer_id', Id, nullable=False),
    sa.Column('caller', sa.Text(), nullable=False),
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('fingerprint', sa.Text(), nullable=False),
    sa.Column('answer', Document, nullable=False),
    sa.Column('created_at', Instant(), nullable=False),
    sa.PrimaryKeyConstraint('retailer_id', 'caller', 'key', name=op.f('pk_idempotency_records'))
    )
    op.create_table('line_numbers',
    sa.Column('number', sa.Integer(), autoincrement=False, nullable=False, comment="bol's orderItemId: fits in 31 bits"),
    sa.Column('retailer_id', Id, nullable=False),
    sa.Column('line_id', Id, nullable=False),
    sa.PrimaryKeyConstraint('number', name=op.f('pk_line_numbers'))
    )
    op.create_table('notices',
    sa.Column('retailer_id', Id, nullable=False),
    sa.Column('id', Id, nullable=False),
    sa.Column('partition', sa.Integer(), nullable=False, comment='which share of the retailers: whose worker sends it'),
    sa.Column('endpoint_id', Id, nullable=False),
    sa.Column('event_id', Id, nullable=False),
    sa.Column('line_id', Id, nullable=False),
    sa.Column('seq', sa.Integer(), nullable=False, comment='with line_id: which event'),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('due_at', Instant(), nullable=True, comment='null once it is sent or dead'),
    sa.Column('last_result', sa.Text(), nullable=False, comment='the last attempt, in words'),
    sa.Column('attempted_at', Instant(), nullable=True),
    sa.Column('created_at', Instant(), nullable=False),
    sa.CheckConstraint("state IN ('due', 'sent', 'dead') AND (state = 'due') = (due_at IS NOT NULL)", name=op.f('ck_notices_state')),
    sa.PrimaryKeyConstraint('retailer_id', 'id', name=op.f('pk_notices'))
    )
    op.create_index('ix_notices_due', 'notices', ['partition', 'endpoint_id', 'due_at'], unique=False, postgresql_where=sa.text("state = 'due'"), sqlite_where=sa.text("state = 'due'"))
    op.create_index('ix_notices_dead', 'notices', ['partition', 'endpoint_id', 'created_at'], unique=False, postgresql_where=sa.text("state = 'dead'"), sqlite_where=sa.text("state = 'dead'"))
    op.create_table('workers',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('beat', sa.BigInteger(), nullable=False, comment='grows while the worker lives; others watch it by their own clock'),
    sa.Column('seen_at', Instant(), nullable=False, comment='for people; nothing is decided by it'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_workers'))
    )
    op.create_table('revisions',
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('number', sa.BigInteger(), nullable=False, comment='one more with every change of what it counts'),
    sa.PrimaryKeyConstraint('name', name=op.f('pk_revisions'))
    )
    op.create_table('number_blocks',
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('next_number', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('name', name=op.f('pk_number_blocks'))
    )
    op.create_table('orders',
    sa.Column('retailer_id', Id, nullable=False),
    sa.Column('id', Id, nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('reference', sa.Text(), nullable=False, comment="the retailer's purchase order number"),
    sa.Column('placed_at', Instant(), nullable=False),
    sa.Column('sent_to_fulfiller', sa.Boolean(), nullable=False),
    sa.Column('currency', sa.Text(), nullable=False),
    sa.Column('details', Document, nullable=False, comment='address, notes, wishes: kept, never decided on'),
    sa.PrimaryKeyConstraint('retailer_id', 'id', name=op.f('pk_orders')),
    sa.UniqueConstraint('retailer_id', 'number', name=op.f('uq_orders_retailer_id_number'))
    )
    op.create_index(op.f('ix_orders_retailer_id_placed_at_id'), 'orders', ['retailer_id', 'placed_at', 'id'], unique=False)
    op.create_index(op.f('ix_orders_retailer_id_reference'), 'orders', ['retailer_id', 'reference'], unique=False)
    op.create_table('parties',
    sa.Column('id', Id, nullable=False),
    sa.Column('number', sa.Integer(), nullable=False, comment="bol's sellerId"),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('status', sa.Text(), server_default='active', nullable=False),
    sa.Column('created_at', Instant(), nullable=False),
    sa.CheckConstraint("kind IN ('platform', 'retailer', 'supplier')", name=op.f('ck_parties_kind')),
    sa.CheckConstraint("status IN ('active', 'deactivated')", name=op.f('ck_parties_status')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_parties')),
    sa.UniqueConstraint('number', name=op.f('uq_parties_number'))
    )
    op.create_table('partitions',
    sa.Column('number', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('owner', sa.Text(), nullable=True),
    sa.Column('lease_until', Instant(), nullable=True),
    sa.Column('fence', sa.BigInteger(), server_default='0', nullable=False),
    sa.PrimaryKeyConstraint('number', name=op.f('pk_partitions'))
    )
    op.create_table('policies',
    sa.Column('retailer_id', Id, nullable=False),
    sa.Column('fulfiller_id', Id, nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('terms', Document, nullable=False),
    sa.Column('since', Instant(), nullable=False),
    sa.Column('set_by', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('retailer_id', 'fulfiller_id', 'version', name=op.f('pk_policies'))
    )
    op.create_table('process_statuses',
    sa.Column('retailer_id', Id, nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('event_type', sa.Text(), nullable=False),
    sa.Column('entity_id', sa.Text(), nullable=False),
    sa.Column('status', sa.Text(), nullable=False),
    sa.Column('error_message', sa.Text(), nullable=True),
    sa.Column('cancellation_id', Id, nullable=True, comment='whose answer a PENDING one waits for'),
    sa.Column('claimed_at', sa.Text(), nullable=True, comment='the DateTime the caller gave, as data'),
    sa.Column('created_at', Instant(), nullable=False),
    sa.Column('settled_at', Instant(), nullable=True),
    sa.CheckConstraint("status IN ('PENDING', 'SUCCESS', 'FAILURE', 'TIMEOUT')", name=op.f('ck_process_statuses_status')),
    sa.PrimaryKeyConstraint('retailer_id', 'number', name=op.f('pk_process_statuses'))
    )
    op.create_index('ix_process_statuses_pending', 'process_statuses', ['cancellation_id'], unique=False, postgresql_where=sa.text("status = 'PENDING'"), sqlite_where=sa.text("status = 'PENDING'"))
    op.create_table('whereabouts',
    sa.Column('id', Id, nullable=False, comment='an order or a line'),
    sa.Column('retailer_id', Id, nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_whereabouts'))
    )
    op.create_table('endpoints',
    sa.Column('id', Id, nullable=False),
    sa.Column('party_id', Id, nullable=False),
    sa.Column('url', sa.Text(), nullable=False, comment='https://… for a webhook, mailto:… for e-mail'),
    sa.Column('label', sa.Text(), server_default='', nullable=False),
    sa.Column('event_kinds', Document, nullable=False, comment='an empty list means every kind'),
    sa.Column('secrets', sa.LargeBinary(), nullable=True, comment='encrypted; null for e-mail'),
    sa.Column('state', sa.Text(), server_default='active', nullable=False),
    sa.Column('state_reason', sa.Text(), server_default='', nullable=False, comment='why it is not active, in words'),
    sa.Column('created_at', Instant(), nullable=False),
    sa.Column('failing_since', Instant(), nullable=True, comment='when the first of an unbroken row of failures was'),
    sa.CheckConstraint("state IN ('active', 'paused', 'disabled', 'removed')", name=op.f('ck_endpoints_state')),
    sa.ForeignKeyConstraint(['party_id'], ['parties.id'], name=op.f('fk_endpoints_party_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_endpoints'))
    )
    op.create_index(op.f('ix_endpoints_party_id'), 'endpoints', ['party_id'], unique=False)
    op.create_table('owner_mails',
    sa.Column('endpoint_id', Id, nullable=False, comment='the one that was stopped'),
    sa.Column('created_at', Instant(), nullable=False, comment='when it was'),
    sa.Column('address', sa.Text(), nullable=False, comment='of somebody of the party that owns it'),
    sa.Column('partition', sa.Integer(), nullable=False, comment='which share of the parties: whose worker sends it'),
    sa.Column('why', sa.Text(), nullable=False),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('due_at', Instant(), nullable=True, comment='null once it is sent or dead'),
    sa.Column('last_result', sa.Text(), nullable=False, comment='the last attempt, in words'),
    sa.Column('attempted_at', Instant(), nullable=True),
    sa.CheckConstraint("state IN ('due', 'sent', 'dead') AND (state = 'due') = (due_at IS NOT NULL)", name=op.f('ck_owner_mails_state')),
    sa.ForeignKeyConstraint(['endpoint_id'], ['endpoints.id'], name=op.f('fk_owner_mails_endpoint_id')),
    sa.PrimaryKeyConstraint('endpoint_id', 'created_at', 'address', name=op.f('pk_owner_mails'))
    )
    op.create_index('ix_owner_mails_due', 'owner_mails', ['partition', 'due_at'], unique=False, postgresql_where=sa.text("state = 'due'"), sqlite_where=sa.text("state = 'due'"))
    op.create_table('lines',
    sa.Column('retailer_id', Id, nullable=False),
    sa.Column('id', Id, nullable=False),
    sa.Column('order_id', Id, nullable=False),
    sa.Column('fulfiller_id', Id, nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('position', sa.Integer(), nullable=False),
    sa.Column('placed_at', Instant(), nullable=False),
    sa.Column('with_fulfiller', sa.Boolean(), nullable=False),
    sa.Column('sku', sa.Text(), nullable=False),
    sa.Column('title', sa.Text(), nullable=False),
    sa.Column('ordered', sa.Integer(), nullable=False),
    sa.Column('open', sa.Integer(), nullable=False),
    sa.Column('asked', sa.Integer(), nullable=False),
    sa.Column('cancelled', sa.Integer(), nullable=False),
    sa.Column('shipped', sa.Integer(), nullable=False),
    sa.Column('allocated', sa.Boolean(), nullable=False),
    sa.Column('accepted', sa.Integer(), nullable=False),
    sa.Column('backordered', sa.Integer(), nullable=False),
    sa.Column('rejected', sa.Integer(), nullable=False),
    sa.Column('backorder_on', sa.Date(), nullable=True),
    sa.Column('unit_price_minor', sa.BigInteger(), nullable=True),
    sa.Column('priced', sa.Boolean(), nullable=False, comment='whether what is cancelled of it is refunded: see order_money'),
    sa.Column('promised_on', sa.Date(), nullable=True),
    sa.Column('seq', sa.Integer(), nullable=False, comment='how many events this line has'),
    sa.Column('changed_at', Instant(), nullable=False),
    sa.Column('details', Document, nullable=False),
    sa.CheckConstraint('open >= 0 AND asked >= 0 AND cancelled >= 0 AND shipped >= 0', name=op.f('ck_lines_units_not_negative')),
    sa.CheckConstraint('ordered = open + asked + cancelled + shipped', name=op.f('ck_lines_units_sum')),
    sa.CheckConstraint('ordered > 0', name=op.f('ck_lines_ordered_positive')),
    sa.ForeignKeyConstraint(['retailer_id', 'order_id'], ['orders.retailer_id', 'orders.id'], name=op.f('fk_lines_retailer_id_order_id')),
    sa.PrimaryKeyConstraint('retailer_id', 'id', name=op.f('pk_lines')),
    sa.UniqueConstraint('retailer_id', 'number', name=op.f('uq_lines_retailer_id_number'))
    )
    op.create_index(op.f('ix_lines_retailer_id_fulfiller_id_placed_at'), 'lines', ['retailer_id', 'fulfiller_id', 'placed_at'], unique=False)
    op.create_index(op.f('ix_lines_retailer_id_order_id'), 'lines', ['retailer_id', 'order_id'], unique=False)
    op.create_table('shipments',
    sa.Column('retailer_id', Id, nullable=False),
    sa.Column('id', Id, nullable=False),
    sa.Column('order_id', Id, nullable=False),
    sa.Column('fulfiller_id', Id, nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('reported_at', Instant(), nullable=False),
    sa.Column('carrier', sa.Text(), nullable=False),
    sa.Column('tracking_number', sa.Text(), nullable=False),
    sa.Column('details', Document, nullable=False, comment='method, weight, cost, reference'),
    sa.ForeignKeyConstraint(['retailer_id', 'order_id'], ['orders.retailer_id', 'orders.id'], name=op.f('fk_shipments_retailer_id_order_id')),
    sa.PrimaryKeyConstraint('retailer_id', 'id', name=op.f('pk_shipments')),
    sa.UniqueConstraint('retailer_id', 'number', name=op.f('uq_shipments_retailer_id_number'))
    )
    op.create_index(op.f('ix_shipments_retailer_id_order_id'), 'shipments', ['retailer_id', 'order_id'], unique=False)
    op.create_table('users',
    sa.Column('id', Id, nullable=False),
    sa.Column('party_id', Id, nullable=False),
    sa.Column('email', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('password_hash', sa.Text(), nullable=False),
    sa.Column('permissions', Document, nullable=False),
    sa.Column('status', sa.Text(), server_default='active', nullable=False),
    sa.Column('created_at', Instant(), nullable=False),
    sa.ForeignKeyConstraint(['party_id'], ['parties.id'], name=op.f('fk_users_party_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_users')),
    sa.UniqueConstraint('email', name=op.f('uq_users_email'))
    )
    op.create_table('cancellations',
    sa.Column('retailer_id', Id, nullable=False),
    sa.Column('id', Id, nullable=False),
    sa.Column('line_id', Id, nullable=False),
    sa.Column('order_id', Id, nullable=False),
    sa.Column('fulfiller_id', Id, nullable=False),
    sa.Column('units', sa.Integer(), nullable=False),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('asker', sa.Text(), nullable=False),
    sa.Column('asked_by', Id, nullable=False),
    sa.Column('asked_at', Instant(), nullable=False),
    sa.Column('awaiting', Id, nullable=True),
    sa.Column('due_at', Instant(), nullable=True),
    sa.Column('policy_version', sa.Integer(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('note', sa.Text(), nullable=False),
    sa.Column('ask_key', sa.Text(), nullable=False),
    sa.Column('accepted_units', sa.Integer(), nullable=False),
    sa.Column('answered_at', Instant(), nullable=True),
    sa.Column('answered_by', Id, nullable=True),
    sa.Column('decline_reason', sa.Text(), nullable=True),
    sa.Column('answer_note', sa.Text(), nullable=False),
    sa.Column('by_policy', sa.Boolean(), nullable=False),
    sa.Column('unasked', sa.Boolean(), nullable=False),
    sa.Column('group_id', Id, nullable=True, comment='asks that are heeded together or not at all'),
    sa.Column('agreed', sa.Boolean(), nullable=False, comment='accepted, and waiting for the others of its group'),
    sa.Column('door', sa.Text(), nullable=False),
    sa.CheckConstraint("state IN ('asked', 'accepted', 'declined', 'withdrawn', 'lapsed') AND (state = 'accepted') = (accepted_units > 0) AND (state = 'asked') = (answered_at IS NULL)", name=op.f('ck_cancellations_state')),
    sa.CheckConstraint('units > 0 AND accepted_units BETWEEN 0 AND units', name=op.f('ck_cancellations_units')),
    sa.ForeignKeyConstraint(['retailer_id', 'line_id'], ['lines.retailer_id', 'lines.id'], name=op.f('fk_cancellations_retailer_id_line_id')),
    sa.PrimaryKeyConstraint('retailer_id', 'id', name=op.f('pk_cancellations'))
    )
    op.create_index('ix_cancellations_asked', 'cancellations', ['retailer_id', 'due_at'], unique=False, postgresql_where=sa.text("state = 'asked'"), sqlite_where=sa.text("state = 'asked'"))
    op.create_index(op.f('ix_cancellations_retailer_id_line_id'), 'cancellations', ['retailer_id', 'line_id'], unique=False)
    op.create_table('credentials',
    sa.Column('id', Id, nullable=False),
    sa.Column('party_id', Id, nullable=False),
    sa.Column('user_id', Id, nullable=True),
    sa.Column('kind', sa.Text(), nullable=False, comment='token | plaza_key | oauth_client'),
    sa.Column('lookup', sa.Text(), nullable=False, comment='SHA-256 of a token, or the public half of a key'),
    sa.Column('secret', sa.LargeBinary(), nullable=True, comment='encrypted; null where the secret need not be known'),
    sa.Column('label', sa.Text(), server_default='', nullable=False),
    sa.Column('permissions', Document, nullable=False),
    sa.Column('created_at', Instant(), nullable=False),
    sa.Column('expires_at', Instant(), nullable=True),
    sa.Column('revoked_at', Instant(), nullable=True),
    sa.ForeignKeyConstraint(['party_id'], ['parties.id'], name=op.f('fk_credentials_party_id')),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_credentials_user_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_credentials')),
    sa.UniqueConstraint('lookup', name=op.f('uq_credentials_lookup'))
    )
    op.create_index(op.f('ix_credentials_party_id_kind'), 'credentials', ['party_id', 'kind'], unique=False)
    op.create_table('events',
    sa.Column('retailer_id', Id, nullable=False),
    sa.Column('line_id', Id, nullable=False),
    sa.Column('seq', sa.Integer(), nullable=False),
    sa.Column('id', Id, nullable=False),
    sa.Column('order_id', Id, nullable=False),
    sa.Column('cancellation_id', Id, nullable=True),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('at', Instant(), nullable=False),
    sa.Column('actor_id', Id, nullable=True, comment='null when a rule spoke'),
    sa.Column('actor', sa.Text(), nullable=False, comment='the person or credential, in words'),
    sa.Column('door', sa.Text(), nullable=False),
    sa.Column('facts', Document, nullable=False),
    sa.ForeignKeyConstraint(['retailer_id', 'line_id'], ['lines.retailer_id', 'lines.id'], name=op.f('fk_events_retailer_id_line_id')),
    sa.PrimaryKeyConstraint('retailer_id', 'line_id', 'seq', name=op.f('pk_events'))
    )
    op.create_index(op.f('ix_events_retailer_id_id'), 'events', ['retailer_id', 'id'], unique=False)
    op.create_table('shipment_lines',
    sa.Column('retailer_id', Id, nullable=False),
    sa.Column('shipment_id', Id, nullable=False),
    sa.Column('line_id', Id, nullable=False),
    sa.Column('units', sa.Integer(), nullable=False),
    sa.CheckConstraint('units > 0', name=op.f('ck_shipment_lines_units')),
    sa.ForeignKeyConstraint(['retailer_id', 'line_id'], ['lines.retailer_id', 'lines.id'], name=op.f('fk_shipment_lines_retailer_id_line_id')),
    sa.ForeignKeyConstraint(['retailer_id', 'shipment_id'], ['shipments.retailer_id', 'shipments.id'], name=op.f('fk_shipment_lines_retailer_id_shipment_id')),
    sa.PrimaryKeyConstraint('retailer_id', 'shipment_id', 'line_id', name=op.f('pk_shipment_lines'))
    )
    op.create_index(op.f('ix_shipment_lines_retailer_id_line_id'), 'shipment_lines', ['retailer_id', 'line_id'], unique=False)
    op.create_table('order_money',
    sa.Column('retailer_id', Id, nullable=False),
    sa.Column('id', Id, nullable=False, comment="the order's"),
    sa.Column('terms', Document, nullable=False, comment='prices, discounts, charges; payments as they are now'),
    sa.Column('cancelled', Document, nullable=False, comment='how many units of each line'),
    sa.Column('given_back', Document, nullable=False, comment='refunded and released of each payment'),
    sa.ForeignKeyConstraint(['retailer_id', 'id'], ['orders.retailer_id', 'orders.id'], name=op.f('fk_order_money_retailer_id_id')),
    sa.PrimaryKeyConstraint('retailer_id', 'id', name=op.f('pk_order_money'))
    )
    op.create_table('judgements',
    sa.Column('retailer_id', Id, nullable=False),
    sa.Column('cancellation_id', Id, nullable=False),
    sa.Column('party_id', Id, nullable=False, comment='whose score it is about'),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('line_id', Id, nullable=False),
    sa.Column('excluded', sa.Boolean(), nullable=False, comment='false: it counts after all'),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('judged_by', sa.Text(), nullable=False, comment='the operator, in words'),
    sa.Column('door', sa.Text(), nullable=False),
    sa.Column('at', Instant(), nullable=False),
    sa.CheckConstraint("reason <> ''", name=op.f('ck_judgements_reason')),
    sa.ForeignKeyConstraint(['retailer_id', 'cancellation_id'], ['cancellations.retailer_id', 'cancellations.id'], name=op.f('fk_judgements_retailer_id_cancellation_id')),
    sa.PrimaryKeyConstraint('retailer_id', 'cancellation_id', 'party_id', 'version', name=op.f('pk_judgements'))
    )
    op.create_index(op.f('ix_judgements_retailer_id_line_id'), 'judgements', ['retailer_id', 'line_id'], unique=False)
    op.create_table('refunds',
    sa.Column('retailer_id', Id, nullable=False),
    sa.Column('id', Id, nullable=False),
    sa.Column('partition', sa.Integer(), nullable=False, comment='which share of the retailers: whose worker settles it'),
    sa.Column('order_id', Id, nullable=False),
    sa.Column('line_id', Id, nullable=False),
    sa.Column('cancellation_id', Id, nullable=False),
    sa.Column('payment_id', sa.Text(), nullable=False, comment="which of the order's payments gives back"),
    sa.Column('provider', sa.Text(), nullable=False),
    sa.Column('payment_reference', sa.Text(), nullable=False, comment="the provider's name of the payment"),
    sa.Column('method', sa.Text(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False, comment='refund, or release of what was only authorised'),
    sa.Column('amount_minor', sa.BigInteger(), nullable=False),
    sa.Column('elsewhere_minor', sa.BigInteger(), nullable=False, comment='what was found refunded at the provider already'),
    sa.Column('currency', sa.Text(), nullable=False),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('round', sa.Integer(), nullable=False, comment='one more after every definite failure: the n of its key'),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('due_at', Instant(), nullable=True, comment='null when nothing is left for a worker to do'),
    sa.Column('sent_at', Instant(), nullable=True, comment='when this round was first sent: how old its key is'),
    sa.Column('provider_reference', sa.Text(), nullable=False, comment="the provider's name of the refund"),
    sa.Column('movement', sa.Text(), nullable=True, comment="the provider's last word"),
    sa.Column('last_result', sa.Text(), nullable=False, comment='the last attempt, in words'),
    sa.Column('created_at', Instant(), nullable=False),
    sa.Column('settled_at', Instant(), nullable=True),
    sa.Column('note', sa.Text(), nullable=False, comment='of the person that closed it'),
    sa.Column('check_at', Instant(), nullable=True, comment='when the provider is asked again about what is done or parked'),
    sa.CheckConstraint("state IN ('by_hand', 'due', 'sent', 'accepted', 'unknown', 'confirmed', 'parked', 'closed') AND (state IN ('due', 'sent', 'accepted', 'unknown')) = (due_at IS NOT NULL) AND kind IN ('refund', 'release') AND (check_at IS NULL OR state IN ('confirmed', 'parked'))", name=op.f('ck_refunds_state')),
    sa.CheckConstraint('amount_minor > 0 AND elsewhere_minor BETWEEN 0 AND amount_minor', name=op.f('ck_refunds_amount')),
    sa.ForeignKeyConstraint(['retailer_id', 'cancellation_id'], ['cancellations.retailer_id', 'cancellations.id'], name=op.f('fk_refunds_retailer_id_cancellation_id')),
    sa.PrimaryKeyConstraint('retailer_id', 'id', name=op.f('pk_refunds')),
    sa.UniqueConstraint('retailer_id', 'cancellation_id', 'payment_id', 'kind', name=op.f('uq_refunds_retailer_id_cancellation_id_payment_id_kind'))
    )
    op.create_index(op.f('ix_refunds_payment_reference'), 'refunds', ['payment_reference'], unique=False)
    op.create_index(op.f('ix_refunds_id'), 'refunds', ['id'], unique=False)
    op.create_index('ix_refunds_checked', 'refunds', ['partition', 'check_at'], unique=False, postgresql_where=sa.text('check_at IS NOT NULL'), sqlite_where=sa.text('check_at IS NOT NULL'))
    op.create_index('ix_refunds_due', 'refunds', ['partition', 'due_at'], unique=False, postgresql_where=sa.text('due_at IS NOT NULL'), sqlite_where=sa.text('due_at IS NOT NULL'))
    op.create_index('ix_refunds_parked', 'refunds', ['retailer_id', 'created_at'], unique=False, postgresql_where=sa.text("state = 'parked'"), sqlite_where=sa.text("state = 'parked'"))
    op.create_index(op.f('ix_refunds_retailer_id_order_id'), 'refunds', ['retailer_id', 'order_id'], unique=False)
    op.create_table('journal',
    sa.Column('retailer_id', Id, nullable=False),
    sa.Column('id', Id, nullable=False),
    sa.Column('order_id', Id, nullable=False),
    sa.Column('line_id', Id, nullable=False),
    sa.Column('refund_id', Id, nullable=True, comment='null for commission'),
    sa.Column('at', Instant(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False, comment='refund.due, refund.done, ...: what it was written for'),
    sa.Column('debit', sa.Text(), nullable=False, comment='the account that gives'),
    sa.Column('credit', sa.Text(), nullable=False, comment='the account that receives'),
    sa.Column('amount_minor', sa.BigInteger(), nullable=False),
    sa.Column('currency', sa.Text(), nullable=False),
    sa.CheckConstraint('amount_minor > 0', name=op.f('ck_journal_amount')),
    sa.CheckConstraint('debit <> credit', name=op.f('ck_journal_accounts')),
    sa.ForeignKeyConstraint(['retailer_id', 'line_id'], ['lines.retailer_id', 'lines.id'], name=op.f('fk_journal_retailer_id_line_id')),
    sa.PrimaryKeyConstraint('retailer_id', 'id', name=op.f('pk_journal'))
    )
    op.create_index(op.f('ix_journal_retailer_id_order_id'), 'journal', ['retailer_id', 'order_id'], unique=False)
    op.bulk_insert(
        sa.table("revisions", sa.column("name", sa.Text()), sa.column("number", sa.BigInteger())),
        [{"name": "agreements", "number": 1}],
    )
    op.bulk_insert(
        sa.table("partitions", sa.column("number", sa.Integer())),
        [{"number": number} for number in range(32)],
    )
    op.bulk_insert(
        sa.table("number_blocks", sa.column("name", sa.Text()), sa.column("next_number", sa.Integer())),
        [{"name": "bol", "next_number": 1_000_001}],
    )
    op.bulk_insert(
        sa.table(
            "parties",
            sa.column("id", Id),
            sa.column("number", sa.Integer()),
            sa.column("kind", sa.Text()),
            sa.column("name", sa.Text()),
            sa.column("created_at", Instant()),
        ),
        [
            {
                "id": UUID(int=1),
                "number": 1_000_000,
                "kind": "platform",
                "name": "Platform",
                "created_at": datetime.fromtimestamp(0, UTC),
            }
        ],
    )
