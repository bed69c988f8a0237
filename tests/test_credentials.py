"""Credentials: what is taken, what is refused, and that nothing shows them."""

from __future__ import annotations

import base64
import copy
import hashlib
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from tracebacks import format_with_locals, frame_locals
from environment import clear_variables

from bitget_spot import AuthenticationError, Credentials, CredentialsError, cancel_orders, connect
from bitget_spot._middleware.signing import rsa_signature
from bitget_spot.credentials import VARIABLES
from bitget_spot.sandbox import Sandbox
from bitget_spot_api.models import OrderRef

HIDDEN = "hidden-value"


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin without any variable."""
    clear_variables(monkeypatch)


# What is taken and refused


def test_credentials_show_nothing() -> None:
    """Neither repr nor str nor a format of credentials shows one of them."""
    credentials = Credentials(f"{HIDDEN}1", f"{HIDDEN}2", f"{HIDDEN}3")
    for text in (repr(credentials), str(credentials), f"{credentials!r:>99}", f"{[credentials]}"):
        assert HIDDEN not in text
        assert "***" in text
    assert credentials.secret_key == f"{HIDDEN}2"


@pytest.mark.parametrize(
    "duplicate",
    [
        *(lambda it, p=p: pickle.dumps(it, p) for p in range(pickle.HIGHEST_PROTOCOL + 1)),
        copy.copy,
        copy.deepcopy,
    ],
)
def test_credentials_do_not_travel(duplicate: Callable[[Credentials], object]) -> None:
    """Credentials refuse to be pickled or copied, and say what to do instead."""
    with pytest.raises(TypeError, match="from_env") as caught:
        duplicate(Credentials(HIDDEN, HIDDEN, HIDDEN))
    assert HIDDEN not in str(caught.value)


def test_credentials_do_not_change() -> None:
    """Credentials are compared by value and cannot be changed."""
    credentials = Credentials("a", "b", "c")
    assert credentials == Credentials("a", "b", "c") != Credentials("a", "b", "d")
    with pytest.raises(AttributeError):
        credentials.api_key = "other"  # type: ignore[misc]  # what is to be refused


UNUSABLE: list[tuple[str, Any, str]] = [
    ("none", None, "missing or blank"),
    ("empty", "", "missing or blank"),
    ("blank", " \t", "missing or blank"),
    ("space before", f" {HIDDEN}", "white space"),
    ("newline after", f"{HIDDEN}\n", "white space"),
    ("not text", HIDDEN.encode(), "not text"),
]
UNSENDABLE: list[tuple[str, Any, str]] = [
    ("newline inside", f"{HIDDEN}\n{HIDDEN}", "no HTTP header can carry"),
    ("zero byte", f"{HIDDEN}\0", "no HTTP header can carry"),
    ("not ASCII", f"{HIDDEN}ü", "no HTTP header can carry"),
]
ARGUMENTS = [(name, row) for name in VARIABLES for row in (*UNUSABLE, *(() if name == "secret_key" else UNSENDABLE))]


def made(values: Iterator[Any]) -> CredentialsError:
    """Make credentials that are refused, without a local that holds them, and answer the refusal."""
    try:
        Credentials(*values)
    except CredentialsError as error:
        return error
    raise AssertionError("not refused")


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [(name, value, problem) for name, (_, value, problem) in ARGUMENTS],
    ids=[f"{name}-{row[0]}" for name, row in ARGUMENTS],
)
def test_unusable(name: str, value: Any, problem: str) -> None:
    """A credential that cannot be used is named with its problem; no value is shown, nor by any frame's locals."""
    values = iter([value if each == name else f"{HIDDEN}-of-{each}" for each in VARIABLES])
    error = made(values)
    assert str(error).startswith(f"{name} ")
    assert problem in str(error)
    assert len(error.args) == 1
    assert ";" not in str(error)
    assert HIDDEN not in format_with_locals(error)


def test_all_unusable_at_once() -> None:
    """One error names every credential that cannot be used."""
    error = made(iter([f"{HIDDEN}ü", "", f" {HIDDEN}"]))
    assert [part.split()[0] for part in str(error).split("; ")] == list(VARIABLES)
    assert HIDDEN not in format_with_locals(error)


