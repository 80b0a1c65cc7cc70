-- What each span of a product's life was charged for.
SELECT 1;
