"""Whatever the exchange sends: a result or an exception of this package, in time, and without keeping the response."""

from __future__ import annotations

import gc
import gzip
import itertools
import json
import logging
import pickle
import tracemalloc
from collections.abc import Callable, Coroutine, Mapping, Sequence
from types import ModuleType
from typing import Any, Final

import httpx
import pytest
from attrs import evolve, frozen
from hypothesis import given
from hypothesis import strategies as st
from simulation import Simulation, patch_library, use_virtual_time

from bitget_spot import (
    BitgetError,
    Credentials,
    InvalidResponseError,
    Report,
    Status,
    cancel_open_orders,
    cancel_orders,
    connect,
    report_of,
    server_time,
)
from bitget_spot._middleware.account_type import AccountType
from bitget_spot._middleware.responses import parse_envelope, parse_error
from bitget_spot.client import SpotClient
from bitget_spot.rate_limit import MemoryStore
from bitget_spot_api.api.public import get_server_time
from bitget_spot_api.api.trade import (
    batch_cancel_orders,
    batch_cancel_plan_orders,
    cancel_order,
    cancel_plan_order,
    cancel_symbol_orders,
    get_current_plan_orders,
    get_history_orders,
    get_history_plan_orders,
    get_order_info,
    get_unfilled_orders,
)
from bitget_spot_api.api.unified import (
    batch_cancel_unified_orders,
    cancel_unified_strategy_order,
    cancel_unified_symbol_orders,
    get_unified_history_orders,
    get_unified_history_strategy_orders,
    get_unified_order_info,
    get_unified_unfilled_orders,
    get_unified_unfilled_strategy_orders,
)
from bitget_spot_api.models import (
    BatchCancelOrdersRequest,
    BatchCancelPlanOrdersRequest,
    CancelOrderRequest,
    CancelPlanOrderRequest,
    CancelSymbolOrdersRequest,
    CancelUnifiedStrategyOrderRequest,
    CancelUnifiedSymbolOrdersRequest,
    OrderRef,
    UnifiedOrderRef,
)
from bitget_spot_api.operations import (
    GET_CURRENT_PLAN_ORDERS,
    GET_UNFILLED_ORDERS,
    GET_UNIFIED_UNFILLED_ORDERS,
    GET_UNIFIED_UNFILLED_STRATEGY_ORDERS,
)

from .hostile_input import HostileResponse, fuzz_settings, responses

ORDERS: Final = [OrderRef(order_id="1"), OrderRef(order_id="2", symbol="BTCUSDT"), OrderRef(client_oid="x")]
ORDERS_WITH_SYMBOLS: Final = [evolve(order, symbol="BTCUSDT") for order in ORDERS]
"""As a unified account needs them."""
ACCOUNT_TYPES: Final[tuple[AccountType | None, ...]] = (None, "classic", "unified")
DEADLINE: Final = 30.0
SHORT_DEADLINE: Final = 3.0
"""For runs that go on until their deadline."""
MAX_EXCERPT: Final = 2_000
MODES: Final = ("sync", "asyncio")
MAX_OVERRUN: Final = 40.0
"""Seconds that a run may take beyond its deadline: more than the longest pause after HTTP 429."""
BODY: Final = BatchCancelOrdersRequest(order_list=[OrderRef(order_id="1")])
SYMBOL_BODY: Final = CancelSymbolOrdersRequest(symbol="BTCUSDT")
TPSL_BODY: Final = CancelOrderRequest(tpsl_type="tpsl", order_id="1")
PLAN_BODY: Final = CancelPlanOrderRequest(order_id="1")
PLAN_SYMBOLS_BODY: Final = BatchCancelPlanOrdersRequest(symbol_list=["BTCUSDT"])
CATEGORY_BODY: Final = CancelUnifiedSymbolOrdersRequest(category="SPOT")
STRATEGY_BODY: Final = CancelUnifiedStrategyOrderRequest(order_id="1")
FUTURES: Final = "USDT-FUTURES"
UNIFIED_ORDER: Final = UnifiedOrderRef(symbol="BTCUSDT", category="SPOT", order_id="1")


