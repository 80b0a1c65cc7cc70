-- What there is at a place: facts that rules of the catalogue ask for (place.fibre, place.olt …).

-- place: as orders name it; with a * at its end, every place that begins so. What is said of the longer one counts.
CREATE TABLE qualification.coverage (
    tenant_id uuid NOT NULL,
    place     text COLLATE "C" NOT NULL CHECK (place <> '' AND length(place) <= 201),
    facts     jsonb NOT NULL,
    at        timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, place)
);
SELECT base.tenant_table('qualification', 'coverage');
