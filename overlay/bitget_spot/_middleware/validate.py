"""The outermost middleware: refuses an inconsistent batch before any wait and before any byte is sent."""

from __future__ import annotations

import httpx

from bitget_spot._middleware.base import Flow, Middleware, read_body
from bitget_spot._middleware.context import attach_context
from bitget_spot.errors import InvalidBatchError
from bitget_spot.validation import validate_body


class ValidateMiddleware(Middleware):
    """Attaches the context of the call, and checks the body of every batch, whatever code built it."""

    def flow(self, request: httpx.Request) -> Flow:
        """Raise `InvalidBatchError` with every violation, or pass the request on."""
        context = attach_context(request)
        body = yield from read_body(request)
        violations = () if context.is_valid else validate_body(context.operation, body)
        if violations:
            raise InvalidBatchError(violations)
        return (yield from self.pass_on(request))
