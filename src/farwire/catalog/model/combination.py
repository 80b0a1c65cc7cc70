"""What can be sold together, and to whom: pure decisions, with reasons as data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from farwire.catalog.model.catalogue import BundleItem, Eligibility, Offering
from farwire.catalog.model.specification import ProductSpecification, RelationType


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why something cannot be sold: a stable ``code``, the ``field`` and ``value`` that it is about, and a ``fix``."""

    code: str
    message: str
    field: str
    value: str
    fix: str


@dataclass(frozen=True, slots=True)
class Known:
    """An offering as the check of a combination reads it."""

    offering: Offering
    specification: ProductSpecification | None = None


@dataclass(frozen=True, slots=True)
class Combination:
    """What a customer holds and what would be added, as codes (a code twice is two of it), with what they mean."""

    held: Sequence[str]
    added: Sequence[str]
    known: Mapping[str, Known]
    counts: Counter[str] = field(init=False)
    """How many of each there would be."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "counts", Counter((*self.held, *self.added)))

    def refusals(self) -> tuple[Refusal, ...]:
        """Return why the combination cannot be sold, in the order of ``added``; empty where it can."""
        found: dict[Refusal, None] = {}
        for code in dict.fromkeys(self.added):
            if code not in self.known:
                fix = "farwire catalog list"
                found[
                    Refusal("catalog.offering_unknown", f"there is no offering {code}", code, code, fix)
                ] = None
                continue
            for rule in (self._requires, self._excludes, self._specifications, self._bundle, self._part):
                found.update(dict.fromkeys(rule(code)))
        return tuple(found)

    def _requires(self, code: str) -> Iterator[Refusal]:
        for needed in self.known[code].offering.requires:
            if not self.counts[needed]:
                yield Refusal(
                    "catalog.requires",
                    f"{code} is sold only with {needed}",
                    code,
                    needed,
                    f"order {needed} with it",
                )

    def _rivals(self, code: str) -> Iterator[str]:
        """Yield the others that there would be, each pair of added ones once."""
        earlier = self.added[: self.added.index(code)]
        yield from (other for other in self.counts if other != code and other not in earlier)

    def _excludes(self, code: str) -> Iterator[Refusal]:
        for rival in self._rivals(code):
            theirs = self.known[rival].offering.excludes if rival in self.known else ()
            if rival in self.known[code].offering.excludes or code in theirs:
                yield self._apart(
                    "catalog.excludes", f"{code} and {rival} are never sold together", code, rival
                )

    def _specifications(self, code: str) -> Iterator[Refusal]:
        """Hold the relations between product specifications."""
        mine = self.known[code].specification
        if mine is None:
            return
        others = {c: k.specification for c, k in self.known.items() if k.specification and self.counts[c]}
        beside = {specification.code for other, specification in others.items() if other != code}
        for needed in _related(mine, RelationType.DEPENDENCY):
            if needed not in beside:
                yield Refusal(
                    "catalog.specification_requires",
                    f"{code} works only beside a product of the specification {needed}",
                    code,
                    needed,
                    f"order an offering of {needed} with it",
                )
        for rival in self._rivals(code):
            theirs = others.get(rival)
            if theirs is None:
                continue
            excluded = _related(mine, RelationType.EXCLUSIVITY), _related(theirs, RelationType.EXCLUSIVITY)
            if theirs.code in excluded[0] or mine.code in excluded[1]:
                message = f"{code} and {rival} cannot work beside each other"
                yield self._apart("catalog.specification_excludes", message, code, rival)

    def _apart(self, reason: str, message: str, code: str, rival: str) -> Refusal:
        fix = f"cease {rival} first" if rival in self.held else f"order only one of {code} and {rival}"
        return Refusal(reason, message, code, rival, fix)

    def _bundle(self, code: str) -> Iterator[Refusal]:
        """Count the parts of a bundle that is added. What the customer holds already may fill none of its places."""
        added, held = Counter(self.added), Counter(self.held)
        for item in self.known[code].offering.bundle:
            have, least = added[item.offering], item.minimum * added[code]
            free = max(0, item.maximum * held[code] - held[item.offering])
            most = item.maximum * added[code] + free
            if not least <= have <= most:
                yield _cardinality(code, item, have, least, most)

    def _part(self, code: str) -> Iterator[Refusal]:
        """Refuse what is sold only within a bundle where there is no place for it."""
        if self.known[code].offering.sold_alone:
            return
        places = 0
        for bundle, count in self.counts.items():
            if bundle in self.known:
                items = self.known[bundle].offering.bundle
                places += sum(item.maximum * count for item in items if item.offering == code)
        if self.counts[code] > places:
            message = (
                f"{code} is sold only in a bundle"
                if not places
                else f"the bundles have {places} places for {code}, not {self.counts[code]}"
            )
            yield Refusal("catalog.only_in_bundle", message, code, code, "order it with its bundle")


def _related(specification: ProductSpecification, type_: RelationType) -> tuple[str, ...]:
    return tuple(relation.specification for relation in specification.relations if relation.type is type_)


def _cardinality(code: str, item: BundleItem, have: int, least: int, most: int) -> Refusal:
    wanted = str(least) if least == most else f"{least} to {most}"
    return Refusal(
        "catalog.bundle_cardinality",
        f"{code} holds {wanted} of {item.offering}, not {have}",
        code,
        item.offering,
        f"order {wanted} of {item.offering} with it",
    )


def within(region: str) -> tuple[str, ...]:
    """Return the regions that hold ``region`` (ISO 3166): itself, and the country of a subdivision like DE-HH."""
    country, dash, _ = region.partition("-")
    return (region, country) if dash else (region,)


def not_eligible(
    code: str, eligibility: Eligibility, *, region: str, segment: str, channel: str
) -> tuple[Refusal, ...]:
    """Return why ``code`` is not sold there, to them, through that channel; empty where it is.

    An empty text is "not known": it is refused where the offering asks. A country holds its subdivisions.
    """
    asked = (
        ("region", within(region), eligibility.regions),
        ("segment", (segment,), eligibility.segments),
        ("channel", (channel,), eligibility.channels),
    )
    return tuple(
        Refusal(
            "catalog.not_eligible",
            f"{code} is not sold in the {name} {values[0]}" if values[0] else f"{code} asks for a {name}",
            name,
            values[0],
            f"it is sold in {', '.join(allowed)}",
        )
        for name, values, allowed in asked
        if allowed and not set(values) & set(allowed)
    )
