-- A company's own codes and names of books are kept once, with the books (ledger.own_book).
DROP TABLE tenant.chart_code;
