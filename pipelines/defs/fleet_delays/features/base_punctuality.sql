-- Each flight with the version of its aircraft that held when it left; arrivals of the four weeks before each midnight in New York.
WITH
  arrivals AS (
    SELECT
      f.carrier, f.origin, f.arrival_delay, f.origin = a.base AS is_at_base,
      f.scheduled_departure + to_minutes(f.departure_delay + f.air_minutes) + INTERVAL 1 HOUR AS known
    FROM flights AS f
    JOIN aircraft AS a
      ON a.tailnum = f.tailnum
      AND f.scheduled_departure >= a.valid_from
      AND (f.scheduled_departure < a.valid_to OR a.valid_to IS NULL)
    WHERE f.arrival_delay IS NOT NULL
  ),
  daily AS (
    SELECT
      carrier, origin, date_trunc('day', known AT TIME ZONE 'America/New_York') + INTERVAL 1 DAY AS midnight,
      count(*) FILTER (is_at_base) AS n_at_base, count(*) FILTER (is_at_base AND arrival_delay > 15) AS n_late_at_base,
      count(*) FILTER (NOT is_at_base) AS n_away, count(*) FILTER (NOT is_at_base AND arrival_delay > 15) AS n_late_away
    FROM arrivals GROUP BY ALL
  )
SELECT
  carrier, origin, midnight AT TIME ZONE 'America/New_York' AS event_timestamp,
  sum(n_away) OVER past / sum(n_at_base + n_away) OVER past AS share_away,
  sum(n_late_at_base) OVER past / nullif(sum(n_at_base) OVER past, 0) AS late_share_at_base,
  sum(n_late_away) OVER past / nullif(sum(n_away) OVER past, 0) AS late_share_away
FROM daily
WINDOW past AS (PARTITION BY carrier, origin ORDER BY midnight RANGE BETWEEN INTERVAL 27 DAY PRECEDING AND CURRENT ROW)