@frozen
class ApiCall:
    """A function for threads, its counterpart for tasks, and the arguments of both."""

    function: Callable[..., object]
    coroutine_function: Callable[..., Coroutine[Any, Any, object]]
    arguments: Mapping[str, Any] = {}


CALLS: Final = {
    "batch": ApiCall(batch_cancel_orders.sync_detailed, batch_cancel_orders.asyncio, {"body": BODY}),
    "symbol": ApiCall(cancel_symbol_orders.sync, cancel_symbol_orders.asyncio, {"body": SYMBOL_BODY}),
    "tpsl": ApiCall(cancel_order.sync, cancel_order.asyncio, {"body": TPSL_BODY}),
    "plan": ApiCall(cancel_plan_order.sync, cancel_plan_order.asyncio, {"body": PLAN_BODY}),
    "plan batch": ApiCall(batch_cancel_plan_orders.sync, batch_cancel_plan_orders.asyncio, {"body": PLAN_SYMBOLS_BODY}),
    "current plan": ApiCall(get_current_plan_orders.sync, get_current_plan_orders.asyncio),
    "history plan": ApiCall(get_history_plan_orders.sync, get_history_plan_orders.asyncio),
    "unfilled": ApiCall(get_unfilled_orders.sync, get_unfilled_orders.asyncio),
    "history": ApiCall(get_history_orders.sync, get_history_orders.asyncio),
    "info": ApiCall(get_order_info.sync, get_order_info.asyncio, {"order_id": "1"}),
    "time": ApiCall(get_server_time.sync, get_server_time.asyncio),
    "clock": ApiCall(server_time.sync, server_time.asyncio),
    "unified batch": ApiCall(
        batch_cancel_unified_orders.sync_detailed, batch_cancel_unified_orders.asyncio, {"body": [UNIFIED_ORDER]}
    ),
    "unified category": ApiCall(
        cancel_unified_symbol_orders.sync, cancel_unified_symbol_orders.asyncio, {"body": CATEGORY_BODY}
    ),
    "unified strategy": ApiCall(
        cancel_unified_strategy_order.sync, cancel_unified_strategy_order.asyncio, {"body": STRATEGY_BODY}
    ),
    "unified unfilled strategy": ApiCall(
        get_unified_unfilled_strategy_orders.sync,
        get_unified_unfilled_strategy_orders.asyncio,
        {"category": FUTURES},
    ),
    "unified history strategy": ApiCall(
        get_unified_history_strategy_orders.sync, get_unified_history_strategy_orders.asyncio, {"category": FUTURES}
    ),
    "unified unfilled": ApiCall(get_unified_unfilled_orders.sync, get_unified_unfilled_orders.asyncio),
    "unified history": ApiCall(
        get_unified_history_orders.sync, get_unified_history_orders.asyncio, {"category": "SPOT"}
    ),
    "unified info": ApiCall(get_unified_order_info.sync, get_unified_order_info.asyncio, {"order_id": "1"}),
}


OPEN_ORDER: Final = {"symbol": "BTCUSDT", "side": "buy", "status": "live", "orderStatus": "live", "posSide": "long"}
NORMAL_ROWS: Final = [{**OPEN_ORDER, "orderId": "1"}, {**OPEN_ORDER, "orderId": "2", "symbol": "ETHUSDT"}]
TPSL_ROWS: Final = [{**OPEN_ORDER, "orderId": "3"}]
PLAN_ROWS: Final = [{**OPEN_ORDER, "orderId": "4"}, {**OPEN_ORDER, "orderId": "5", "symbol": "ETHUSDT"}]


