"""The call on Django REST framework, in its simplest idiomatic form."""
