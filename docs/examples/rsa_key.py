"""Sign with an RSA private key instead of an HMAC secret; needs the extra `rsa`."""

import os
from pathlib import Path

from bitget_spot import Credentials, OrderRef, cancel_orders, connect


def main() -> None:
    """Read an encrypted RSA private key from a file, and cancel an order with it."""
    # Credentials.from_env() does the same if BITGET_SECRET_KEY_FILE is the path of the file.
    credentials = Credentials(
        os.environ["BITGET_API_KEY"],
        Path("bitget-key.pem"),
        os.environ["BITGET_PASSPHRASE"],
        secret_key_password=os.environ["BITGET_SECRET_KEY_PASSWORD"],
    )
    with connect(credentials) as client:
        orders = [OrderRef(order_id="1300000000813847339")]
        print(cancel_orders.sync(client=client, orders=orders))


if __name__ == "__main__":
    main()
