"""
An API key with what proves that a request is its holder's: an HMAC secret or an RSA private key, and a passphrase.

No message here shows a credential, nor the path of its file: who mixes the two variables up would see the secret.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn, Self

from attrs import field, frozen

from bitget_spot.errors import CredentialsError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

VARIABLES: Final = {
    "api_key": "BITGET_API_KEY",
    "secret_key": "BITGET_SECRET_KEY",
    "passphrase": "BITGET_PASSPHRASE",
}
PASSWORD: Final = "secret_key_password"  # noqa: S105 - the name of an argument
PASSWORD_VARIABLE: Final = "BITGET_SECRET_KEY_PASSWORD"  # noqa: S105 - the name of a variable


@frozen(init=False, repr=False)
class Credentials:
    """
    An API key with its secret and passphrase; shows none of them, and does not pickle.

    Args:
        api_key: The key.
        secret_key: The HMAC secret as the exchange gave it, or an RSA private key (PEM, PKCS#8 or PKCS#1; extra `rsa`),
            as text or as the `pathlib.Path` of a file that holds it.
        passphrase: The words chosen with the key.
        secret_key_password: What the RSA private key is encrypted with, if it is.

    Attributes:
        api_key: The key.
        secret_key: The text of the secret or of the RSA private key.
        passphrase: The words chosen with the key.
        rsa_key: The RSA private key, where the secret is one.

    Raises:
        CredentialsError: One is missing or blank, has white space around it, cannot stand in a header, or is a file
            or a key that cannot be read.

    """

    api_key: str = field()
    secret_key: str = field()
    passphrase: str = field()
    rsa_key: RSAPrivateKey | None = field(eq=False)

    def __init__(
        self,
        api_key: str,
        secret_key: str | os.PathLike[str],
        passphrase: str,
        secret_key_password: str | None = None,
    ) -> None:
        given = {"api_key": api_key, "secret_key": secret_key, "passphrase": passphrase, PASSWORD: secret_key_password}
        # Tracebacks may be formatted with their locals.
        del api_key, secret_key, passphrase, secret_key_password
        self._take(given, {})

    @classmethod
    def from_env(cls) -> Self:
        """
        Read BITGET_API_KEY, BITGET_SECRET_KEY and BITGET_PASSPHRASE, as the vendor's own tools name them.

        An encrypted RSA key has its password in BITGET_SECRET_KEY_PASSWORD. Each may instead be in a file, as
        containers mount them, that a variable with `_FILE` appended names: BITGET_SECRET_KEY_FILE.

        Raises:
            CredentialsError: Names every variable that is missing or cannot be used.

        """
        given: dict[str, Any] = {}
        shown, problems = {}, []
        for name, variable in (VARIABLES | {PASSWORD: PASSWORD_VARIABLE}).items():
            file = os.environ.get(f"{variable}_FILE")
            given[name] = Path(file) if file else os.environ.get(variable)
            shown[name] = f"the file that {variable}_FILE names" if file else f"the variable {variable}"
            if file and os.environ.get(variable):
                problems.append(f"{variable} and {variable}_FILE are both set: unset one of them")
            del file
        if problems:
            given.clear()
            raise CredentialsError("; ".join(problems))
        credentials = cls.__new__(cls)
        credentials._take(given, shown)  # noqa: SLF001 - its own
        return credentials

    def _take(self, given: dict[str, Any], shown: Mapping[str, str]) -> None:
        rsa_key, problems = _examine(given, shown)
        if problems:
            given.clear()
            raise CredentialsError("; ".join(problems))
        self.__attrs_init__(given["api_key"], given["secret_key"], given["passphrase"], rsa_key)

    def __repr__(self) -> str:
        return "Credentials(api_key=***, secret_key=***, passphrase=***)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("Credentials do not pickle: read them where they are used, with Credentials.from_env()")


def _examine(given: dict[str, Any], shown: Mapping[str, str]) -> tuple[RSAPrivateKey | None, list[str]]:
    """Put the texts of files in the place of their paths, and tell the RSA key, or everything that is wrong."""
    problems = []
    for name, value in given.items():
        given[name], problem = _read(value)
        if not problem and (name in VARIABLES or value is not None):
            problem = _problem(name, given[name])
        if problem:
            problems.append(f"{shown.get(name, name)} {problem}")
    if problems:
        return None, problems
    secret, password = given["secret_key"], given[PASSWORD]
    if not secret.startswith("-----BEGIN "):
        unused = f"{shown.get(PASSWORD, PASSWORD)} is set, but the secret is no RSA key: remove it"
        return None, [unused] if password is not None else []
    rsa_key, problem = _rsa_key(secret, password)
    return rsa_key, [f"{shown.get('secret_key', 'secret_key')} {problem}"] if problem else []


def _read(value: object) -> tuple[object, str | None]:
    if isinstance(value, os.PathLike):
        try:
            # Whoever writes a file ends its last line.
            value = Path(value).read_text("utf-8").rstrip("\r\n")
        except OSError as error:
            return None, f"cannot be read ({error.strerror}): check the path"
        except ValueError:
            return None, "holds bytes that are no text: an RSA key is read as PEM"
    if isinstance(value, str) and value.strip().startswith("-----BEGIN "):
        # Files of variables often write the ends of lines as two characters.
        value = value.replace("\\n", "\n").strip()
    return value, None


def _problem(name: str, value: object) -> str | None:
    if value is None or (isinstance(value, str) and not value.strip()):
        return "is missing or blank: set it"
    if not isinstance(value, str):
        return "is not text: give it as str"
    if value != value.strip():
        return "has white space around it: remove it"
    # A byte of the environment that is no UTF-8 arrives as half a surrogate pair.
    if value != value.encode(errors="replace").decode():
        return "is not valid text: copy it again"
    # The secret is never sent; the others travel as header values.
    if name in ("api_key", "passphrase") and not (value.isascii() and value.isprintable()):
        return "has characters that no HTTP header can carry: copy it again"
    return None


def _rsa_key(pem: str, password: str | None) -> tuple[RSAPrivateKey | None, str | None]:
    try:
        from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - an extra
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey  # noqa: PLC0415 - as above
        from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415 - as above
    except ModuleNotFoundError:
        return None, "is an RSA key, and signing with one needs an extra: pip install 'bitget-spot[rsa]'"
    try:
        key = load_pem_private_key(pem.encode(), password.encode() if password is not None else None)
    except TypeError:
        if password is None:
            return None, f"is encrypted: give its password, as {PASSWORD} or in {PASSWORD_VARIABLE}"
        return None, "is not encrypted: give no password for it"
    except (ValueError, UnsupportedAlgorithm):
        return None, "is not readable as a private key in PEM: copy it again, whole, and check its password"
    if not isinstance(key, RSAPrivateKey):
        return None, "is a private key of another kind: the exchange takes RSA"
    return key, None
