"""Credentials: what is accepted, what is refused, and that nothing shows them."""

from __future__ import annotations

import base64
import copy
import hashlib
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import product
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
from environment import clear_variables
from tracebacks import format_with_locals, frame_locals

from bitget_spot import AuthenticationError, Credentials, CredentialsError, cancel_orders, connect
from bitget_spot._middleware.signing import rsa_signature
from bitget_spot.credentials import VARIABLES
from bitget_spot.sandbox import Sandbox
from bitget_spot_api.models import OrderRef

HIDDEN = "hidden-value"


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start without any variable of the package."""
    clear_variables(monkeypatch)


# Credentials as objects


def test_credentials_show_nothing() -> None:
    """The repr, the text and formatted strings of credentials show none of them."""
    credentials = Credentials(f"{HIDDEN}1", f"{HIDDEN}2", f"{HIDDEN}3")
    for text in (repr(credentials), str(credentials), f"{credentials!r:>99}", f"{[credentials]}"):
        assert HIDDEN not in text
        assert "***" in text
    assert credentials.secret_key == f"{HIDDEN}2"


def test_repr_of_credentials() -> None:
    """The repr names the fields, and shows a placeholder for each value."""
    assert repr(Credentials("k", "s", "p")) == "Credentials(api_key=***, secret_key=***, passphrase=***)"


@pytest.mark.parametrize(
    "duplicate",
    [
        *(
            lambda credentials, protocol=protocol: pickle.dumps(credentials, protocol)
            for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
        ),
        copy.copy,
        copy.deepcopy,
    ],
)
def test_credentials_cannot_be_pickled_or_copied(duplicate: Callable[[Credentials], object]) -> None:
    """Pickling or copying credentials raises an error with what to do instead."""
    with pytest.raises(TypeError, match="from_env") as caught:
        duplicate(Credentials(HIDDEN, HIDDEN, HIDDEN))
    assert HIDDEN not in str(caught.value)


def test_credentials_are_immutable_values() -> None:
    """Credentials are compared by value and cannot be changed."""
    credentials = Credentials("a", "b", "c")
    assert credentials == Credentials("a", "b", "c")
    assert credentials != Credentials("a", "b", "d")
    with pytest.raises(AttributeError):
        credentials.api_key = "other"  # type: ignore[misc]  # the assignment that must fail


# Values that are refused

INVALID_VALUES: list[tuple[str, Any, str]] = [
    ("missing", None, "missing or blank"),
    ("empty", "", "missing or blank"),
    ("blank", " \t", "missing or blank"),
    ("space before", f" {HIDDEN}", "white space"),
    ("newline after", f"{HIDDEN}\n", "white space"),
    ("not text", HIDDEN.encode(), "not text"),
]
INVALID_HEADER_VALUES: list[tuple[str, Any, str]] = [
    ("newline inside", f"{HIDDEN}\n{HIDDEN}", "characters that HTTP headers do not allow"),
    ("zero byte", f"{HIDDEN}\0", "characters that HTTP headers do not allow"),
    ("not ASCII", f"{HIDDEN}ü", "characters that HTTP headers do not allow"),
]
INVALID_ARGUMENTS = [
    *((name, *row) for name, row in product(VARIABLES, INVALID_VALUES)),
    # The secret is never sent.
    *((name, *row) for name, row in product(("api_key", "passphrase"), INVALID_HEADER_VALUES)),
]


def refusal_of(values: Iterator[Any]) -> CredentialsError:
    """Create credentials that are refused, in a frame without a local that has them, and return the error."""
    try:
        Credentials(*values)
    except CredentialsError as error:
        return error
    raise AssertionError("not refused")


def refusal_from_env() -> CredentialsError:
    """Read credentials that are refused from the environment, and return the error."""
    try:
        Credentials.from_env()
    except CredentialsError as error:
        return error
    raise AssertionError("not refused")


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [(name, value, problem) for name, _, value, problem in INVALID_ARGUMENTS],
    ids=[f"{name}-{case}" for name, case, _, _ in INVALID_ARGUMENTS],
)
def test_invalid_argument_is_refused(name: str, value: Any, problem: str) -> None:
    """An invalid credential is refused by its name with the problem; no value is shown, nor in the locals of a frame."""
    values = iter([value if each == name else f"{HIDDEN}-of-{each}" for each in VARIABLES])
    error = refusal_of(values)
    assert str(error).startswith(f"{name} ")
    assert problem in str(error)
    assert len(error.args) == 1
    assert str(error).count(";") == 1  # between the only problem and what to do
    assert HIDDEN not in format_with_locals(error)


def test_all_invalid_arguments_are_reported_at_once() -> None:
    """One error names every credential that is not valid."""
    error = refusal_of(iter([f"{HIDDEN}ü", "", f" {HIDDEN}"]))
    # Each problem is followed by what to do.
    assert [part.split()[0] for part in str(error).split("; ")[::2]] == list(VARIABLES)
    assert HIDDEN not in format_with_locals(error)


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        (name, value, problem)
        for name, case, value, problem in INVALID_ARGUMENTS
        if case not in ("not text", "zero byte")
    ],
)
def test_invalid_variable_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str | None, problem: str
) -> None:
    """A variable that is missing or not valid is named with the problem; no value is shown."""
    for each, variable in VARIABLES.items():
        monkeypatch.setenv(variable, f"{HIDDEN}-of-{each}")
    if value is None:
        monkeypatch.delenv(VARIABLES[name])
    else:
        monkeypatch.setenv(VARIABLES[name], value)
    error = refusal_from_env()
    assert str(error).startswith(f"the variable {VARIABLES[name]} ")
    assert problem in str(error)
    assert str(error).count("BITGET_") == 1
    assert HIDDEN not in format_with_locals(error)


def test_all_missing_variables_are_reported_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """One error names every variable that is missing."""
    for variable in VARIABLES.values():
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(CredentialsError) as caught:
        Credentials.from_env()
    for variable in ("BITGET_API_KEY", "BITGET_SECRET_KEY", "BITGET_PASSPHRASE"):
        assert f"{variable} is missing" in str(caught.value)


def test_credentials_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables of the vendor's own tools are read."""
    monkeypatch.setenv("BITGET_API_KEY", "key")
    monkeypatch.setenv("BITGET_SECRET_KEY", "Schlüssel")
    monkeypatch.setenv("BITGET_PASSPHRASE", "words with spaces")
    assert Credentials.from_env() == Credentials("key", "Schlüssel", "words with spaces")


