"""
Other people's clients in front of the sandbox: `make interop`.

They live in an environment of their own, so the tests here are collected only where `make interop` has set one up and
says so. There a client that is missing is an error: nothing is skipped.
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
from interop.clients import BitgetApiClient, Ccxt, NpmBitgetApi, OtherClient, TypedBitget
from interop.stage import Other, RecordingSandbox

from bitget_spot import Credentials

ASKED_FOR: Final = "BITGET_SPOT_INTEROP" in os.environ
collect_ignore_glob = [] if ASKED_FOR else ["test_*.py"]

RSA: Final = "npm-rsa"
CLIENTS: Final[Mapping[str, type[OtherClient]]] = {
    "ccxt": Ccxt,
    "npm": NpmBitgetApi,
    RSA: NpmBitgetApi,
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
    """Two keys of the smaller size that the exchange takes."""
    return generate_private_key(65537, 2048), generate_private_key(65537, 2048)


@pytest.fixture(params=CLIENTS)
def other(
    request: pytest.FixtureRequest, sandbox: RecordingSandbox, rsa_keys: tuple[RSAPrivateKey, RSAPrivateKey]
) -> Other:
    """Each of the other clients in turn, with an account in the sandbox."""
    name: str = request.param
    right, wrong = sandbox.secret_key, "another-secret"
    if name == RSA:
        right, wrong = map(_pem, rsa_keys)
        # In place of the first account: its HMAC secret opens nothing any more.
        sandbox.add_account(sandbox.api_key, "", sandbox.passphrase, verify=_verifying(rsa_keys[0].public_key()))
    holder, impostor = (Credentials(sandbox.api_key, secret, sandbox.passphrase) for secret in (right, wrong))
    make = CLIENTS[name]
    return Other(name, holder, make(sandbox.url, holder), make(sandbox.url, impostor))


def _pem(key: RSAPrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _verifying(key: RSAPublicKey) -> Callable[[bytes, str], bool]:
    def verify(prehash: bytes, signature: str) -> bool:
        try:
            key.verify(base64.b64decode(signature), prehash, PKCS1v15(), SHA256())
        except InvalidSignature:
            return False
        return True

    return verify
