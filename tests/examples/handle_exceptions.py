"""What to do about each exception: `python handle_exceptions.py 1300000000813847339`."""

import os
import sys

from bitget_spot import (
    AuthenticationError,
    Credentials,
    CredentialsError,
    InvalidBatchError,
    OrdersNotCancelledError,
    PermissionDeniedError,
    WrongEnvironmentError,
    cancel_orders,
    connect,
)
from bitget_spot_api.models import OrderRef


def main(order_ids: list[str]) -> str:
    """Cancel the orders, and answer what the person at the screen should do."""
    orders = [OrderRef(order_id=order_id) for order_id in order_ids]
    base_url = os.environ["BITGET_API_BASE_URL"]
    try:
        with connect(Credentials.from_env(), base_url=base_url) as client:
            cancel_orders.sync(client=client, orders=orders).raise_for_failures()
    except CredentialsError as error:
        advice = f"Nothing was sent: {error}"
    except InvalidBatchError as error:
        advice = "Nothing was sent. Mend " + "; ".join(map(str, error.violations))
    except AuthenticationError as error:
        advice = f"{error.code}: copy the key, the secret and the passphrase again."
    except PermissionDeniedError as error:
        advice = f"{error.code}: look at what the key may do, and from which addresses."
    except WrongEnvironmentError as error:
        advice = f"{error.code}: an account of another kind, or demo and live mixed up."
    except OrdersNotCancelledError as error:
        # Trouble on the way and refusals of single orders do not end a run: see its report.
        advice = f"Look at these: {error.report}"
    else:
        advice = "All are accepted or gone."
    return advice


if __name__ == "__main__":
    print(main(sys.argv[1:]))
