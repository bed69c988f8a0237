"""Whatever comes back in place of an answer: a result or an exception of ours, in time, and nothing is kept of it."""

from __future__ import annotations

import gc
import gzip
import itertools
import json
import logging
import pickle
import tracemalloc
from collections.abc import Callable, Sequence
from typing import Any, Final

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from soak.stage import Stage, staged

from bitget_spot import (
    BitgetError,
    Credentials,
    DeadlineExceeded,
    InvalidResponseError,
    Report,
    Status,
    cancel_open_orders,
    cancel_orders,
    connect,
)
from bitget_spot._middleware.responses import refusal
from bitget_spot.rate_limit import MemoryStore
from bitget_spot_api import Client
from bitget_spot_api.api.public import get_server_time
from bitget_spot_api.api.trade import batch_cancel_orders, get_history_orders, get_order_info, get_unfilled_orders
from bitget_spot_api.models import BatchCancelOrdersRequest, OrderRef

from .hostile import Answer, answers, share

ORDERS: Final = [OrderRef(order_id="1"), OrderRef(order_id="2", symbol="BTCUSDT"), OrderRef(client_oid="x")]
DEADLINE: Final = 30.0
MANNERS: Final = ("threads", "tasks")


def client_of(stage: Stage, given_answers: Sequence[Answer]) -> Client:
    """Make a client whose exchange gives these answers in turn, over and over."""
    turn = itertools.cycle(given_answers)
    wire = httpx.MockTransport(lambda request: next(turn)(request))  # noqa: PLW0108 - each request has the next answer
    client = connect(
        Credentials("a", "b", "c"),
        rate_limit_store=MemoryStore(clock=stage.clock),
        transport=wire,
        max_retries=1,
        demo=False,
    )
    link: Any = client._httpx_args["transport"]
    while hasattr(link, "following"):
        if hasattr(link, "_pause"):
            link._clock = stage.clock
        link = link.next_transport
    return client


CALLS: Final[dict[str, tuple[Callable[..., Any], Callable[..., Any], dict[str, Any]]]] = {
    "batch": (
        batch_cancel_orders.sync_detailed,
        batch_cancel_orders.asyncio,
        {"body": BatchCancelOrdersRequest(order_list=[OrderRef(order_id="1")])},
    ),
    "unfilled": (get_unfilled_orders.sync, get_unfilled_orders.asyncio, {}),
    "history": (get_history_orders.sync, get_history_orders.asyncio, {}),
    "info": (get_order_info.sync, get_order_info.asyncio, {"order_id": "1"}),
    "time": (get_server_time.sync, get_server_time.asyncio, {}),
    "clock": (read_clock, read_clock_asyncio, {}),
}


@share(100)
@given(answer=answers(), call=st.sampled_from(sorted(CALLS)), manner=st.sampled_from(MANNERS))
def test_a_function_answers_or_raises_what_is_ours(answer: Answer, call: str, manner: str) -> None:
    """A function answers, or raises an exception of ours or of httpx's wire, which can be shown and pickled."""
    stage = Stage()
    in_thread, in_task, arguments = CALLS[call]
    with staged(stage):
        client = client_of(stage, [answer])
        try:
            if manner == "threads":
                in_thread(client=client, **arguments)
            else:
                stage.run(lambda: in_task(client=client, **arguments))
        except (BitgetError, httpx.TransportError) as error:
            shown(error)


@share(60)
@given(
    given_answers=st.lists(answers(), min_size=1, max_size=4),
    switch=st.booleans(),
    manner=st.sampled_from(MANNERS),
    confirm=st.booleans(),
)
def test_a_run_ends_with_its_report(given_answers: list[Answer], switch: bool, manner: str, confirm: bool) -> None:
    """Whatever the answers are, a run ends by its deadline, and every order has an outcome that they allow."""
    stage = Stage()
    arguments: dict[str, Any] = (
        {"deadline": DEADLINE} if switch else {"orders": ORDERS, "deadline": DEADLINE, "confirm": confirm}
    )
    module = cancel_open_orders if switch else cancel_orders
    with staged(stage):
        client = client_of(stage, given_answers)
        began = stage.now
        try:
            report = (
                module.sync(client=client, **arguments)
                if manner == "threads"
                else stage.run(lambda: module.asyncio(client=client, **arguments))
            )
        except (BitgetError, httpx.TransportError) as error:
            shown(error)
            assert isinstance(error, DeadlineExceeded | BitgetError) or switch
            report = report_of(error)
        assert stage.now - began < DEADLINE + 40  # the longest closure after a 429
    assert isinstance(report, Report)
    shown(report)
    json.dumps(report.rows())
    if not switch:
        assert [outcome.order for outcome in report.outcomes] == ORDERS
        for outcome in report.outcomes:
            assert outcome.attempts > 0 or outcome.status is Status.NOT_SENT


