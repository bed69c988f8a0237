"""
Clients by other authors in front of the sandbox: `make interop`.

They are installed in an environment of their own, so the tests here are only collected if `make interop` runs them. Then a
missing client is an error: no test is skipped.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Final

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bitget_spot import Credentials

from .clients import BitgetApiClient, Ccxt, NpmBitgetApi, OtherClient, TypedBitget
from .sandbox_server import ClientUnderTest, RecordingSandbox

IS_ENABLED: Final = "BITGET_SPOT_INTEROP" in os.environ
collect_ignore_glob = [] if IS_ENABLED else ["test_*.py"]

NPM_WITH_RSA: Final = "npm-rsa"
CLIENTS: Final[Mapping[str, type[OtherClient]]] = {
    "ccxt": Ccxt,
    "npm": NpmBitgetApi,
    NPM_WITH_RSA: NpmBitgetApi,
    "typed-bitget": TypedBitget,
    "bitget-api-client": BitgetApiClient,
}


@pytest.fixture
def sandbox() -> Iterator[RecordingSandbox]:
    """A sandbox without orders."""
    with RecordingSandbox(orders=0) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def rsa_keys() -> tuple[RSAPrivateKey, RSAPrivateKey]:
    """Two RSA keys of the smaller size that the exchange accepts."""
    return generate_private_key(65537, 2048), generate_private_key(65537, 2048)


@pytest.fixture(params=CLIENTS)
def other(
    request: pytest.FixtureRequest, sandbox: RecordingSandbox, rsa_keys: tuple[RSAPrivateKey, RSAPrivateKey]
) -> ClientUnderTest:
    """Each of the other clients, with an account in the sandbox."""
    name: str = request.param
    secret = sandbox.secret_key
    wrong_secret = "another-secret"
    if name == NPM_WITH_RSA:
        secret, wrong_secret = map(_pem, rsa_keys)
        # Replaces the first account, whose HMAC secret is not valid any more.
        sandbox.add_account(sandbox.api_key, "", sandbox.passphrase, verify=_verify_with(rsa_keys[0].public_key()))
    credentials = Credentials(sandbox.api_key, secret, sandbox.passphrase)
    wrong_credentials = Credentials(sandbox.api_key, wrong_secret, sandbox.passphrase)
    client_class = CLIENTS[name]
    return ClientUnderTest(
        name,
        credentials,
        client_class(sandbox.url, credentials),
        client_class(sandbox.url, wrong_credentials),
    )


def _pem(key: RSAPrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _verify_with(key: RSAPublicKey) -> Callable[[bytes, str], bool]:
    def verify(prehash: bytes, signature: str) -> bool:
        try:
            key.verify(base64.b64decode(signature), prehash, PKCS1v15(), SHA256())
        except InvalidSignature:
            return False
        return True

    return verify
