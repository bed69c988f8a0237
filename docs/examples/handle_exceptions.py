"""What to do about each exception: `handle_exceptions.py 1300000000813847339`."""

import sys

from bitget_spot import (
    AuthenticationError,
    Credentials,
    CredentialsError,
    InvalidBatchError,
    OrderRef,
    OrdersNotCancelledError,
    PermissionDeniedError,
    WrongEnvironmentError,
    cancel_orders,
    connect,
)


def main(order_ids: list[str]) -> str:
    """Cancel the orders, and return what the user should do."""
    orders = [OrderRef(order_id=order_id) for order_id in order_ids]
    try:
        with connect(Credentials.from_env()) as client:
            cancel_orders.sync(client=client, orders=orders).raise_for_failures()
    except CredentialsError as error:
        advice = f"Nothing was sent: {error}"
    except InvalidBatchError as error:
        advice = "Nothing was sent. Correct " + "; ".join(map(str, error.violations))
    except AuthenticationError as error:
        advice = f"{error.code}: copy the key, the secret and the passphrase again."
    except PermissionDeniedError as error:
        advice = f"{error.code}: check the permissions and the IP addresses of the key."
    except WrongEnvironmentError as error:
        advice = f"{error.code}: wrong account type, or demo and live trading mixed up."
    except OrdersNotCancelledError as error:
        # Network errors and rejections of single orders do not end a run; they are in its report.
        advice = f"Check these orders: {error.report}"
    else:
        advice = "All orders are accepted or gone."
    return advice


if __name__ == "__main__":
    print(main(sys.argv[1:]))
