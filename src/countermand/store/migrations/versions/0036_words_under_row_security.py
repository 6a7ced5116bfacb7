"""Words of titles are found by their index also where row-level security binds the role of the service.

PostgreSQL asks a policy before any operator that might tell what it was given, and ``@@`` is one: the whole table is
read. A function of the owner of the tables asks the index first, and then the policy's question itself.

Revision ID: 0036
Revises: 0035
"""

from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

FUNCTION = """
CREATE FUNCTION parts_with_words(words tsquery, sees text, party uuid, most bigint)
RETURNS TABLE (retailer_id uuid, order_id uuid, placed_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
    WITH found AS MATERIALIZED (
        SELECT p.retailer_id, p.order_id, p.placed_at FROM order_parts AS p
        WHERE array_to_tsvector(string_to_array(p.terms, ' ')) @@ words
        AND sees IN ('all', p.retailer_id::text, p.fulfiller_id::text)
        AND (party IS NULL OR p.retailer_id = party OR (p.fulfiller_id = party AND p.held))
    )
    SELECT * FROM found LIMIT most
$$
"""


def upgrade() -> None:
    """Add the function, on PostgreSQL."""
    if op.get_bind().dialect.name != "postgresql":
        return
    schema = op.get_bind().exec_driver_sql("SELECT quote_ident(current_schema())").scalar_one()
    op.execute(FUNCTION.format(schema=schema))