def shown(what: object) -> None:
    """Show it in all the ways there are."""
    str(what)
    repr(what)
    again = pickle.loads(pickle.dumps(what))  # noqa: S301 - pickled here
    assert str(again) == str(what)


@share(150)
@given(answer=answers())
def test_every_answer_has_one_meaning(answer: Answer) -> None:
    """Read for itself, an answer is a success or one exception, of which no more than an excerpt is kept."""
    response = answer(httpx.Request("POST", "http://127.0.0.1"))
    try:
        response.read()
    except httpx.DecodingError:
        return  # the wire's business
    error = refusal(response)
    if isinstance(error, InvalidResponseError):
        assert len(error.body) <= 2_000
    shown(error)


def envelope(data: str) -> bytes:
    """Give a success with this text as its data."""
    return f'{{"code":"00000","msg":"ok","requestTime":1700000000000,"data":{data}}}'.encode()


def failed(code: str, name: str = '"1"') -> bytes:
    """Give a success of which one order has failed, with this text as its code and message."""
    return envelope(f'{{"successList":[],"failureList":[{{"orderId":{name},"errorCode":{code},"errorMsg":{code}}}]}}')


UNREADABLE: Final = {
    "a hundred thousand brackets": b"[" * 100_000 + b"]" * 100_000,
    "a hundred thousand braces": b'{"a":' * 100_000,
    "as many inside the data": envelope("[" * 100_000 + "]" * 100_000),
    "ten thousand digits": failed("9" * 10_000),
    "ten thousand digits for a code": b'{"code":' + b"9" * 10_000 + b"}",
    "bytes that are no text": b'{"code":"\xff\xfe"}',
    "half a body": envelope("{}")[:-9],
    "a code that is no word": b'{"code":[],"data":null}',
    "nothing": b"",
    "no object": b"5",
}
"""What says nothing about the orders."""
SILENT: Final = {
    "null": envelope("null"),
    "a number for the data": envelope("1e400"),
    "no lists": envelope("{}"),
    "lists that are none": envelope('{"successList":5,"failureList":"x"}'),
    "rows that are none": envelope('{"successList":[null,1,[],"1"],"failureList":[true]}'),
    "an id of four thousand digits": failed('"45055"', "9" * 4_000),
    "not a number": failed('"45055"', "NaN"),
    "a number beyond all": failed('"45055"', "1e999"),
    "keys twice": envelope('{"successList":[{"orderId":"1"}],"successList":[],"failureList":[]}'),
}
"""What is a success, and names no order that was asked for."""


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE)
@pytest.mark.parametrize("manner", MANNERS)
def test_what_cannot_be_read(body: bytes, manner: str) -> None:
    """What cannot be read is an `InvalidResponseError` for the function, and for a run an order that is unknown."""
    answer = Answer(200, {}, body)
    stage = Stage()
    with staged(stage), pytest.raises(InvalidResponseError) as caught:
        batch_cancel_orders.sync(client=client_of(stage, [answer]), body=CALLS["batch"][2]["body"])
    shown(caught.value)
    assert run_with(answer, manner).counts[Status.UNKNOWN] == 1


@pytest.mark.parametrize("body", SILENT.values(), ids=SILENT)
@pytest.mark.parametrize("manner", MANNERS)
def test_what_names_no_order(body: bytes, manner: str) -> None:
    """Where a success names none of the orders, what became of them is unknown."""
    assert run_with(Answer(200, {}, body), manner).counts[Status.UNKNOWN] == 1


def run_with(answer: Answer, manner: str) -> Report:
    """Cancel one order of an exchange that answers so."""
    stage = Stage()
    with staged(stage):
        client = client_of(stage, [answer])
        given_orders = [OrderRef(order_id="1")]
        if manner == "threads":
            report = cancel_orders.sync(client=client, orders=given_orders)
        else:
            report = stage.run(lambda: cancel_orders.asyncio(client=client, orders=given_orders))
    shown(report)
    return report


def deep(depth: int) -> str:
    """Give so many lists, one in the other."""
    return "[" * depth + "]" * depth


def at_depth(frames: int, play: Callable[[], Report]) -> Report:
    """Call something where so many calls are under way already."""
    return at_depth(frames - 1, play) if frames else play()