@pytest.fixture(autouse=True)
def no_logging(caplog: pytest.LogCaptureFixture) -> None:
    """Log nothing: these responses cause very many warnings."""
    caplog.set_level(logging.CRITICAL, "bitget_spot")


def open_orders_of(request: httpx.Request) -> object:
    """Return the data of a listing of open orders of any kind; `None` for another request."""
    is_tpsl = "tpslType" in request.url.params
    data: dict[str, object] = {
        GET_UNFILLED_ORDERS.path: TPSL_ROWS if is_tpsl else NORMAL_ROWS,
        GET_CURRENT_PLAN_ORDERS.path: {"nextFlag": False, "orderList": PLAN_ROWS},
        GET_UNIFIED_UNFILLED_ORDERS.path: {"list": NORMAL_ROWS},
        GET_UNIFIED_UNFILLED_STRATEGY_ORDERS.path: TPSL_ROWS,
    }
    return data.get(request.url.path)


def connect_to(
    sent_responses: Sequence[HostileResponse],
    simulation: Simulation,
    account_type: AccountType | None = None,
    *,
    lists_orders: bool = False,
) -> SpotClient:
    """
    Return a client whose exchange sends these responses in turn, over and over.

    Args:
        sent_responses: The responses.
        simulation: The virtual time.
        account_type: The type of account that `connect` is given.
        lists_orders: Whether the exchange lists open orders of every kind correctly instead.

    """
    turns = itertools.cycle(sent_responses)

    def respond(request: httpx.Request) -> httpx.Response:
        data = open_orders_of(request) if lists_orders else None
        if data is not None:
            return httpx.Response(200, content=envelope_of(json.dumps(data)))
        return next(turns)(request)

    client = connect(
        Credentials("a", "b", "c"),
        rate_limit_store=MemoryStore(clock=simulation.monotonic),
        transport=httpx.MockTransport(respond),
        max_retries=1,
        demo=False,
        account_type=account_type,
    )
    use_virtual_time(client, simulation)
    return client


def run(mode: str, operation: ModuleType, simulation: Simulation, **arguments: Any) -> Report:
    """Cancel orders from this thread, or from a new event loop."""
    report = operation.sync(**arguments) if mode == "sync" else simulation.run(lambda: operation.asyncio(**arguments))
    assert isinstance(report, Report)
    return report


def assert_printable(value: object) -> None:
    """Check that a value can be printed and pickled."""
    text = str(value)
    repr(value)
    restored = pickle.loads(pickle.dumps(value))  # noqa: S301 - pickled here
    assert str(restored) == text


def cancel_one_order(response: HostileResponse, mode: str) -> Report:
    """Cancel one order of an exchange that sends this response, and return the report."""
    simulation = Simulation()
    with patch_library(simulation):
        client = connect_to([response], simulation)
        orders = [OrderRef(order_id="1")]
        report = run(mode, cancel_orders, simulation, client=client, orders=orders)
        simulation.check_idle()
    assert_printable(report)
    return report


@fuzz_settings(100)
@given(response=responses(), name=st.sampled_from(sorted(CALLS)), mode=st.sampled_from(MODES))
def test_generated_functions(response: HostileResponse, name: str, mode: str) -> None:
    """A function returns a result, or raises an exception of this package or of httpx that can be shown and pickled."""
    simulation = Simulation()
    api_call = CALLS[name]
    with patch_library(simulation):
        client = connect_to([response], simulation)
        try:
            if mode == "sync":
                api_call.function(client=client, **api_call.arguments)
            else:
                simulation.run(lambda: api_call.coroutine_function(client=client, **api_call.arguments))
        except (BitgetError, httpx.TransportError) as error:
            assert_printable(error)


