-- Tables, indices, joins and grouping, in memory; every number follows from the row's own.
CREATE TABLE item (id INTEGER PRIMARY KEY, kind INTEGER, name TEXT, price INTEGER);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)
INSERT INTO item SELECT i, i * 7919 % 1009, printf('%x-%d', i * 2654435761 % 4294967296, i), i * 31 % 9973 FROM n;
CREATE INDEX item_kind ON item (kind);
CREATE INDEX item_name ON item (name);
CREATE TABLE sale (item INTEGER, day INTEGER, count INTEGER);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
INSERT INTO sale SELECT 1 + i * 48271 % 60000, i % 365, 1 + i % 5 FROM n;
CREATE INDEX sale_item ON sale (item);
SELECT count(*), sum(price), max(name) FROM item;
SELECT kind, sum(price * count) AS total FROM item JOIN sale ON sale.item = item.id GROUP BY kind ORDER BY total DESC LIMIT 5;
SELECT day, count(DISTINCT kind) FROM sale JOIN item ON sale.item = item.id GROUP BY day ORDER BY 2 DESC, 1 LIMIT 5;
SELECT count(*) FROM item WHERE name LIKE '%ab%' OR name GLOB '*77';
UPDATE item SET price = price + 1 WHERE kind % 3 = 0;
DELETE FROM sale WHERE day > 300;
SELECT sum(price), (SELECT sum(count) FROM sale) FROM item;
