-- How punctual the route was: one row a day with arrivals, known at midnight UTC after them.
WITH arrivals AS (
  SELECT origin, dest, time_bucket(INTERVAL 1 DAY, actual_arrival) + INTERVAL 1 DAY AS known_at,
    count(*) AS n, sum(arr_delay) AS delay, count(*) FILTER (arr_delay > 15) AS late,
    sum(date_diff('minute', actual_departure, actual_arrival) - scheduled_minutes) AS over_schedule
  FROM flight_times WHERE actual_arrival IS NOT NULL GROUP BY ALL
)
SELECT
  origin, dest, known_at AS event_timestamp,
  sum(late) OVER month / sum(n) OVER month AS late_share_28d,
  sum(delay) OVER month / sum(n) OVER month AS mean_delay_28d,
  sum(over_schedule) OVER month / sum(n) OVER month AS minutes_over_schedule_28d,
  sum(late) OVER week / sum(n) OVER week AS late_share_7d,
  sum(n) OVER month AS flights_28d
FROM arrivals
WINDOW
  month AS (PARTITION BY origin, dest ORDER BY known_at RANGE BETWEEN INTERVAL 27 DAY PRECEDING AND CURRENT ROW),
  week AS (PARTITION BY origin, dest ORDER BY known_at RANGE BETWEEN INTERVAL 6 DAY PRECEDING AND CURRENT ROW)
