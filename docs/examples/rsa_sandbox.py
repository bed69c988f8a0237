"""
A sandbox that knows the public half of an RSA key, to try `rsa_key.py`.

Its argument is the file with the public half. The key of `python -m bitget_spot.sandbox` has an
HMAC secret instead.
"""

import base64
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from bitget_spot.sandbox import Sandbox


def is_signed_by(key: rsa.RSAPublicKey, prehash: bytes, signature: str) -> bool:
    """Return whether a signature belongs to a key and to what was signed."""
    try:
        key.verify(base64.b64decode(signature), prehash, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True


def main(path: Path, port: int = 8787) -> None:
    """Run the sandbox until Ctrl-C, and print what a client needs."""
    key = load_pem_public_key(path.read_bytes())
    assert isinstance(key, rsa.RSAPublicKey)
    with Sandbox(port=port) as sandbox, suppress(KeyboardInterrupt):
        verify = partial(is_signed_by, key)
        sandbox.add_account(sandbox.api_key, "", sandbox.passphrase, verify=verify)
        print(f"# The sandbox listens on {sandbox.url}. Press Ctrl-C to stop it.")
        print(f"export BITGET_API_KEY={sandbox.api_key}")
        print(f"export BITGET_PASSPHRASE={sandbox.passphrase}")
        print(f"export BITGET_API_BASE_URL={sandbox.url}", flush=True)
        while True:
            time.sleep(3600)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
