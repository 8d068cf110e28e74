-- How the carrier's departures from one airport run and arrive today, as of every hour. A flight due but not gone counts as
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
), arrived AS (
  SELECT carrier, origin, time_bucket(INTERVAL 1 HOUR, actual_arrival) + INTERVAL 1 HOUR AS known_at,
    count(*) AS n, sum(arr_delay) AS delay, sum(arr_delay - dep_delay) AS lost
  FROM flight_times WHERE actual_arrival IS NOT NULL GROUP BY ALL
), due AS (
  SELECT carrier, origin, time_bucket(INTERVAL 1 HOUR, scheduled_departure) + INTERVAL 1 HOUR AS known_at,
    count(*) AS n
  FROM flight_times GROUP BY ALL
), steps AS (
  SELECT carrier, origin, known_at, coalesce(departed.n, 0) AS departed, departed.delay, departed.late,
    arrived.n AS arrived, arrived.delay AS arrival_delay, arrived.lost, coalesce(due.n, 0) AS due
  FROM instants
  LEFT JOIN departed USING (carrier, origin, known_at)
  LEFT JOIN arrived USING (carrier, origin, known_at)
  LEFT JOIN due USING (carrier, origin, known_at)
)
SELECT
  carrier, origin, known_at AS event_timestamp,
  sum(delay) OVER recent / nullif(sum(departed) OVER recent, 0) AS mean_departure_delay_3h,
  sum(late) OVER recent / nullif(sum(departed) OVER recent, 0) AS late_departure_share_3h,
  sum(due - departed) OVER half_day / nullif(sum(due) OVER recent, 0) AS waiting_share,
  sum(arrival_delay) OVER six_hours / sum(arrived) OVER six_hours AS mean_arrival_delay_6h,
  sum(lost) OVER six_hours / sum(arrived) OVER six_hours AS minutes_lost_under_way_6h
FROM steps
WINDOW
  recent AS (PARTITION BY carrier, origin ORDER BY known_at RANGE BETWEEN INTERVAL 2 HOUR PRECEDING AND CURRENT ROW),
  six_hours AS (PARTITION BY carrier, origin ORDER BY known_at RANGE BETWEEN INTERVAL 5 HOUR PRECEDING AND CURRENT ROW),
  half_day AS (PARTITION BY carrier, origin ORDER BY known_at RANGE BETWEEN INTERVAL 11 HOUR PRECEDING AND CURRENT ROW)
