-- A row where a version begins, and an empty one where it ends and no other begins: from then on nothing is known.
SELECT
  tailnum, valid_from AS event_timestamp,
  base, seats, date_part('year', valid_from) - built AS age_years
FROM aircraft
UNION ALL
SELECT ended.tailnum, ended.valid_to, NULL, NULL, NULL
FROM aircraft AS ended
ANTI JOIN aircraft AS following ON following.tailnum = ended.tailnum AND following.valid_from = ended.valid_to
WHERE ended.valid_to IS NOT NULL
