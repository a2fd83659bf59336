"""The proxy that breaks connections: how it ends."""

from __future__ import annotations

import pytest

from kt_cache import KyotoTycoon
from kt_cache.errors import ReadTimeout
from kt_cache.testing import FaultProxy


@pytest.mark.parametrize("stalled", [False, True])
def test_stops_in_silence(included_server, caplog, stalled):
    """Connections that are open when it stops, idle or in a stalled call, make no noise."""
    with FaultProxy(included_server.port, included_server.host) as proxy:
        client = KyotoTycoon(proxy.host, proxy.port, timeout=0.2)
        client.set("k", "v")
        assert proxy.open_connections
        if stalled:
            proxy.stall()
            with pytest.raises(ReadTimeout):
                client.get("k")
            with pytest.raises(ReadTimeout):
                client.get("k")
    assert not caplog.records