def test_variable_that_is_not_utf_8_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable with bytes that are not UTF-8 is refused by its name, and nothing shows the secret."""
    monkeypatch.setenv("BITGET_API_KEY", "a-key")
    monkeypatch.setenv("BITGET_SECRET_KEY", "a-canary\udcff")
    monkeypatch.setenv("BITGET_PASSPHRASE", "a-passphrase")
    with pytest.raises(CredentialsError, match="BITGET_SECRET_KEY is not valid text") as caught:
        Credentials.from_env()
    assert "canary" not in f"{list(frame_locals(caught.value, __file__))} {caught.value!r}"


# Files


def test_each_credential_may_come_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A variable with `_FILE` appended names a file with the credential, whose last line may have a line end."""
    for name, variable in VARIABLES.items():
        (tmp_path / name).write_bytes(f"a {name}\r\n".encode())
        monkeypatch.setenv(f"{variable}_FILE", str(tmp_path / name))
        monkeypatch.setenv(variable, "")  # as container tools leave it
    assert Credentials.from_env() == Credentials("a api_key", "a secret_key", "a passphrase")


def test_secret_may_be_a_path(tmp_path: Path) -> None:
    """If the secret is a path, the text of its file is the secret."""
    (tmp_path / "secret").write_text("a-secret\n")
    assert Credentials("a", tmp_path / "secret", "c") == Credentials("a", "a-secret", "c")


def test_only_the_line_end_of_a_file_is_removed(tmp_path: Path) -> None:
    """Only the line end is removed from the text of a file; any other white space is refused."""
    (tmp_path / "secret").write_bytes(b"c2VjcmVX\r\n")
    assert Credentials("a", tmp_path / "secret", "c").secret_key == "c2VjcmVX"
    (tmp_path / "secret").write_bytes(b"c2VjcmVX \n")
    with pytest.raises(CredentialsError, match="secret_key has white space around it"):
        Credentials("a", tmp_path / "secret", "c")


