"""
Many orders: batches side by side, one outcome for each order, and what became of it.

    cancel_orders, cancel_open_orders    the public operations
      runner                             sends batches side by side, within one deadline
        planner                          orders → batches
        matcher                          responses → outcomes
        confirmation                     asks what became of the orders
          report                         outcomes and the report
"""
