-- How the carrier's departures run at one airport today, as of every hour. A flight due but not gone counts as
-- waiting: that it has not left is known, why (late or cancelled) and until when is not.
WITH days AS (
  SELECT DISTINCT carrier, origin, date_trunc('day', scheduled_departure AT TIME ZONE 'America/New_York') AS day
  FROM flight_times
), instants AS (
  SELECT carrier, origin, unnest(generate_series(
    day AT TIME ZONE 'America/New_York',
    (day + INTERVAL 1 DAY) AT TIME ZONE 'America/New_York' - INTERVAL 1 HOUR,
    INTERVAL 1 HOUR)) AS known_at
  FROM days
), departed AS (
  SELECT carrier, origin, time_bucket(INTERVAL 1 HOUR, actual_departure) + INTERVAL 1 HOUR AS known_at,
    count(*) AS n, sum(dep_delay) AS delay, count(*) FILTER (dep_delay > 15) AS late
  FROM flight_times WHERE actual_departure IS NOT NULL GROUP BY ALL
), due AS (
  SELECT carrier, origin, time_bucket(INTERVAL 1 HOUR, scheduled_departure) + INTERVAL 1 HOUR AS known_at,
    count(*) AS n
  FROM flight_times GROUP BY ALL
), steps AS (
  SELECT carrier, origin, known_at, coalesce(departed.n, 0) AS departed, departed.delay, departed.late,
    coalesce(due.n, 0) AS due
  FROM instants
  LEFT JOIN departed USING (carrier, origin, known_at)
  LEFT JOIN due USING (carrier, origin, known_at)
)
SELECT
  carrier, origin, known_at AS event_timestamp,
  sum(delay) OVER recent / nullif(sum(departed) OVER recent, 0) AS mean_departure_delay_3h,
  sum(late) OVER recent / nullif(sum(departed) OVER recent, 0) AS late_departure_share_3h,
  sum(due - departed) OVER half_day / nullif(sum(due) OVER recent, 0) AS waiting_share
FROM steps
WINDOW
  recent AS (PARTITION BY carrier, origin ORDER BY known_at RANGE BETWEEN INTERVAL 2 HOUR PRECEDING AND CURRENT ROW),
  half_day AS (PARTITION BY carrier, origin ORDER BY known_at RANGE BETWEEN INTERVAL 11 HOUR PRECEDING AND CURRENT ROW)
