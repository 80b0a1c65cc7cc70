"""Money that customers pay: open items, payments, allocation, refunds, methods, gateways."""
