"""Country packs: the rules of a country as dated, sourced data."""