@fuzz_settings(60)
@given(
    sent_responses=st.lists(responses(), min_size=1, max_size=4),
    kill_switch=st.booleans(),
    mode=st.sampled_from(MODES),
    confirm=st.booleans(),
    account_type=st.sampled_from(ACCOUNT_TYPES),
)
def test_runs(
    sent_responses: list[HostileResponse],
    kill_switch: bool,
    mode: str,
    confirm: bool,
    account_type: AccountType | None,
) -> None:
    """A run ends by its deadline, and its report has an outcome for every order that the responses allow."""
    simulation = Simulation()
    operation: ModuleType = cancel_orders
    orders = ORDERS_WITH_SYMBOLS if account_type == "unified" else ORDERS
    arguments: dict[str, Any] = {"deadline": DEADLINE, "orders": orders, "confirm": confirm}
    if kill_switch:
        operation = cancel_open_orders
        arguments = {"deadline": DEADLINE}
    report: Report | None
    with patch_library(simulation):
        client = connect_to(sent_responses, simulation, account_type)
        started_at = simulation.now
        try:
            report = run(mode, operation, simulation, client=client, **arguments)
        except (BitgetError, httpx.TransportError) as error:
            assert_printable(error)
            assert isinstance(error, BitgetError) or kill_switch
            report = report_of(error)
        assert simulation.now - started_at < DEADLINE + MAX_OVERRUN
        simulation.check_idle()
    assert report is not None
    assert_printable(report)
    json.dumps(report.rows())
    if not kill_switch:
        assert [outcome.order for outcome in report] == orders
        for outcome in report:
            assert outcome.attempts > 0 or outcome.status is Status.NOT_SENT


@fuzz_settings(30, share_of=150)
@given(
    sent_responses=st.lists(responses(), min_size=1, max_size=4),
    mode=st.sampled_from(MODES),
    account=st.sampled_from([("classic", "SPOT"), ("unified", "SPOT"), ("unified", FUTURES)]),
    cancel_by_symbol=st.booleans(),
)
def test_cancels_of_open_orders(
    sent_responses: list[HostileResponse], mode: str, account: tuple[AccountType, str], cancel_by_symbol: bool
) -> None:
    """Whatever the cancels of listed orders respond, the kill switch ends, and reports each order once."""
    simulation = Simulation()
    account_type, category = account
    arguments = {"deadline": SHORT_DEADLINE, "category": category, "cancel_by_symbol": cancel_by_symbol}
    with patch_library(simulation):
        client = connect_to(sent_responses, simulation, account_type, lists_orders=True)
        started_at = simulation.now
        try:
            report: Report | None = run(mode, cancel_open_orders, simulation, client=client, **arguments)
        except BitgetError as error:
            assert_printable(error)
            report = report_of(error)
        assert simulation.now - started_at < SHORT_DEADLINE + MAX_OVERRUN
        simulation.check_idle()
    assert report is not None
    assert_printable(report)
    ids = [outcome.order.order_id for outcome in report]
    assert len(set(ids)) == len(ids)
    for outcome in report:
        assert outcome.attempts > 0 or outcome.status in (Status.NOT_SENT, Status.GONE)


@fuzz_settings(150)
@given(response=responses(), api_version=st.sampled_from(["v2", "v3"]))
def test_parsing(response: HostileResponse, api_version: str) -> None:
    """A response is a success or stands for one exception, which keeps no more than an excerpt of it."""
    received = response(httpx.Request("POST", "http://127.0.0.1"))
    try:
        received.read()
    except httpx.DecodingError:
        return  # handled by the innermost transport
    envelope = parse_envelope(received)
    if isinstance(envelope, InvalidResponseError):
        assert len(envelope.body) <= MAX_EXCERPT
        assert_printable(envelope)
    else:
        assert_printable(parse_error(envelope, received.status_code, api_version))


def envelope_of(data: str) -> bytes:
    """Return a success with this text as its data."""
    return f'{{"code":"00000","msg":"ok","requestTime":1700000000000,"data":{data}}}'.encode()