@pytest.mark.parametrize("frames", [0, 300, 600])
@pytest.mark.parametrize("depth", [300, 600, 900, 980])
def test_as_deep_as_the_parser_goes(depth: int, frames: int) -> None:
    """A row that is nested as deep as a thread's parser can follow costs no run its end, wherever that is called from."""
    answer = Answer(200, {}, failed(deep(depth)))
    report = at_depth(frames, lambda: run_with(answer, "threads"))
    assert report.counts[Status.REJECTED] + report.counts[Status.UNKNOWN] == 1


@pytest.mark.parametrize(
    "body", [failed('"\\ud800"'), b'{"code":"45055","msg":"\\ud800"}', failed('"45055"', '"\\udfff"')]
)
def test_half_a_character(body: bytes) -> None:
    """A report can be printed, also where the exchange's words hold half a surrogate pair."""
    str(run_with(Answer(400, {}, body), "threads")).encode()


@pytest.mark.parametrize("name", ["orderId", "symbol"])
def test_half_a_character_in_a_list(name: str) -> None:
    """An open order that no request can name ends the kill switch with an exception of ours that can be shown."""
    row = json.dumps({"orderId": "1", "symbol": "BTCUSDT", "status": "live", name: "\ud800"})
    stage = Stage()
    with staged(stage), pytest.raises(BitgetError) as caught:
        cancel_open_orders.sync(client=client_of(stage, [Answer(200, {}, envelope(f"[{row}]"))]))
    shown(caught.value)
    assert str(caught.value.report).encode()


@pytest.mark.parametrize("order_id", ["9" * 5_000, "9" * 5_000 + "x", "²", "٣"])
@pytest.mark.parametrize("page", [0, 100])
def test_an_id_that_is_no_number(order_id: str, page: int) -> None:
    """An id that no exchange would give, the caller's or in a list, leaves a run its end and what it knows."""
    stage = Stage()
    order = json.dumps({"orderId": order_id, "status": "live"})
    answers_in_turn = [
        Answer(200, {}, envelope('{"successList":[{"orderId":"1"}]}')),
        Answer(200, {}, envelope(f"[{','.join([order] * page)}]")),
    ]
    with staged(stage):
        client = client_of(stage, answers_in_turn)
        given_orders = [OrderRef(order_id="1"), OrderRef(order_id=order_id)]
        report = cancel_orders.sync(client=client, orders=given_orders, confirm=True)
    assert report.outcomes[0].status is Status.ACCEPTED


@pytest.mark.parametrize("charset", ["undefined", "idna", "punycode", "hex", "zlib", "rot13", "utf-7"])
@pytest.mark.parametrize("body", [b"\xff{}", envelope("{}"), envelope('{"serverTime":"x"}')])
def test_a_charset_that_decodes_nothing(charset: str, body: bytes) -> None:
    """Whatever charset an answer names, it is read as JSON is, and an error shows its beginning."""
    stage = Stage()
    answer = Answer(200, {"content-type": f"application/json; charset={charset}"}, body + b" " * 5_000)
    with staged(stage), pytest.raises(InvalidResponseError) as caught:
        read_clock(client_of(stage, [answer]))
    assert len(caught.value.body) <= 2_000


def test_nothing_is_kept() -> None:
    """However many answers cannot be read, and however large they are unpacked, a client's memory does not grow."""
    bomb = gzip.compress(b"[" * 5_000_000, 1, mtime=0)
    bodies = [*UNREADABLE.values(), *SILENT.values()]
    hostile_answers = [Answer(200, {}, body) for body in bodies]
    hostile_answers += [Answer(502, {"content-type": "text/html"}, body) for body in bodies]
    hostile_answers += [Answer(200, {"content-encoding": "deflate"}, body) for body in bodies]
    hostile_answers.append(Answer(200, {"content-encoding": "gzip"}, bomb))
    stage = Stage()
    sizes = []
    with staged(stage):
        client = client_of(stage, hostile_answers)
        tracemalloc.start()
        try:
            for _ in range(4):
                for _ in hostile_answers:
                    # In tasks: of a thread that ends, what counts the branches for `make check` keeps something.
                    report = stage.run(lambda: cancel_orders.asyncio(client=client, orders=[OrderRef(order_id="1")]))
                    assert report.counts[Status.UNKNOWN] == 1
                gc.collect()
                sizes.append(tracemalloc.get_traced_memory()[0])
        finally:
            tracemalloc.stop()
    # Were it but the excerpts, they would come to more.
    assert sizes[-1] - sizes[1] < 50_000, sizes


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Let the library say nothing: what these answers make it say is much."""
    caplog.set_level(logging.CRITICAL, "bitget_spot")
