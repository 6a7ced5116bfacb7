"""The call on FastAPI, SQLAlchemy's asynchronous ORM and asyncpg, in their simplest idiomatic form.

``python -m bench.neighbours.fastapi_app LINES USERS`` fills the database and prints an item and a token a line.
"""

import asyncio
import os
import sys
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict
from sqlalchemy import DateTime, ForeignKey, Numeric, String, func, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

DATABASE = os.environ.get("NEIGHBOUR_DATABASE", "postgresql://localhost/neighbour")
engine = create_async_engine(
    DATABASE.replace("postgresql:", "postgresql+asyncpg:"), pool_size=int(os.environ.get("POOL", "16")), max_overflow=0
)
Session = async_sessionmaker(engine, expire_on_commit=False)


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    is_active: Mapped[bool] = mapped_column(default=True)


class Token(Base):
    __tablename__ = "tokens"
    key: Mapped[str] = mapped_column(String(40), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))


class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    status: Mapped[str] = mapped_column(String(20), default="placed")


class OrderItem(Base):
    __tablename__ = "order_items"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"), index=True)
    sku: Mapped[str] = mapped_column(String(64))
    quantity: Mapped[int] = mapped_column(default=1)
    unit_price: Mapped[float] = mapped_column(Numeric(12, 2))
    state: Mapped[str] = mapped_column(String(20), default="open")
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class Cancellation(Base):
    __tablename__ = "cancellations"
    id: Mapped[int] = mapped_column(primary_key=True)
    item_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("order_items.id"), unique=True)
    actor_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    reason: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class OutboxEvent(Base):
    __tablename__ = "outbox"
    id: Mapped[int] = mapped_column(primary_key=True)
    topic: Mapped[str] = mapped_column(String(100))
    key: Mapped[uuid.UUID]
    payload: Mapped[dict[str, Any]] = mapped_column(JSONB)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    published_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True), index=True)


class ItemOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    id: uuid.UUID
    order_id: int
    sku: str
    quantity: int
    unit_price: float
    state: str
    updated_at: datetime


app = FastAPI()
bearer = HTTPBearer()


async def get_session() -> AsyncIterator[AsyncSession]:
    async with Session() as session:
        yield session


Database = Annotated[AsyncSession, Depends(get_session)]


async def current_user(given: Annotated[HTTPAuthorizationCredentials, Depends(bearer)], session: Database) -> User:
    user = await session.scalar(
        select(User).join(Token, Token.user_id == User.id).where(Token.key == given.credentials, User.is_active)
    )
    if user is None:
        raise HTTPException(401, "Invalid token")
    return user


@app.delete("/orders/items/cancel/{item_id}/", response_model=ItemOut)
async def cancel_item(item_id: uuid.UUID, user: Annotated[User, Depends(current_user)], session: Database) -> OrderItem:
    item = await session.scalar(
        select(OrderItem)
        .join(Order)
        .where(OrderItem.id == item_id, Order.customer_id == user.id)
        .with_for_update(of=OrderItem)
    )
    if item is None:
        raise HTTPException(404, "Not found")
    if item.state != "open":
        raise HTTPException(409, f"Item is {item.state}")
    item.state = "cancelled"
    item.updated_at = datetime.now(UTC)
    session.add(Cancellation(item_id=item.id, actor_id=user.id, reason="customer_request"))
    payload = {"item": str(item.id), "order": item.order_id}
    session.add(OutboxEvent(topic="order.item.cancelled", key=item.id, payload=payload))
    await session.commit()
    return item


SEED = (
    "INSERT INTO users (id, name, is_active) SELECT n, 'u' || n, true FROM generate_series(1, :users) n",
    "INSERT INTO tokens SELECT substr(encode(sha256(('t' || id)::bytea), 'hex'), 1, 40), id FROM users",
    "INSERT INTO orders (id, customer_id, status) SELECT n, 1 + n % :users, 'placed' FROM generate_series(1, :lines) n",
    "INSERT INTO order_items (id, order_id, sku, quantity, unit_price, state)"
    " SELECT gen_random_uuid(), id, 'SKU' || (id % 500), 1, 19.99, 'open' FROM orders",
    "ANALYZE",
)
PAIRS = (
    "SELECT i.id, t.key FROM order_items i JOIN orders o ON o.id = i.order_id"
    " JOIN tokens t ON t.user_id = o.customer_id ORDER BY md5(i.id::text)"
)


async def seed(lines: int, users: int) -> None:
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
        for statement in SEED:
            names = {name: value for name, value in (("lines", lines), ("users", users)) if f":{name}" in statement}
            await connection.execute(text(statement), names)
        for item, token in (await connection.execute(text(PAIRS))).all():
            print(item, token)


if __name__ == "__main__":
    asyncio.run(seed(int(sys.argv[1]), int(sys.argv[2])))
