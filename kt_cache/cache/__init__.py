"""Floor 4: the cache, free of any framework, and the stores it can stand on."""

from kt_cache.cache.base import KeyFunction, ReverseKeyFunction, default_key
from kt_cache.cache.blocking import BlockingStore
from kt_cache.cache.call_events import CallEvent
from kt_cache.cache.codec import Codec
from kt_cache.cache.codec_options import CODEC_OPTIONS, PAYLOAD_OPTIONS, pop_codec
from kt_cache.cache.core import Cache
from kt_cache.cache.failure_policy import FailurePolicy
from kt_cache.cache.locations import STORE_OPTIONS, check_location, open_store, store_of
from kt_cache.cache.locks import Lock
from kt_cache.cache.observed import Observer
from kt_cache.cache.options import check_options
from kt_cache.cache.store import Store
from kt_cache.cache.tolerant import strict

__all__ = [
    "CODEC_OPTIONS",
    "PAYLOAD_OPTIONS",
    "STORE_OPTIONS",
    "BlockingStore",
    "Cache",
    "CallEvent",
    "Codec",
    "FailurePolicy",
    "KeyFunction",
    "Lock",
    "Observer",
    "ReverseKeyFunction",
    "Store",
    "check_location",
    "check_options",
    "default_key",
    "open_store",
    "pop_codec",
    "store_of",
    "strict",
]