def from_environment() -> CredentialsError:
    """Read credentials that are refused, and answer the refusal."""
    try:
        Credentials.from_env()
    except CredentialsError as error:
        return error
    raise AssertionError("not refused")


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [(name, row[1], row[2]) for name, row in ARGUMENTS if row[0] not in ("not text", "zero byte")],
)
def test_unusable_variable(monkeypatch: pytest.MonkeyPatch, name: str, value: str | None, problem: str) -> None:
    """A variable that is missing or cannot be used is named with its problem; no value is shown."""
    for each, variable in VARIABLES.items():
        monkeypatch.setenv(variable, f"{HIDDEN}-of-{each}")
    if value is None:
        monkeypatch.delenv(VARIABLES[name])
    else:
        monkeypatch.setenv(VARIABLES[name], value)
    error = from_environment()
    assert str(error).startswith(f"the variable {VARIABLES[name]} ")
    assert problem in str(error)
    assert str(error).count("BITGET_") == 1
    assert HIDDEN not in format_with_locals(error)


def test_all_variables_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """One error names every variable that is missing."""
    for variable in VARIABLES.values():
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(CredentialsError) as caught:
        Credentials.from_env()
    for variable in ("BITGET_API_KEY", "BITGET_SECRET_KEY", "BITGET_PASSPHRASE"):
        assert f"{variable} is missing" in str(caught.value)


