"""The plans of day A."""

from __future__ import annotations

FLEX_M = """
offering = "flex-m"
name = "Flex M"
valid_from = 2026-06-01T09:00:00+02:00
currency = "EUR"
zone = "Europe/Berlin"
prices_include_tax = false

[networks]
eu = ["FR", "NL", "208", "204", "232"]

[destinations]
national = ["49"]

[[one_off]]
id = "activation"
label = "Activation"
price = "9.90"

[[recurring]]
id = "monthly"
label = "Flex M, monthly"
price = "20.00"
in_advance = true

[[usage]]
id = "data-eu"
kind = "data"
networks = ["home", "eu"]
price = "0.02"
per = "1 MB"

[[usage]]
id = "data-roaming"
kind = "data"
networks = ["other"]
price = "0.05"
per = "1 MB"

[[usage]]
id = "voice-national"
kind = "voice"
destinations = ["national"]
price = "0"

[[usage]]
id = "voice-other"
kind = "voice"
price = "0.09"
per = "1 min"
increments = ["60 s", "60 s"]

[[usage]]
id = "messages"
kind = "message"
price = "0"

[[allowances]]
id = "eu-data"
amount = "10 GB"
prices = ["data-eu"]
"""

NGN_TWIN = (
    FLEX_M.replace('"EUR"', '"NGN"')
    .replace("Europe/Berlin", "Africa/Lagos")
    .replace("+02:00", "+01:00")
    .replace('"9.90"', '"2500.00"')
    .replace('"20.00"', '"12000.00"')
    .replace('"0.05"', '"15.00"')
    .replace('"0.09"', '"11.50"')
)
