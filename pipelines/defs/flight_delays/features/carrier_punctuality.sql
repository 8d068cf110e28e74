-- How punctual the carrier was, as of every third hour: only flights that had arrived by then.
WITH arrivals AS (
  SELECT carrier, time_bucket(INTERVAL 3 HOUR, actual_arrival) + INTERVAL 3 HOUR AS known_at,
    count(*) AS n, sum(arr_delay) AS delay, count(*) FILTER (arr_delay > 15) AS late
  FROM flight_times WHERE actual_arrival IS NOT NULL GROUP BY ALL
)
SELECT
  carrier, known_at AS event_timestamp,
  sum(late) OVER month / sum(n) OVER month AS late_share_28d,
  sum(delay) OVER month / sum(n) OVER month AS mean_delay_28d,
  sum(late) OVER week / sum(n) OVER week AS late_share_7d,
  sum(late) OVER day / sum(n) OVER day AS late_share_24h,
  sum(delay) OVER day / sum(n) OVER day AS mean_delay_24h
FROM arrivals
WINDOW
  month AS (PARTITION BY carrier ORDER BY known_at RANGE BETWEEN INTERVAL 28 DAY PRECEDING AND CURRENT ROW),
  week AS (PARTITION BY carrier ORDER BY known_at RANGE BETWEEN INTERVAL 7 DAY PRECEDING AND CURRENT ROW),
  day AS (PARTITION BY carrier ORDER BY known_at RANGE BETWEEN INTERVAL 24 HOUR PRECEDING AND CURRENT ROW)
