-- What the airport went through, as of every half hour: departures that had left by then, and what the
-- timetable holds for the hour around two hours ahead. A flight due but not gone counts as waiting:
-- that it has not left is known, why and until when is not.
WITH instants AS (
  SELECT origin, unnest(generate_series(
    time_bucket(INTERVAL 30 MINUTE, min(scheduled_departure)),
    time_bucket(INTERVAL 30 MINUTE, max(scheduled_departure)),
    INTERVAL 30 MINUTE)) AS event_timestamp
  FROM flight_times GROUP BY origin
), departed AS (
  SELECT origin, time_bucket(INTERVAL 30 MINUTE, actual_departure) + INTERVAL 30 MINUTE AS at,
    count(*) AS n, sum(dep_delay) AS delay, count(*) FILTER (dep_delay > 15) AS late
  FROM flight_times WHERE actual_departure IS NOT NULL GROUP BY ALL
), due AS (
  SELECT origin, time_bucket(INTERVAL 30 MINUTE, scheduled_departure) + INTERVAL 30 MINUTE AS at, count(*) AS n
  FROM flight_times GROUP BY ALL
), steps AS (
  SELECT instants.origin, instants.event_timestamp,
    coalesce(departed.n, 0) AS departed, coalesce(departed.delay, 0) AS delay, coalesce(departed.late, 0) AS late,
    coalesce(due.n, 0) AS due,
    coalesce(ahead.n, 0) AS ahead
  FROM instants
  LEFT JOIN departed ON departed.origin = instants.origin AND departed.at = instants.event_timestamp
  LEFT JOIN due ON due.origin = instants.origin AND due.at = instants.event_timestamp
  LEFT JOIN due AS ahead ON ahead.origin = instants.origin AND ahead.at = instants.event_timestamp + INTERVAL 150 MINUTE
)
SELECT
  origin, event_timestamp,
  sum(delay) OVER two_hours / nullif(sum(departed) OVER two_hours, 0) AS mean_departure_delay_2h,
  sum(late) OVER two_hours / nullif(sum(departed) OVER two_hours, 0) AS late_departure_share_2h,
  sum(delay) OVER day / nullif(sum(departed) OVER day, 0) AS mean_departure_delay_24h,
  sum(due - departed) OVER today AS waiting_12h,
  sum(departed) OVER two_hours AS departures_2h,
  ahead AS planned_departures_ahead
FROM steps
WINDOW
  two_hours AS (PARTITION BY origin ORDER BY event_timestamp RANGE BETWEEN INTERVAL 90 MINUTE PRECEDING AND CURRENT ROW),
  today AS (PARTITION BY origin ORDER BY event_timestamp RANGE BETWEEN INTERVAL 690 MINUTE PRECEDING AND CURRENT ROW),
  day AS (PARTITION BY origin ORDER BY event_timestamp RANGE BETWEEN INTERVAL 1410 MINUTE PRECEDING AND CURRENT ROW)