def test_files_are_read_as_utf_8(tmp_path: Path) -> None:
    """A file is read as UTF-8, also if the encoding of the system is another."""
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
        (HIDDEN.encode() + b"\xff", "is not a text file"),
    ],
)
def test_invalid_file_is_refused(
    content: bytes | None, problem: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An invalid file is named by its variable; neither its text nor the value of the variable is shown."""
    file = tmp_path / f"{HIDDEN}-in-the-wrong-variable"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("BITGET_API_KEY", "a-key")
    monkeypatch.setenv("BITGET_PASSPHRASE", "a-passphrase")
    monkeypatch.setenv("BITGET_SECRET_KEY_FILE", str(file))
    error = refusal_from_env()
    assert str(error).startswith("the file that BITGET_SECRET_KEY_FILE names ")
    assert problem in str(error)
    assert HIDDEN not in format_with_locals(error)


def test_variable_and_file_exclude_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that is set next to its file is refused, because it is not clear which one is meant."""
    monkeypatch.setenv("BITGET_SECRET_KEY", HIDDEN)
    monkeypatch.setenv("BITGET_SECRET_KEY_FILE", HIDDEN)
    error = refusal_from_env()
    assert str(error) == "BITGET_SECRET_KEY and BITGET_SECRET_KEY_FILE are both set; unset one of them"
    assert HIDDEN not in format_with_locals(error)


def test_invalid_password_file_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The file of the password is named by its variable only, too, although it is the last to be read."""
    for variable in VARIABLES.values():
        monkeypatch.setenv(variable, "a-value")
    monkeypatch.setenv("BITGET_SECRET_KEY_PASSWORD_FILE", str(tmp_path / f"{HIDDEN}-in-the-wrong-variable"))
    error = refusal_from_env()
    assert str(error).startswith("the file that BITGET_SECRET_KEY_PASSWORD_FILE names cannot be read")
    assert HIDDEN not in format_with_locals(error)


def test_all_pairs_of_variable_and_file_are_reported_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """One error names every variable that is set next to its file."""
    for variable in VARIABLES.values():
        monkeypatch.setenv(variable, HIDDEN)
        monkeypatch.setenv(f"{variable}_FILE", HIDDEN)
    assert str(refusal_from_env()) == "; ".join(
        f"{variable} and {variable}_FILE are both set; unset one of them" for variable in VARIABLES.values()
    )


# RSA keys

PRIVATE_KEY = rsa.generate_private_key(65537, 2048)
PASSWORD = f"{HIDDEN}-password"
ENCRYPTED = BestAvailableEncryption(PASSWORD.encode())
UNKNOWN_ALGORITHM = "-----BEGIN PRIVATE KEY-----\nMA0CAQAwBQYDKgMEBAEA\n-----END PRIVATE KEY-----\n"
"""A key of the algorithm 1.2.3.4, which does not exist."""
PKCS1 = PrivateFormat.TraditionalOpenSSL
PKCS8 = PrivateFormat.PKCS8


def make_pem(
    layout: PrivateFormat = PKCS8,
    encryption: KeySerializationEncryption | None = None,
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey = PRIVATE_KEY,
) -> str:
    """Return a private key in PEM format."""
    return key.private_bytes(Encoding.PEM, layout, encryption or NoEncryption()).decode()


def make_public_pem() -> str:
    """Return the public key in PEM format."""
    return PRIVATE_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def is_signature(message: bytes, signature: str) -> bool:
    """Verify an RSASSA-PKCS1-v1_5 signature by the arithmetic of RFC 8017, without the library that made it."""
    public = PRIVATE_KEY.public_key().public_numbers()
    size = (public.n.bit_length() + 7) // 8
    raw = base64.b64decode(signature, validate=True)
    digest = bytes.fromhex("3031300d060960864801650304020105000420") + hashlib.sha256(message).digest()
    expected = b"\x00\x01" + b"\xff" * (size - len(digest) - 3) + b"\x00" + digest
    return len(raw) == size and pow(int.from_bytes(raw), public.e, public.n).to_bytes(size) == expected


@pytest.mark.parametrize("layout", [PKCS1, PKCS8])
@pytest.mark.parametrize("encryption", [None, ENCRYPTED])
@pytest.mark.parametrize(
    "rewrite",
    [str, str.strip, lambda text: text.replace("\n", "\r\n"), lambda text: text.replace("\n", "\\n")],
    ids=["unchanged", "stripped", "CRLF", "escaped line ends"],
)
def test_rsa_key_is_accepted(
    layout: PrivateFormat, encryption: KeySerializationEncryption | None, rewrite: Callable[[str], str]
) -> None:
    """PKCS#1 and PKCS#8, encrypted or not, with any line ends: the key signs as RFC 8017 specifies."""
    pem = rewrite(make_pem(layout, encryption))
    credentials = Credentials("a", pem, "c", PASSWORD if encryption else None)
    assert credentials.rsa_key is not None
    assert is_signature("Grüße".encode(), rsa_signature(credentials.rsa_key, "Grüße".encode()))
    assert not is_signature(b"other", rsa_signature(credentials.rsa_key, b"message"))


def test_rsa_key_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A file with an encrypted key, and its password in a variable, sign requests that the exchange accepts."""
    (tmp_path / "key.pem").write_text(make_pem(encryption=ENCRYPTED))
    monkeypatch.setenv("BITGET_API_KEY", "rsa-key")
    monkeypatch.setenv("BITGET_SECRET_KEY_FILE", str(tmp_path / "key.pem"))
    monkeypatch.setenv("BITGET_SECRET_KEY_PASSWORD", PASSWORD)
    monkeypatch.setenv("BITGET_PASSPHRASE", "a-passphrase")
    with Sandbox(orders=0) as sandbox:
        sandbox.add_account("rsa-key", "unused", "a-passphrase", verify=is_signature)
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
        (make_pem(encryption=ENCRYPTED), None, "secret_key is encrypted; give its password"),
        (make_pem(PKCS1, ENCRYPTED), None, "secret_key is encrypted; give its password"),
        (make_pem(encryption=ENCRYPTED), f"{HIDDEN}-other", "check its password"),
        (make_pem(), PASSWORD, "secret_key is not encrypted"),
        (make_pem()[:400], None, "copy it again completely"),
        (make_pem().replace("PRIVATE", "PUBLIC"), None, "copy it again completely"),
        (make_public_pem(), None, "copy it again completely"),
        (make_pem(key=ec.generate_private_key(ec.SECP256R1())), None, "another kind; the exchange accepts RSA"),
        (UNKNOWN_ALGORITHM, None, "copy it again completely"),
        (HIDDEN, PASSWORD, "secret_key_password is set, but the secret is not an RSA key"),
        (make_pem(encryption=ENCRYPTED), " ", "secret_key_password is missing or blank"),
        (make_pem(encryption=ENCRYPTED), f"{PASSWORD}\n", "secret_key_password has white space"),
    ],
)
def test_invalid_rsa_key_is_refused(secret: str, password: str | None, problem: str) -> None:
    """A key that cannot sign is refused with what to do, and no local shows a line of it."""
    lines = secret.splitlines()
    line = lines[len(lines) // 2]
    error = refusal_of(iter(["a", secret, "c", password]))
    assert problem in str(error)
    shown = list(frame_locals(error, __file__))
    for hidden in (line, HIDDEN):
        assert hidden not in f"{shown} {error!r}"


def test_credentials_with_the_same_rsa_key_are_equal() -> None:
    """Credentials with the same RSA key are equal, although each has parsed it."""
    assert Credentials("a", make_pem(), "c") == Credentials("a", make_pem(), "c")


@pytest.mark.parametrize(
    ("variables", "problem"),
    [
        ({"BITGET_SECRET_KEY": make_pem()[:400]}, "the variable BITGET_SECRET_KEY is not a valid private key"),
        ({"BITGET_SECRET_KEY": make_pem(encryption=ENCRYPTED)}, "the variable BITGET_SECRET_KEY is encrypted"),
        (
            {"BITGET_SECRET_KEY": HIDDEN, "BITGET_SECRET_KEY_PASSWORD": PASSWORD},
            "the variable BITGET_SECRET_KEY_PASSWORD is set, but the secret is not an RSA key",
        ),
    ],
)
def test_invalid_rsa_key_in_a_variable_is_refused(
    variables: dict[str, str], problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An invalid key, or an invalid password, is named by its variable."""
    monkeypatch.setenv("BITGET_API_KEY", "a-key")
    monkeypatch.setenv("BITGET_PASSPHRASE", "a-passphrase")
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    error = refusal_from_env()
    assert str(error).startswith(problem)
    assert HIDDEN not in format_with_locals(error)


def test_rsa_key_needs_an_extra() -> None:
    """Without the extra, an RSA key is refused with the command that installs it; an HMAC secret needs none."""
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
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "pip install 'bitget-spot[rsa]'" in result.stdout
