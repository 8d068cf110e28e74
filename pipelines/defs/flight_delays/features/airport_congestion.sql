-- The state of the airport as of every half hour of every local day: departures that had left before it, how they
-- arrived, and what the timetable holds. A flight due but not gone counts as waiting: that it has not left is known,
-- why (late or cancelled) and until when is not.
WITH days AS (
  SELECT DISTINCT origin, date_trunc('day', scheduled_departure AT TIME ZONE 'America/New_York') AS day FROM flight_times
), instants AS (
  SELECT origin, unnest(generate_series(
    day AT TIME ZONE 'America/New_York',
    (day + INTERVAL 1 DAY) AT TIME ZONE 'America/New_York' - INTERVAL 30 MINUTE,
    INTERVAL 30 MINUTE)) AS event_timestamp
  FROM days
), departed AS (
  SELECT origin, time_bucket(INTERVAL 30 MINUTE, actual_departure) + INTERVAL 30 MINUTE AS known_at,
    count(*) AS n, sum(dep_delay) AS delay, count(*) FILTER (dep_delay > 15) AS late
  FROM flight_times WHERE actual_departure IS NOT NULL GROUP BY ALL
), arrived AS (
  SELECT origin, time_bucket(INTERVAL 30 MINUTE, actual_arrival) + INTERVAL 30 MINUTE AS known_at,
    count(*) AS n, sum(arr_delay) AS delay, sum(arr_delay - dep_delay) AS lost
  FROM flight_times WHERE actual_arrival IS NOT NULL GROUP BY ALL
), due AS (
  SELECT origin, time_bucket(INTERVAL 30 MINUTE, scheduled_departure) + INTERVAL 30 MINUTE AS known_at, count(*) AS n
  FROM flight_times GROUP BY ALL
), steps AS (
  SELECT instants.origin, instants.event_timestamp,
    coalesce(departed.n, 0) AS departed, coalesce(departed.delay, 0) AS delay, coalesce(departed.late, 0) AS late,
    arrived.n AS arrived, arrived.delay AS arrival_delay, arrived.lost, coalesce(due.n, 0) AS due
  FROM instants
  LEFT JOIN departed ON departed.origin = instants.origin AND departed.known_at = instants.event_timestamp
  LEFT JOIN arrived ON arrived.origin = instants.origin AND arrived.known_at = instants.event_timestamp
  LEFT JOIN due ON due.origin = instants.origin AND due.known_at = instants.event_timestamp
)
SELECT
  origin, event_timestamp,
  sum(delay) OVER one_hour / nullif(sum(departed) OVER one_hour, 0) AS mean_departure_delay_1h,
  sum(delay) OVER two_hours / nullif(sum(departed) OVER two_hours, 0) AS mean_departure_delay_2h,
  sum(late) OVER two_hours / nullif(sum(departed) OVER two_hours, 0) AS late_departure_share_2h,
  sum(delay) OVER day / nullif(sum(departed) OVER day, 0) AS mean_departure_delay_24h,
  sum(due - departed) OVER half_day AS waiting_12h,
  sum(due - departed) OVER two_hours AS waiting_growth_2h,
  sum(departed) OVER two_hours AS departures_2h,
  sum(arrival_delay) OVER four_hours / sum(arrived) OVER four_hours AS mean_arrival_delay_4h,
  sum(lost) OVER four_hours / sum(arrived) OVER four_hours AS minutes_lost_under_way_4h
FROM steps
WINDOW
  one_hour AS (PARTITION BY origin ORDER BY event_timestamp RANGE BETWEEN INTERVAL 30 MINUTE PRECEDING AND CURRENT ROW),
  two_hours AS (PARTITION BY origin ORDER BY event_timestamp RANGE BETWEEN INTERVAL 90 MINUTE PRECEDING AND CURRENT ROW),
  four_hours AS (PARTITION BY origin ORDER BY event_timestamp RANGE BETWEEN INTERVAL 210 MINUTE PRECEDING AND CURRENT ROW),
  half_day AS (PARTITION BY origin ORDER BY event_timestamp RANGE BETWEEN INTERVAL 690 MINUTE PRECEDING AND CURRENT ROW),
  day AS (PARTITION BY origin ORDER BY event_timestamp RANGE BETWEEN INTERVAL 1410 MINUTE PRECEDING AND CURRENT ROW)
