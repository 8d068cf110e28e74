-- How punctual the route was, as of every midnight in New York: only flights that had arrived before it.
WITH days AS (
  SELECT DISTINCT date_trunc('day', scheduled_departure AT TIME ZONE 'America/New_York') AS known_on FROM flight_times
), routes AS (
  SELECT DISTINCT origin, dest FROM flight_times
), arrivals AS (
  SELECT origin, dest,
    date_trunc('day', actual_arrival AT TIME ZONE 'America/New_York') + INTERVAL 1 DAY AS known_on,
    count(*) AS n, sum(arr_delay) AS delay, count(*) FILTER (arr_delay > 15) AS late,
    sum(date_diff('minute', actual_departure, actual_arrival) - scheduled_minutes) AS over_schedule
  FROM flight_times WHERE actual_arrival IS NOT NULL GROUP BY ALL
), steps AS (
  SELECT origin, dest, known_on, n, delay, late, over_schedule
  FROM routes CROSS JOIN days LEFT JOIN arrivals USING (origin, dest, known_on)
)
SELECT
  origin, dest, known_on AT TIME ZONE 'America/New_York' AS event_timestamp,
  sum(late) OVER month / nullif(sum(n) OVER month, 0) AS late_share_28d,
  sum(delay) OVER month / nullif(sum(n) OVER month, 0) AS mean_delay_28d,
  sum(over_schedule) OVER month / nullif(sum(n) OVER month, 0) AS minutes_over_schedule_28d
FROM steps
WINDOW month AS (PARTITION BY origin, dest ORDER BY known_on RANGE BETWEEN INTERVAL 27 DAY PRECEDING AND CURRENT ROW)