def test_from_env(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables of the vendor's own tools are read."""
    monkeypatch.setenv("BITGET_API_KEY", "key")
    monkeypatch.setenv("BITGET_SECRET_KEY", "Schlüssel")
    monkeypatch.setenv("BITGET_PASSPHRASE", "words with spaces")
    assert Credentials.from_env() == Credentials("key", "Schlüssel", "words with spaces")


def test_half_a_character_is_no_credential(monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte of the environment that is no UTF-8 is refused by its name, and no error shows the secret."""
    monkeypatch.setenv("BITGET_API_KEY", "a-key")
    monkeypatch.setenv("BITGET_SECRET_KEY", "a-canary\udcff")
    monkeypatch.setenv("BITGET_PASSPHRASE", "a-passphrase")
    with pytest.raises(CredentialsError, match="BITGET_SECRET_KEY is not valid text") as caught:
        Credentials.from_env()
    assert "canary" not in f"{list(frame_locals(caught.value, __file__))} {caught.value!r}"


# Files


def test_each_may_come_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A variable with _FILE appended names a file with the credential, whose last line may be ended."""
    for name, variable in VARIABLES.items():
        (tmp_path / name).write_bytes(f"a {name}\r\n".encode())
        monkeypatch.setenv(f"{variable}_FILE", str(tmp_path / name))
        monkeypatch.setenv(variable, "")  # as composers of containers leave it
    assert Credentials.from_env() == Credentials("a api_key", "a secret_key", "a passphrase")


def test_a_secret_may_be_a_path(tmp_path: Path) -> None:
    """A path in the place of the secret is read; its text is the secret."""
    (tmp_path / "secret").write_text("a-secret\n")
    assert Credentials("a", tmp_path / "secret", "c") == Credentials("a", "a-secret", "c")


def test_of_a_file_only_the_end_of_its_line_goes(tmp_path: Path) -> None:
    """A secret in a file is taken whole, whatever it ends in, but for the end of its line; no other space is forgiven."""
    (tmp_path / "secret").write_bytes(b"c2VjcmVX\r\n")
    assert Credentials("a", tmp_path / "secret", "c").secret_key == "c2VjcmVX"
    (tmp_path / "secret").write_bytes(b"c2VjcmVX \n")
    with pytest.raises(CredentialsError, match="secret_key has white space around it"):
        Credentials("a", tmp_path / "secret", "c")


def test_a_file_is_utf_8_whatever_the_machine_speaks(tmp_path: Path) -> None:
    """A file is read as UTF-8 also where the system's own encoding is another."""
    (tmp_path / "secret").write_text("Schlüssel", "utf-8")
    program = f"""
from pathlib import Path
from bitget_spot import Credentials
assert Credentials("a", Path({str(tmp_path / "secret")!r}), "c") == Credentials("a", "Schl\\u00fcssel", "c")
"""
    environment = os.environ | {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "cannot be read (No such file or directory)"),
        (b"", "is missing or blank"),
        (b"\n", "is missing or blank"),
        (f" {HIDDEN}".encode(), "white space"),
        (HIDDEN.encode() + b"\xff", "holds bytes that are no text"),
    ],
)
def test_unusable_file(content: bytes | None, problem: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A file that cannot be used is named by its variable; neither what it holds nor what the variable says is shown."""
    file = tmp_path / f"{HIDDEN}-in-the-wrong-variable"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("BITGET_API_KEY", "a-key")
    monkeypatch.setenv("BITGET_PASSPHRASE", "a-passphrase")
    monkeypatch.setenv("BITGET_SECRET_KEY_FILE", str(file))
    error = from_environment()
    assert str(error).startswith("the file that BITGET_SECRET_KEY_FILE names ")
    assert problem in str(error)
    assert HIDDEN not in format_with_locals(error)


def test_two_sources_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who sets a variable and its file is told so, for nobody knows which of the two is meant."""
    monkeypatch.setenv("BITGET_SECRET_KEY", HIDDEN)
    monkeypatch.setenv("BITGET_SECRET_KEY_FILE", HIDDEN)
    error = from_environment()
    assert str(error) == "BITGET_SECRET_KEY and BITGET_SECRET_KEY_FILE are both set: unset one of them"
    assert HIDDEN not in format_with_locals(error)


def test_an_unusable_file_of_a_password(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The file of the password too is named by its variable alone, though it is the last to be read."""
    for variable in VARIABLES.values():
        monkeypatch.setenv(variable, "a-value")
    monkeypatch.setenv("BITGET_SECRET_KEY_PASSWORD_FILE", str(tmp_path / f"{HIDDEN}-in-the-wrong-variable"))
    error = from_environment()
    assert str(error).startswith("the file that BITGET_SECRET_KEY_PASSWORD_FILE names cannot be read")
    assert HIDDEN not in format_with_locals(error)


def test_every_pair_of_sources_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each variable that is set beside its file is named, in one error."""
    for variable in VARIABLES.values():
        monkeypatch.setenv(variable, HIDDEN)
        monkeypatch.setenv(f"{variable}_FILE", HIDDEN)
    problems = str(from_environment()).split("; ")
    assert [problem.split()[0] for problem in problems] == list(VARIABLES.values())


# RSA keys

PRIVATE_KEY = rsa.generate_private_key(65537, 2048)
PASSWORD = f"{HIDDEN}-password"
ENCRYPTED = BestAvailableEncryption(PASSWORD.encode())
UNHEARD_OF = "-----BEGIN PRIVATE KEY-----\nMA0CAQAwBQYDKgMEBAEA\n-----END PRIVATE KEY-----\n"
"""A key of an algorithm, 1.2.3.4, that nobody has."""
PKCS1, PKCS8 = PrivateFormat.TraditionalOpenSSL, PrivateFormat.PKCS8


def pem(
    layout: PrivateFormat = PKCS8,
    encryption: KeySerializationEncryption | None = None,
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey = PRIVATE_KEY,
) -> str:
    """Write a private key as people get theirs."""
    return key.private_bytes(Encoding.PEM, layout, encryption or NoEncryption()).decode()


def fits(message: bytes, signature: str) -> bool:
    """Check an RSASSA-PKCS1-v1_5 signature by RFC 8017's arithmetic alone, with nothing that made it."""
    public = PRIVATE_KEY.public_key().public_numbers()
    size = (public.n.bit_length() + 7) // 8
    raw = base64.b64decode(signature, validate=True)
    digest = bytes.fromhex("3031300d060960864801650304020105000420") + hashlib.sha256(message).digest()
    expected = b"\x00\x01" + b"\xff" * (size - len(digest) - 3) + b"\x00" + digest
    return len(raw) == size and pow(int.from_bytes(raw), public.e, public.n).to_bytes(size) == expected


@pytest.mark.parametrize("layout", [PKCS1, PKCS8])
@pytest.mark.parametrize("encryption", [None, ENCRYPTED])
@pytest.mark.parametrize(
    "written", [str, str.strip, lambda text: text.replace("\n", "\r\n"), lambda text: text.replace("\n", "\\n")]
)
def test_rsa(
    layout: PrivateFormat, encryption: KeySerializationEncryption | None, written: Callable[[str], str]
) -> None:
    """PKCS#1 and PKCS#8, encrypted or not, however its lines end: the key signs as RFC 8017 says."""
    credentials = Credentials("a", written(pem(layout, encryption)), "c", PASSWORD if encryption else None)
    assert credentials.rsa_key is not None
    assert fits("Grüße".encode(), rsa_signature(credentials.rsa_key, "Grüße".encode()))
    assert not fits(b"other", rsa_signature(credentials.rsa_key, b"message"))


def test_rsa_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A file with an encrypted key, and its password in a variable, sign requests that the exchange takes."""
    (tmp_path / "key.pem").write_text(pem(encryption=ENCRYPTED))
    monkeypatch.setenv("BITGET_API_KEY", "rsa-key")
    monkeypatch.setenv("BITGET_SECRET_KEY_FILE", str(tmp_path / "key.pem"))
    monkeypatch.setenv("BITGET_SECRET_KEY_PASSWORD", PASSWORD)
    monkeypatch.setenv("BITGET_PASSPHRASE", "a-passphrase")
    with Sandbox(orders=0) as sandbox:
        sandbox.add_account("rsa-key", "unused", "a-passphrase", verify=fits)
        orders = [OrderRef(order_id=order.order_id) for order in sandbox.open_orders(3, api_key="rsa-key")]
        with connect(Credentials.from_env(), base_url=sandbox.url) as client:
            cancel_orders.sync(client=client, orders=orders).raise_for_failures()
        assert {order.status for order in sandbox.orders.values()} == {"cancelled"}
        other = connect(Credentials("rsa-key", "a-secret", "a-passphrase"), base_url=sandbox.url)
        with other as client, pytest.raises(AuthenticationError, match="40009"):
            cancel_orders.sync(client=client, orders=orders)


@pytest.mark.parametrize(
    ("secret", "password", "problem"),
    [
        (pem(encryption=ENCRYPTED), None, "secret_key is encrypted: give its password"),
        (pem(PKCS1, ENCRYPTED), None, "secret_key is encrypted: give its password"),
        (pem(encryption=ENCRYPTED), f"{HIDDEN}-other", "check its password"),
        (pem(), PASSWORD, "secret_key is not encrypted"),
        (pem()[:400], None, "copy it again, whole"),
        (pem().replace("PRIVATE", "PUBLIC"), None, "copy it again, whole"),
        (
            PRIVATE_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
            None,
            "copy it again, whole",
        ),
        (pem(key=ec.generate_private_key(ec.SECP256R1())), None, "another kind: the exchange takes RSA"),
        (UNHEARD_OF, None, "copy it again, whole"),
        (HIDDEN, PASSWORD, "secret_key_password is set, but the secret is no RSA key"),
        (pem(encryption=ENCRYPTED), " ", "secret_key_password is missing or blank"),
        (pem(encryption=ENCRYPTED), f"{PASSWORD}\n", "secret_key_password has white space"),
    ],
)
def test_unusable_rsa_key(secret: str, password: str | None, problem: str) -> None:
    """A key that cannot sign is refused with the remedy, and no locals show a line of it."""
    line = secret.splitlines()[len(secret.splitlines()) // 2]
    error = made(iter(["a", secret, "c", password]))
    assert problem in str(error)
    shown = list(frame_locals(error, __file__))
    for hidden in (line, HIDDEN):
        assert hidden not in f"{shown} {error!r}"


def test_the_same_rsa_key_is_equal() -> None:
    """Credentials that hold the same RSA key are equal, however often it was read."""
    assert Credentials("a", pem(), "c") == Credentials("a", pem(), "c")


@pytest.mark.parametrize(
    ("variables", "problem"),
    [
        ({"BITGET_SECRET_KEY": pem()[:400]}, "the variable BITGET_SECRET_KEY is not readable"),
        ({"BITGET_SECRET_KEY": pem(encryption=ENCRYPTED)}, "the variable BITGET_SECRET_KEY is encrypted"),
        (
            {"BITGET_SECRET_KEY": HIDDEN, "BITGET_SECRET_KEY_PASSWORD": PASSWORD},
            "the variable BITGET_SECRET_KEY_PASSWORD is set, but the secret is no RSA key",
        ),
    ],
)
def test_unusable_rsa_key_of_a_variable(
    variables: dict[str, str], problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is wrong with a key or its password is told of the variable that it stands in."""
    monkeypatch.setenv("BITGET_API_KEY", "a-key")
    monkeypatch.setenv("BITGET_PASSPHRASE", "a-passphrase")
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    error = from_environment()
    assert str(error).startswith(problem)
    assert HIDDEN not in format_with_locals(error)


def test_an_rsa_key_needs_its_extra() -> None:
    """Without the extra, an RSA key is refused with the command that installs it; an HMAC secret needs nothing."""
    program = """
import sys
sys.modules["cryptography"] = None
from bitget_spot import Credentials, CredentialsError
Credentials("a", "b", "c")
try:
    Credentials("a", "-----BEGIN PRIVATE KEY-----", "c")
except CredentialsError as error:
    print(error)
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "pip install 'bitget-spot[rsa]'" in ran.stdout
