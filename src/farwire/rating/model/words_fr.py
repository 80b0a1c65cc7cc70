"""The words of explanations in French."""

from __future__ import annotations

from typing import Final

FRENCH: Final = {
    "head": "{used} de {kind}, facturé comme {billed}, au prix {price_id} de {offering} version {version}.",
    "external": "Prix de l'enregistrement : {cost} {currency}{markup}.",
    "online": "Facturé pendant l'utilisation : {cost} {currency}.",
    "connect": "Frais de connexion : {cost} {currency}.",
    "included": "{units} au début ne coûtent rien.",
    "allowance": "{units}{band} du forfait {allowance} : gratuit.",
    "block": "{count} blocs entamés à {price} {currency} = {cost} {currency}.",
    "units": "{units}{band}{tier} à {price} {currency} par {per} = {cost} {currency}.",
    "band": " dans la plage {band}",
    "tier": " dans le palier {tier}",
    "to": "Destination {zone} (préfixe {matched}).",
    "to_prefix": "Préfixe de destination {matched}.",
    "network": "Zone de réseau {network}.",
    "deck": "Prix de la grille {deck}{markup}.",
    "markup": " avec {percent} % en plus",
    "ported": "Le numéro est porté : le préfixe de son réseau décide.",
    "factor": "Remise {id} : × {factor}.",
    "minimum": "Au moins {amount} {currency}.",
    "maximum": "Au plus {amount} {currency}.",
    "total": "Ensemble {amount} {currency}.",
    "before": "Moins {amount} {currency} déjà facturés.",
    "recurring": "{price_id} de {offering} : {price} {currency} × {days}/{of_days} jours, du {first} au {last}.",
    "given_back": "Rendu : {price_id} de {offering}, {price} {currency} × {days}/{of_days}, du {first} au {last}.",
    "one_off": "{price_id} de {offering} : {price} {currency}, une fois, le {first} ({trigger}).",
    "one_off_back": "Rendu : {price_id} de {offering}, {price} {currency}, une fois, le {first} ({trigger}).",
    "override": "Le prix a été négocié : {override}.",
    "factor_override": "Négocié : × {factor}.",
    "factor_suspension": "Suspendu : × {factor}.",
    "share": "Part {own} sur {of}.",
    "for_account": "Pour le compte {account}.",
}
