"""The walk through the sites: each step says what it saw, and fails if that is not right."""

from __future__ import annotations

from collections.abc import Callable

from kt_cache import EmbeddedServer, KyotoTycoon
from testproject.demo.django_steps import DjangoSteps
from testproject.demo.flask_steps import FlaskSteps
from testproject.demo.steps import Shared, expect
from testproject.demo.table import Row


class Walk:
    """All steps in their order, and the rows of the closing table."""

    def __init__(
        self, django_url: str, flask_url: str, server: EmbeddedServer, say: Callable[[str], None]
    ) -> None:
        self._server = server
        self._shared = Shared(KyotoTycoon(server.host, server.port or 0), say)
        self._sites = [
            DjangoSteps(django_url, self._shared),
            FlaskSteps(flask_url, self._shared),
        ]

    @property
    def rows(self) -> list[Row]:
        """The rows of the steps taken so far."""
        return self._shared.rows

    def run(self) -> None:
        """Take every step."""
        with self._shared.direct:
            for site in self._sites:
                site.use()
            expect("the server ran until it was stopped", True, self._server.stop())
            for site in self._sites:
                site.while_server_is_away()
            self._server.run()
            for site in self._sites:
                site.when_server_is_back()
            for site in self._sites:
                site.log_out()