def failure_of(code: str, order_id: str = '"1"') -> bytes:
    """Return a success in which one order has failed, with this text as its code and message."""
    row = f'{{"orderId":{order_id},"errorCode":{code},"errorMsg":{code}}}'
    return envelope_of(f'{{"successList":[],"failureList":[{row}]}}')


UNREADABLE_BODIES: Final = {
    "a hundred thousand brackets": b"[" * 100_000 + b"]" * 100_000,
    "a hundred thousand braces": b'{"a":' * 100_000,
    "nested data": envelope_of("[" * 100_000 + "]" * 100_000),
    "ten thousand digits": failure_of("9" * 10_000),
    "a code of ten thousand digits": b'{"code":' + b"9" * 10_000 + b"}",
    "not UTF-8": b'{"code":"\xff\xfe"}',
    "truncated": envelope_of("{}")[:-9],
    "a code that is not text": b'{"code":[],"data":null}',
    "empty": b"",
    "not an object": b"5",
}
"""Bodies that are not the exchange's envelope."""
BODIES_WITHOUT_ORDERS: Final = {
    "null": envelope_of("null"),
    "data is a number": envelope_of("1e400"),
    "no lists": envelope_of("{}"),
    "lists of another type": envelope_of('{"successList":5,"failureList":"x"}'),
    "rows of another type": envelope_of('{"successList":[null,1,[],"1"],"failureList":[true]}'),
    "an id of four thousand digits": failure_of('"45055"', "9" * 4_000),
    "an id that is not a number": failure_of('"45055"', "NaN"),
    "an id beyond all numbers": failure_of('"45055"', "1e999"),
    "repeated keys": envelope_of('{"successList":[{"orderId":"1"}],"successList":[],"failureList":[]}'),
}
"""Successes that contain none of the requested orders."""


@pytest.mark.parametrize("body", UNREADABLE_BODIES.values(), ids=UNREADABLE_BODIES)
@pytest.mark.parametrize("mode", MODES)
def test_unreadable_body(body: bytes, mode: str) -> None:
    """A body that cannot be read is an `InvalidResponseError`; in a run, its orders are unknown."""
    response = HostileResponse(200, {}, body)
    simulation = Simulation()
    with patch_library(simulation), pytest.raises(InvalidResponseError) as caught:
        batch_cancel_orders.sync(client=connect_to([response], simulation), body=BODY)
    assert_printable(caught.value)
    assert cancel_one_order(response, mode).counts[Status.UNKNOWN] == 1


@pytest.mark.parametrize("body", BODIES_WITHOUT_ORDERS.values(), ids=BODIES_WITHOUT_ORDERS)
@pytest.mark.parametrize("mode", MODES)
def test_success_without_orders(body: bytes, mode: str) -> None:
    """An order that a success does not mention is unknown."""
    assert cancel_one_order(HostileResponse(200, {}, body), mode).counts[Status.UNKNOWN] == 1


def call_at_depth(depth: int, function: Callable[[], Report]) -> Report:
    """Call a function with so many frames below it on the stack."""
    return call_at_depth(depth - 1, function) if depth else function()


@pytest.mark.parametrize("stack_depth", [0, 300, 600])
@pytest.mark.parametrize("nesting", [300, 600, 900, 980])
def test_deeply_nested_row(nesting: int, stack_depth: int) -> None:
    """A row that is nested as deeply as a thread can parse does not break a run, whatever the depth of its stack."""
    response = HostileResponse(200, {}, failure_of("[" * nesting + "]" * nesting))
    report = call_at_depth(stack_depth, lambda: cancel_one_order(response, "sync"))
    assert report.counts[Status.REJECTED] + report.counts[Status.UNKNOWN] == 1


@pytest.mark.parametrize(
    "body", [failure_of('"\\ud800"'), b'{"code":"45055","msg":"\\ud800"}', failure_of('"45055"', '"\\udfff"')]
)
def test_surrogate_in_message(body: bytes) -> None:
    """A report can be encoded even if the exchange's message contains an unpaired surrogate."""
    str(cancel_one_order(HostileResponse(400, {}, body), "sync")).encode()


