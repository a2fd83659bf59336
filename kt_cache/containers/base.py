"""What the classes of all containers have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from kt_cache.containers.patience import PatientOperation, await_patiently, run_patiently
from kt_cache.containers.place import Key, Place
from kt_cache.errors import ConfigError
from kt_cache.serializers import encode_key

if TYPE_CHECKING:
    from kt_cache.client.aio_records import AsyncRecordMethods
    from kt_cache.client.base import ClientBase
    from kt_cache.client.operation import Operation
    from kt_cache.client.sync_records import RecordMethods

__all__ = ["AsyncContainer", "BlockingContainer", "Container"]

T = TypeVar("T")


class Container:
    """A key of a database, and how values are turned into bytes there.

    :ivar key: of the record, or what the keys of the records begin with.
    :ivar db: database index; ``None`` for the client's default at the time of each call.
    :ivar encode_values: whether values are serialized; if not they must be bytes, text or numbers.
    :ivar decode_values: whether values are deserialized; if not they come as bytes.
    """

    _key_input = b"key"

    def __init__(
        self, client: ClientBase, key: Key, encode_values: bool, decode_values: bool, db: int | None
    ) -> None:
        self.key = key
        self.encode_values = encode_values
        self.decode_values = decode_values
        self.db = db
        self._client = client

    @property
    def _place(self) -> Place:
        client = self._client
        return Place(
            client,
            encode_key(self.key),
            client._db(self.db),
            self._key_input,
            self.encode_values,
            self.decode_values,
        )

    def _beside(self, other: Container | Key) -> bytes:
        """Return the key of a container in the same database, given as such or by its key."""
        if not isinstance(other, Container):
            return encode_key(other)
        place = other._place  # noqa: SLF001 - it is one of us
        if place.db != self._place.db:
            raise ConfigError(f"{other!r} is not in the same database as {self!r}")
        return place.key

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.key!r} db={self._client._db(self.db)}>"


class BlockingContainer(Container):
    """Runs operations on a blocking client.

    :ivar kt: the client.
    """

    def __init__(
        self, kt: RecordMethods, key: Key, encode_values: bool, decode_values: bool, db: int | None
    ) -> None:
        super().__init__(kt, key, encode_values, decode_values, db)
        self.kt = kt

    def _run(self, operation: Operation[T]) -> T:
        return self.kt._executor.drive(operation)

    def _wait(self, operation: PatientOperation[T]) -> T:
        return run_patiently(self.kt._executor, operation)


class AsyncContainer(Container):
    """Runs operations on an asyncio client.

    :ivar kt: the client.
    """

    def __init__(
        self,
        kt: AsyncRecordMethods,
        key: Key,
        encode_values: bool,
        decode_values: bool,
        db: int | None,
    ) -> None:
        super().__init__(kt, key, encode_values, decode_values, db)
        self.kt = kt

    async def _run(self, operation: Operation[T]) -> T:
        return await self.kt._executor.drive(operation)

    async def _wait(self, operation: PatientOperation[T]) -> T:
        return await await_patiently(self.kt._executor, operation)
