"""
An API key with what signs its requests: an HMAC secret or an RSA private key, and a passphrase.

No message here shows a credential or the path of its file: if the two variables were mixed up, that would show the
secret.
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
PASSWORD: Final = "secret_key_password"  # noqa: S105 - the name of a parameter
PASSWORD_VARIABLE: Final = "BITGET_SECRET_KEY_PASSWORD"  # noqa: S105 - the name of a variable
PEM_PREFIX: Final = "-----BEGIN "


@frozen(init=False, repr=False)
class Credentials:
    """
    An API key with its secret and passphrase. Its repr shows none of them, and it cannot be pickled.

    Args:
        api_key: The API key.
        secret_key: The HMAC secret as the exchange showed it, or an RSA private key (PEM, PKCS#8 or PKCS#1; extra
            `rsa`), as text or as the `pathlib.Path` of a file that contains it.
        passphrase: The passphrase that was chosen when the key was created.
        secret_key_password: The password of the RSA private key, if it is encrypted.

    Attributes:
        api_key: The API key.
        secret_key: The text of the secret or of the RSA private key.
        passphrase: The passphrase.
        rsa_key: The RSA private key, if the secret is one.

    Raises:
        CredentialsError: A credential is missing or blank, has white space around it, contains characters that HTTP
            does not allow, or is a file or a key that cannot be read.

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
        values = {"api_key": api_key, "secret_key": secret_key, "passphrase": passphrase, PASSWORD: secret_key_password}
        # Tracebacks may be formatted with their locals.
        del api_key, secret_key, passphrase, secret_key_password
        self._set(values, {})

    @classmethod
    def from_env(cls) -> Self:
        """
        Return the credentials in BITGET_API_KEY, BITGET_SECRET_KEY and BITGET_PASSPHRASE.

        The vendor's own tools use these names. The password of an encrypted RSA key is in BITGET_SECRET_KEY_PASSWORD.
        Each value may instead be in a file, as containers mount secrets; then a variable with `_FILE` appended names
        the file, for example BITGET_SECRET_KEY_FILE.

        Raises:
            CredentialsError: Variables are missing or not valid; it names each.

        """
        values: dict[str, Any] = {}
        sources = {}
        problems = []
        for name, variable in (VARIABLES | {PASSWORD: PASSWORD_VARIABLE}).items():
            file = os.environ.get(f"{variable}_FILE")
            values[name] = Path(file) if file else os.environ.get(variable)
            sources[name] = f"the file that {variable}_FILE names" if file else f"the variable {variable}"
            if file and os.environ.get(variable):
                problems.append(f"{variable} and {variable}_FILE are both set; unset one of them")
            del file
        if problems:
            values.clear()
            raise CredentialsError("; ".join(problems))
        credentials = cls.__new__(cls)
        credentials._set(values, sources)  # noqa: SLF001 - an instance of this class
        return credentials

    def _set(self, values: dict[str, Any], sources: Mapping[str, str]) -> None:
        """Validate and set the values; `sources` says where each comes from, for messages."""
        problems = _read_files(values, sources)
        rsa_key = None
        if not problems:
            rsa_key, problems = _load_rsa_key(values, sources)
        if problems:
            values.clear()
            raise CredentialsError("; ".join(problems))
        self.__attrs_init__(values["api_key"], values["secret_key"], values["passphrase"], rsa_key)

    def __repr__(self) -> str:
        return "Credentials(api_key=***, secret_key=***, passphrase=***)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("Credentials cannot be pickled; create them where they are used, with Credentials.from_env()")


def _read_files(values: dict[str, Any], sources: Mapping[str, str]) -> list[str]:
    """Replace each path by the text of its file; return everything that is wrong with the values."""
    problems = []
    for name, value in values.items():
        values[name], problem = _read(value)
        if not problem and (name in VARIABLES or value is not None):
            problem = _value_problem(name, values[name])
        if problem:
            problems.append(f"{sources.get(name, name)} {problem}")
    return problems


def _read(value: object) -> tuple[object, str | None]:
    """Return a value, read from its file if it is a path, and what is wrong with the file."""
    if isinstance(value, os.PathLike):
        try:
            # Editors end the last line of a file.
            value = Path(value).read_text("utf-8").rstrip("\r\n")
        except OSError as error:
            return None, f"cannot be read ({error.strerror}); check the path"
        except ValueError:
            return None, "is not a text file; an RSA key must be in PEM format"
    if isinstance(value, str) and value.strip().startswith(PEM_PREFIX):
        # Files of variables often have the two characters \n instead of line ends.
        value = value.replace("\\n", "\n").strip()
    return value, None


def _value_problem(name: str, value: object) -> str | None:
    if value is None or (isinstance(value, str) and not value.strip()):
        return "is missing or blank; set it"
    if not isinstance(value, str):
        return "is not text; give it as str"
    if value != value.strip():
        return "has white space around it; remove it"
    # A byte of the environment that is not UTF-8 becomes an unpaired surrogate.
    if value != value.encode(errors="replace").decode():
        return "is not valid text; copy it again"
    # The secret is never sent; the others are sent as header values.
    if name in ("api_key", "passphrase") and not (value.isascii() and value.isprintable()):
        return "contains characters that HTTP headers do not allow; copy it again"
    return None


def _load_rsa_key(values: Mapping[str, Any], sources: Mapping[str, str]) -> tuple[RSAPrivateKey | None, list[str]]:
    """Return the RSA key, if the secret is one, and everything that is wrong with it."""
    secret = values["secret_key"]
    password = values[PASSWORD]
    if not secret.startswith(PEM_PREFIX):
        if password is None:
            return None, []
        return None, [f"{sources.get(PASSWORD, PASSWORD)} is set, but the secret is not an RSA key; remove it"]
    rsa_key, problem = _parse_pem(secret, password)
    return rsa_key, [f"{sources.get('secret_key', 'secret_key')} {problem}"] if problem else []


def _parse_pem(pem: str, password: str | None) -> tuple[RSAPrivateKey | None, str | None]:
    try:
        from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - an extra
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey  # noqa: PLC0415 - an extra
        from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415 - an extra
    except ModuleNotFoundError:
        return None, "is an RSA key, and signing with one needs an extra; run: pip install 'bitget-spot[rsa]'"
    try:
        key = load_pem_private_key(pem.encode(), password.encode() if password is not None else None)
    except TypeError:
        if password is None:
            return None, f"is encrypted; give its password as {PASSWORD} or in {PASSWORD_VARIABLE}"
        return None, "is not encrypted; leave its password out"
    except (ValueError, UnsupportedAlgorithm):
        return None, "is not a valid private key in PEM format; copy it again completely, and check its password"
    if not isinstance(key, RSAPrivateKey):
        return None, "is a private key of another kind; the exchange accepts RSA"
    return key, None
