-- How flights to one destination fare today, as of the end of each hour in which one of them was due to leave,
-- left, or arrived; between such hours nothing new becomes known.
WITH facts AS (
  SELECT dest, actual_arrival AS happened, 1 AS arrived, arr_delay,
    date_diff('minute', actual_departure, actual_arrival) - scheduled_minutes AS over_schedule, 0 AS departed, 0 AS due
  FROM flight_times WHERE actual_arrival IS NOT NULL
  UNION ALL
  SELECT dest, actual_departure, 0, 0, 0, 1, 0 FROM flight_times WHERE actual_departure IS NOT NULL
  UNION ALL
  SELECT dest, scheduled_departure, 0, 0, 0, 0, 1 FROM flight_times
), steps AS (
  SELECT dest, time_bucket(INTERVAL 1 HOUR, happened) + INTERVAL 1 HOUR AS known_at,
    sum(arrived) AS arrived, sum(arr_delay) AS delay, sum(over_schedule) AS over_schedule,
    sum(departed) AS departed, sum(due) AS due
  FROM facts GROUP BY ALL
)
SELECT
  dest, known_at AS event_timestamp,
  sum(delay) OVER day / nullif(sum(arrived) OVER day, 0) AS mean_arrival_delay_24h,
  sum(over_schedule) OVER recent / nullif(sum(arrived) OVER recent, 0) AS minutes_over_schedule_6h,
  sum(due - departed) OVER half_day AS waiting_12h
FROM steps
WINDOW
  recent AS (PARTITION BY dest ORDER BY known_at RANGE BETWEEN INTERVAL 5 HOUR PRECEDING AND CURRENT ROW),
  half_day AS (PARTITION BY dest ORDER BY known_at RANGE BETWEEN INTERVAL 11 HOUR PRECEDING AND CURRENT ROW),
  day AS (PARTITION BY dest ORDER BY known_at RANGE BETWEEN INTERVAL 23 HOUR PRECEDING AND CURRENT ROW)