@pytest.mark.parametrize("name", ["orderId", "symbol"])
def test_surrogate_in_listing(name: str) -> None:
    """An open order that no request can contain ends the kill switch with an exception that can be shown."""
    row = json.dumps({"orderId": "1", "symbol": "BTCUSDT", "status": "live", name: "\ud800"})
    simulation = Simulation()
    response = HostileResponse(200, {}, envelope_of(f"[{row}]"))
    with patch_library(simulation), pytest.raises(BitgetError) as caught:
        cancel_open_orders.sync(client=connect_to([response], simulation))
    assert_printable(caught.value)
    report = report_of(caught.value)
    assert report is not None
    assert str(report).encode()


@pytest.mark.parametrize("order_id", ["9" * 5_000, "9" * 5_000 + "x", "²", "٣"])
@pytest.mark.parametrize("page_size", [0, 100])
def test_invalid_order_id(order_id: str, page_size: int) -> None:
    """An id that the exchange would never use, from the caller or in a listing, does not break a run."""
    simulation = Simulation()
    row = json.dumps({"orderId": order_id, "status": "live"})
    sent_responses = [
        HostileResponse(200, {}, envelope_of('{"successList":[{"orderId":"1"}]}')),
        HostileResponse(200, {}, envelope_of(f"[{','.join([row] * page_size)}]")),
    ]
    with patch_library(simulation):
        client = connect_to(sent_responses, simulation)
        orders = [OrderRef(order_id="1"), OrderRef(order_id=order_id)]
        report = cancel_orders.sync(client=client, orders=orders, confirm=True)
        simulation.check_idle()
    assert report.outcomes[0].status is Status.ACCEPTED


@pytest.mark.parametrize("charset", ["undefined", "idna", "punycode", "hex", "zlib", "rot13", "utf-7"])
@pytest.mark.parametrize("body", [b"\xff{}", envelope_of("{}"), envelope_of('{"serverTime":"x"}')])
def test_charset(charset: str, body: bytes) -> None:
    """The charset of a response is ignored, and an error contains the beginning of the body."""
    simulation = Simulation()
    headers = {"content-type": f"application/json; charset={charset}"}
    response = HostileResponse(200, headers, body + b" " * 5_000)
    with patch_library(simulation), pytest.raises(InvalidResponseError) as caught:
        server_time.sync(client=connect_to([response], simulation))
    assert len(caught.value.body) <= MAX_EXCERPT


def test_memory() -> None:
    """A client's memory does not grow, however many unreadable responses it receives, and however large they are."""
    decompression_bomb = gzip.compress(b"[" * 5_000_000, 1, mtime=0)
    sent_responses = []
    for body in (*UNREADABLE_BODIES.values(), *BODIES_WITHOUT_ORDERS.values()):
        sent_responses.append(HostileResponse(200, {}, body))
        sent_responses.append(HostileResponse(502, {"content-type": "text/html"}, body))
        sent_responses.append(HostileResponse(200, {"content-encoding": "deflate"}, body))
    sent_responses.append(HostileResponse(200, {"content-encoding": "gzip"}, decompression_bomb))
    simulation = Simulation()
    sizes = []
    with patch_library(simulation):
        client = connect_to(sent_responses, simulation)
        orders = [OrderRef(order_id="1")]
        tracemalloc.start()
        try:
            for _ in range(4):
                for _ in sent_responses:
                    # In tasks, because coverage keeps something of each thread that ends.
                    report = run("asyncio", cancel_orders, simulation, client=client, orders=orders)
                    assert report.counts[Status.UNKNOWN] == 1
                gc.collect()
                sizes.append(tracemalloc.get_traced_memory()[0])
        finally:
            tracemalloc.stop()
    # The excerpts alone would be more than this.
    assert sizes[-1] - sizes[1] < 50_000, sizes
