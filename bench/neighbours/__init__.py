"""The same call as others would write it: FastAPI with SQLAlchemy's ORM, and Django REST framework."""
