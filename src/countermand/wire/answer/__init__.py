"""The page behind a link in an e-mail: a person answers one cancellation there, without an account."""

from countermand.wire.answer.door import answer_door as answer_door
