"""The Kyoto Tycoon binary protocol, both directions. Integers are big-endian.

Requests are encoded by the clients and decoded by the server's :class:`RequestDecoder`; replies
are encoded by the server and decoded by the ``decode_*`` functions and ``*ReplyDecoder`` objects,
which follow :mod:`kt_cache.protocol.framing`.
"""

from kt_cache.protocol.binary.bulk import (
    Key,
    Keys,
    Record,
    Records,
    encode_get,
    encode_get_keys,
    encode_remove,
    encode_set,
    encode_set_pairs,
    encode_single_get,
    encode_single_remove,
    encode_single_set,
)
from kt_cache.protocol.binary.bulk_replies import (
    Found,
    GetReplyDecoder,
    PairsDecoder,
    decode_remove_reply,
    decode_set_reply,
    decode_single_get_reply,
    encode_count_reply,
    encode_get_reply,
)
from kt_cache.protocol.binary.cache_script import (
    decode_number_reply,
    encode_cache_add,
    encode_cache_incr,
    encode_cache_touch,
)
from kt_cache.protocol.binary.frames import (
    ERROR_REPLY,
    GET_BULK,
    PLAY_SCRIPT,
    REMOVE_BULK,
    SET_BULK,
    starts_binary,
)
from kt_cache.protocol.binary.replication import Replication
from kt_cache.protocol.binary.script import (
    Script,
    ScriptReplyDecoder,
    decode_script_reply,
    encode_script,
    encode_script_reply,
)
from kt_cache.protocol.binary.stream import Request, RequestDecoder

__all__ = [
    "ERROR_REPLY",
    "GET_BULK",
    "PLAY_SCRIPT",
    "REMOVE_BULK",
    "SET_BULK",
    "Found",
    "GetReplyDecoder",
    "Key",
    "Keys",
    "PairsDecoder",
    "Record",
    "Records",
    "Replication",
    "Request",
    "RequestDecoder",
    "Script",
    "ScriptReplyDecoder",
    "decode_number_reply",
    "decode_remove_reply",
    "decode_script_reply",
    "decode_set_reply",
    "decode_single_get_reply",
    "encode_cache_add",
    "encode_cache_incr",
    "encode_cache_touch",
    "encode_count_reply",
    "encode_get",
    "encode_get_keys",
    "encode_get_reply",
    "encode_remove",
    "encode_script",
    "encode_script_reply",
    "encode_set",
    "encode_set_pairs",
    "encode_single_get",
    "encode_single_remove",
    "encode_single_set",
    "starts_binary",
]
